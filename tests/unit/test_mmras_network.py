from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from mmras_stream.models.masked_decoder import Attention, MaskedCrossAttention, Memory
from mmras_stream.models.mmras import MmrasConfig, MmrasNetwork, semantic_scores
from mmras_stream.models.resnet import ResNet

SMALL = MmrasConfig(
    classes=("road", "rest"),
    width=32,
    heads=2,
    queries=5,
    encoder_layers=1,
    encoder_feedforward=16,
    points=2,
    decoder_layers=4,
    decoder_feedforward=16,
)


@pytest.fixture(scope="module")
def network() -> MmrasNetwork:
    torch.manual_seed(0)
    return MmrasNetwork(SMALL).eval()


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    return torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))


def test_a_config_comes_back_from_plain_values() -> None:
    assert MmrasConfig.from_dict(SMALL.to_dict()) == SMALL


@torch.inference_mode()
def test_outputs_have_the_sizes_that_are_promised(network: MmrasNetwork, pixels: Tensor) -> None:
    output = network(pixels)
    assert output.features.shape == (2, 1024, 4, 6)
    assert output.masks.mask_logits.shape == (2, 5, 16, 24)
    assert output.masks.class_logits.shape == (2, 5, 3)


@torch.inference_mode()
def test_pictures_of_a_batch_do_not_see_one_another(network: MmrasNetwork, pixels: Tensor) -> None:
    together = network(pixels).masks.mask_logits
    alone = network(pixels[1:]).masks.mask_logits
    torch.testing.assert_close(together[1:], alone, rtol=1e-3, atol=1e-4)


@torch.inference_mode()
def test_masks_shrunk_early_block_what_masks_shrunk_late_would(
    network: MmrasNetwork, pixels: Tensor
) -> None:
    head = network.sem_seg_head
    features = head.pixel_decoder(network.backbone(pixels))
    queries = head.predictor.query_states(features)[2]
    large = head.predictor.predict(queries, features.mask_features).mask_logits
    late = nn.functional.interpolate(large, features.maps[1].shape[-2:], mode="bilinear")
    memory = head.predictor._memory(features.maps[1], features.mask_features, torch.zeros(32))
    early = head.predictor._mask_embedding(queries) @ memory.mask_features
    torch.testing.assert_close(early, late.flatten(2), rtol=1e-4, atol=1e-5)


def test_ordinary_masked_attention_is_a_matter_of_configuration(pixels: Tensor) -> None:
    network = MmrasNetwork(replace(SMALL, global_mask_attention=False)).eval()
    names = {name.split(".")[4] for name in network.state_dict() if "cross_attention" in name}
    assert names == {"multihead_attn", "norm"}
    with torch.inference_mode():
        assert network(pixels).masks.mask_logits.isfinite().all()


@torch.inference_mode()
def test_a_query_sees_only_what_its_mask_covers() -> None:
    torch.manual_seed(0)
    layer = MaskedCrossAttention(32, heads=2)
    queries, values = torch.randn(1, 2, 32), torch.randn(1, 6, 32)
    masks = torch.tensor([[[1.0, 1, -1, -1, -1, -1], [-1.0, -1, -1, -1, -1, -1]]])

    def look(values: Tensor) -> Tensor:
        memory = Memory(values, values, mask_features=torch.empty(0))
        seen: Tensor = layer(queries, torch.zeros(2, 32), memory, masks)
        return seen

    changed = values.clone()
    changed[:, 3:] += 1
    before, after = look(values), look(changed)
    torch.testing.assert_close(before[:, 0], after[:, 0])
    assert not torch.allclose(before[:, 1], after[:, 1])  # an empty mask sees everything


@torch.inference_mode()
def test_attention_is_that_of_pytorch() -> None:
    torch.manual_seed(0)
    ours, theirs = Attention(32, heads=4), nn.MultiheadAttention(32, 4, batch_first=True)
    theirs.load_state_dict(ours.state_dict())
    queries, keys, values = torch.randn(2, 3, 32), torch.randn(2, 5, 32), torch.randn(2, 5, 32)
    wanted, _ = theirs(queries, keys, values, need_weights=False)
    torch.testing.assert_close(ours(queries, keys, values), wanted)


def test_the_deeper_backbone_has_more_blocks_and_the_same_outputs() -> None:
    with torch.device("meta"):
        deep = ResNet(101)
        shapes = [tuple(x.shape) for x in deep(torch.empty(1, 3, 64, 64))]
    assert len(list(deep.res4)) == 23
    assert shapes == [(1, 256, 16, 16), (1, 512, 8, 8), (1, 1024, 4, 4), (1, 2048, 2, 2)]


def test_every_used_parameter_learns(pixels: Tensor) -> None:
    torch.manual_seed(0)
    network = MmrasNetwork(SMALL).train()
    head = network.sem_seg_head
    features = head.pixel_decoder(network.backbone(pixels))
    total = torch.zeros(())
    for queries in head.predictor.query_states(features):
        prediction = head.predictor.predict(queries, features.mask_features)
        scores = semantic_scores(prediction.class_logits, prediction.mask_logits)
        total = total + scores.square().mean()
    total.backward()  # type: ignore[no-untyped-call]  # torch's stub lacks it
    idle = {name for name, x in network.named_parameters() if x.grad is None}
    assert {name.split(".")[-2] for name in idle} == {"fusion_layer"}


class _Plain(nn.Module):
    """The network with outputs that `torch.export` knows."""

    def __init__(self, network: MmrasNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        output = self.network(pixels)
        return output.masks.mask_logits, output.masks.class_logits


def test_the_network_can_be_exported(network: MmrasNetwork, pixels: Tensor) -> None:
    plain = _Plain(network)
    exported = torch.export.export(plain, (pixels,)).module()
    with torch.inference_mode():
        torch.testing.assert_close(exported(pixels), plain(pixels))


@torch.inference_mode()
def test_half_precision_blurs_the_outputs_and_moves_nothing(pixels: Tensor) -> None:
    torch.manual_seed(0)
    network = MmrasNetwork(SMALL).eval()
    features = network.sem_seg_head.pixel_decoder(network.backbone(pixels)).mask_features
    network.bfloat16()
    blurred = network.sem_seg_head.pixel_decoder(network.backbone(pixels.bfloat16())).mask_features
    assert blurred.dtype == torch.bfloat16
    torch.testing.assert_close(blurred.float(), features, rtol=0.1, atol=0.1)
