from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it

from mmras_stream.inference.pillow_resize import resize
from mmras_stream.inference.published import (
    MEAN,
    STD,
    extra_queries,
    geometry,
    network_pixels,
    semantic_map,
)

SIZES = [((37, 53), (80, 131)), ((90, 160), (41, 77)), ((40, 9), (3, 9)), ((5, 7), (5, 11))]


@pytest.mark.parametrize(("before", "after"), SIZES)
def test_resizing_is_pillows(before: tuple[int, int], after: tuple[int, int]) -> None:
    image = pytest.importorskip("PIL.Image", reason="what is compared with")
    pixels = np.random.default_rng(0).integers(0, 256, (*before, 3), np.uint8)
    wanted = np.asarray(image.fromarray(pixels).resize(after[::-1], image.Resampling.BILINEAR))
    seen = resize(torch.from_numpy(pixels).permute(2, 0, 1), after).permute(1, 2, 0)
    assert np.array_equal(seen.numpy(), wanted)


def test_resizing_to_the_same_size_changes_nothing() -> None:
    pixels = torch.randint(0, 256, (3, 5, 7), dtype=torch.uint8)
    assert torch.equal(resize(pixels, (5, 7)), pixels)


@pytest.mark.parametrize(
    ("height", "width", "resized", "padded"),
    [
        (1024, 2048, (1024, 2048), (1024, 2048)),
        (720, 1280, (1024, 1820), (1024, 1824)),
        (1280, 720, (1820, 1024), (1824, 1024)),
        (300, 900, (683, 2048), (704, 2048)),
    ],
)
def test_sizes_follow_the_short_edge_up_to_the_long_one(
    height: int, width: int, resized: tuple[int, int], padded: tuple[int, int]
) -> None:
    sizes = geometry(height, width)
    assert (sizes.resized, sizes.padded) == (resized, padded)


def test_padding_is_zero_after_normalisation() -> None:
    sizes = geometry(40, 50, short_edge=40)
    pictures = torch.full((2, 3, 40, 50), 255, dtype=torch.uint8)
    pixels = network_pixels(pictures, sizes)
    assert pixels.shape == (2, 3, 64, 64)
    white = (255 - torch.tensor(MEAN)) / torch.tensor(STD)
    torch.testing.assert_close(pixels[0, :, 39, 49], white)
    assert not pixels[:, :, 40:].any()
    assert not pixels[..., 50:].any()


def test_only_sure_masks_of_things_beside_the_road_become_channels() -> None:
    class_logits = torch.zeros(4, 20)
    class_logits[0, 2] = 9  # a building
    class_logits[1, 1] = 9  # a sidewalk
    class_logits[2, 10] = 1  # perhaps sky
    class_logits[3, 10] = 9  # sky
    assert extra_queries(class_logits).tolist() == [0, 3]
    sizes = geometry(20, 30, short_edge=40)
    class_map = semantic_map(class_logits, torch.zeros(4, 16, 16), sizes)
    assert class_map.shape == (21, 20, 30)
    probability = F.softmax(class_logits[3], 0)[10]
    torch.testing.assert_close(class_map[20], (probability / 2).expand(20, 30))


def test_a_picture_without_a_sure_mask_has_no_extra_channel() -> None:
    class_map = semantic_map(torch.zeros(4, 20), torch.zeros(4, 16, 16), geometry(20, 30))
    assert class_map.shape == (19, 20, 30)
