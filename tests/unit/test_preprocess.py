from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from mmras_stream.inference.preprocess import (
    input_size,
    network_input,
    resized_on_device,
    resized_on_host,
)
from mmras_stream.types import ColourMatrix, FrameBatch, PixelFormat

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
CPU = torch.device("cpu")


def batch_of(*planes: torch.Tensor, pixel_format: PixelFormat) -> FrameBatch:
    y, u, v = planes
    index = tuple(range(len(y)))
    return FrameBatch(index, index, Fraction(1, 25), (y, u, v), pixel_format)


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (360, 640, (288, 512)),
        (720, 1280, (288, 512)),
        (480, 640, (384, 512)),
        (1, 1, (512, 512)),
        (5000, 10, (1024, 512)),
        (1, 5000, (16, 512)),
    ],
)
def test_the_input_keeps_the_shape_of_the_picture_within_reason(
    height: int, width: int, expected: tuple[int, int]
) -> None:
    assert input_size(height, width, input_width=512) == expected


def test_rgb_planes_are_normalised_per_channel() -> None:
    planes = [torch.full((1, 8, 8), value, dtype=torch.uint8) for value in (10, 100, 200)]
    rgb = PixelFormat(ColourMatrix.RGB, full_range=True)
    pixels = network_input(
        batch_of(*planes, pixel_format=rgb), (16, 16), mean=MEAN, std=STD, device=CPU
    )
    expected = [(v - m) / s for v, m, s in zip((10, 100, 200), MEAN, STD, strict=True)]
    assert pixels.shape == (1, 3, 16, 16)
    assert pixels.is_contiguous(memory_format=torch.channels_last)
    for channel, value in enumerate(expected):
        torch.testing.assert_close(pixels[0, channel], torch.full((16, 16), value))


def test_ten_bits_limited_range_give_what_eight_give() -> None:
    rng = np.random.default_rng(0)
    small = [rng.integers(40, 200, shape, np.uint8) for shape in ((2, 32, 48), (2, 16, 24))]
    luma, chroma = (torch.from_numpy(plane) for plane in small)
    eight = PixelFormat(ColourMatrix.BT709, full_range=False)
    ten = PixelFormat(ColourMatrix.BT709, full_range=False, bits=10)
    inputs = [
        network_input(
            batch_of(*planes, pixel_format=kind), (16, 32), mean=MEAN, std=STD, device=CPU
        )
        for planes, kind in (
            ((luma, chroma, chroma), eight),
            (tuple(p.to(torch.int16) * 4 for p in (luma, chroma, chroma)), ten),
        )
    ]
    torch.testing.assert_close(inputs[0], inputs[1], atol=0.04, rtol=0)


def test_both_ways_of_resizing_agree_on_smooth_pictures() -> None:
    y, x = np.mgrid[0:90, 0:160]
    luma = torch.from_numpy((60 + y + 0.5 * x).astype(np.uint8))[None]
    chroma = torch.from_numpy((100 + 0.3 * y[:45, :80]).astype(np.uint8))[None]
    limited = PixelFormat(ColourMatrix.BT601, full_range=False)
    batch = batch_of(luma, chroma, chroma, pixel_format=limited)
    for size in ((32, 64), (96, 192)):
        host, device = resized_on_host(batch, size), resized_on_device(batch, size)
        assert host.shape == device.shape == (1, *size, 3)
        inner = np.s_[:, 3:-3, 3:-3]
        torch.testing.assert_close(host[inner], device[inner], atol=1.5, rtol=0)
