from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mmras_stream.errors import PluginError
from mmras_stream.models.dense_clip import dense_features, dense_stride, region_embeddings
from small_clip import RESNET, VIT, random_state


def tower(config: dict[str, Any]) -> Any:
    import open_clip

    model = open_clip.CLIP(**config)
    model.load_state_dict(random_state(config))
    return model.eval().requires_grad_(requires_grad=False).visual


def pixels(height: int, width: int, count: int = 2) -> Tensor:
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(1))


def units(vectors: np.ndarray[Any, Any], axis: int) -> np.ndarray[Any, Any]:
    scaled: np.ndarray[Any, Any] = vectors / np.linalg.norm(vectors, axis=axis, keepdims=True)
    return scaled


def attending_to_oneself(visual: Any, tokens: Tensor) -> Tensor:
    """Run open_clip's own last block with a mask that lets each token see itself alone."""
    itself = torch.full((tokens.shape[1],) * 2, float("-inf")).fill_diagonal_(0)
    after: Tensor = visual.transformer.resblocks[-1](tokens, attn_mask=itself)
    return after


@pytest.mark.parametrize("size", [(64, 64), (96, 32)])
def test_the_resnet_projects_each_place_by_itself(size: tuple[int, int]) -> None:
    visual, pictures = tower(RESNET), pixels(*size)
    maps = visual.layer4(visual.layer3(visual.layer2(visual.layer1(visual.stem(pictures)))))
    pool, features = visual.attnpool, maps.double().numpy()
    v, c = pool.v_proj, pool.c_proj
    expected = np.zeros((2, 24, *features.shape[-2:]))
    for n, y, x in np.ndindex(2, *features.shape[-2:]):
        value = v.weight.double().numpy() @ features[n, :, y, x] + v.bias.double().numpy()
        expected[n, :, y, x] = c.weight.double().numpy() @ value + c.bias.double().numpy()
    got = dense_features(visual, pictures)
    assert got.shape == (2, 24, size[0] // 32, size[1] // 32)
    np.testing.assert_allclose(got.numpy(), units(expected, 1), atol=1e-5)


def test_a_resnet_whose_map_is_the_same_everywhere_says_there_what_it_says_of_the_whole() -> None:
    visual, pictures = tower(RESNET), pixels(64, 64)
    flat = (torch.nn.AdaptiveAvgPool2d(1), torch.nn.Upsample(scale_factor=2))
    visual.layer4 = torch.nn.Sequential(visual.layer4, *flat)
    visual.attnpool.positional_embedding.zero_()
    whole = torch.nn.functional.normalize(visual(pictures), dim=1)
    places = dense_features(visual, pictures)
    torch.testing.assert_close(places, whole[:, :, None, None].expand(-1, -1, 2, 2))


def test_the_transformer_runs_its_last_block_with_every_token_on_its_own() -> None:
    visual, pictures = tower(VIT), pixels(32, 32)
    tokens = visual._embeds(pictures)
    for block in visual.transformer.resblocks[:-1]:
        tokens = block(tokens)
    tokens = visual.ln_post(attending_to_oneself(visual, tokens)) @ visual.proj
    expected = np.zeros((2, 24, 4, 4))
    for n, y, x in np.ndindex(2, 4, 4):
        expected[n, :, y, x] = tokens[n, 1 + 4 * y + x].numpy()
    got = dense_features(visual, pictures)
    np.testing.assert_allclose(got.numpy(), units(expected, 1), atol=1e-5)


def test_the_transformer_sees_other_sizes_as_one_made_for_them_would() -> None:
    import open_clip

    visual, pictures = tower(VIT), pixels(48, 80)
    wide = {**VIT["vision_cfg"], "image_size": [48, 80]}  # type: ignore[dict-item]  # a mixed dictionary
    other = open_clip.CLIP(**{**VIT, "vision_cfg": wide})
    state = random_state(VIT)
    open_clip.model.resize_pos_embed(state, other, antialias=False)
    other.load_state_dict(state)
    got = dense_features(visual, pictures)
    assert got.shape == (2, 24, 6, 10)
    torch.testing.assert_close(
        got, dense_features(other.eval().requires_grad_(requires_grad=False).visual, pictures)
    )


@pytest.mark.parametrize(("config", "stride"), [(RESNET, 32), (VIT, 8)])
def test_sizes_that_do_not_fit_are_refused_with_one_that_does(
    config: dict[str, Any], stride: int
) -> None:
    visual = tower(config)
    assert dense_stride(visual) == stride
    message = f"height 33 is not a multiple of {stride}; pad to {64 if stride == 32 else 40}"
    with pytest.raises(ValueError, match=message):
        dense_features(visual, pixels(33, 64))
    with pytest.raises(ValueError, match=f"width 0 is not a multiple of {stride}; pad to {stride}"):
        dense_features(visual, pixels(64, 0))


@pytest.mark.parametrize("extra", [{"attentional_pool": True}, {"scale_heads": True}])
def test_towers_of_other_kinds_are_refused(extra: dict[str, bool]) -> None:
    import open_clip

    vision = {**VIT["vision_cfg"], "attn_pooler_heads": 2, **extra}  # type: ignore[dict-item]  # as above
    visual = open_clip.CLIP(**{**VIT, "vision_cfg": vision}).visual
    with pytest.raises(PluginError, match="no dense features from an image tower of kind Vision"):
        dense_stride(visual)
    with pytest.raises(PluginError, match="of kind Linear; it must be a ModifiedResNet or"):
        dense_stride(torch.nn.Linear(1, 1))


def test_a_region_is_the_mean_of_its_places() -> None:
    features = torch.nn.functional.normalize(torch.randn(5, 3, 4), dim=0)
    masks = torch.zeros(2, 3, 4, dtype=torch.bool)
    masks[0, 1, 1:3] = True
    masks[1, 2, 3] = True
    got = region_embeddings(features, masks)
    mean = (features[:, 1, 1] + features[:, 1, 2]).numpy() / 2
    np.testing.assert_allclose(got[0].numpy(), units(mean, 0), atol=1e-6)
    np.testing.assert_allclose(got[1].numpy(), features[:, 2, 3].numpy(), atol=1e-6)


def test_a_finer_mask_counts_by_the_share_of_each_cell() -> None:
    features = torch.nn.functional.normalize(torch.randn(5, 2, 2), dim=0)
    mask = torch.zeros(1, 20, 20, dtype=torch.bool)
    mask[0, 2:12, 5:12] = True
    expected = np.zeros(5)
    for y, x in np.argwhere(mask[0].numpy()):
        expected += features[:, y // 10, x // 10].numpy()
    got = region_embeddings(features, mask)[0].numpy()
    np.testing.assert_allclose(got, units(expected, 0), atol=1e-6)


def test_an_empty_mask_is_refused_by_its_number() -> None:
    masks = torch.ones(3, 4, 4)
    masks[1] = 0
    with pytest.raises(ValueError, match="mask 1 of 3 is empty; there is nothing to average"):
        region_embeddings(torch.randn(5, 2, 2), masks)
    assert region_embeddings(torch.randn(5, 2, 2), masks[:0]).shape == (0, 5)
