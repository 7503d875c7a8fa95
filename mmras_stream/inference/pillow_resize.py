"""Pillow's antialiased bilinear resize to the last bit, on tensors and on any device."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

PRECISION_BITS = 22
"""Of Pillow's fixed-point weights for 8-bit pictures."""


class Taps(NamedTuple):
    """Which inputs make each output, and how much of each."""

    source: Tensor
    """(outputs, taps) int64."""
    weight: Tensor
    """(outputs, taps) int32, in units of 2^-PRECISION_BITS."""


def resize(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize as `PIL.Image.resize` does with BILINEAR: columns first, each pass rounded.

    `torch.nn.functional.interpolate(antialias=True)` is off by one level in up to one pixel of a
    hundred, which is more than the tolerance to which the published network is reproduced.

    Args:
        pictures: (..., h, w) uint8.
        size: (height, width) of the result.

    Returns:
        (..., height, width) uint8.
    """
    height, width = size
    across = pictures if pictures.shape[-1] == width else _resize_last(pictures, width)
    if across.shape[-2] == height:
        return across
    return _resize_last(across.transpose(-1, -2), height).transpose(-1, -2).contiguous()


def taps(inputs: int, outputs: int) -> Taps:
    """Return the triangle filter that brings `inputs` samples to `outputs`.

    >>> taps(4, 2).source.tolist()
    [[0, 1, 2], [1, 2, 3]]
    >>> [[round(weight / 2**22, 3) for weight in row] for row in taps(4, 2).weight.tolist()]
    [[0.429, 0.429, 0.143], [0.143, 0.429, 0.429]]
    """
    scale = inputs / outputs
    support = max(scale, 1.0)
    centre = (np.arange(outputs) + 0.5) * scale
    first = np.maximum((centre - support + 0.5).astype(np.int64), 0)
    last = np.minimum((centre + support + 0.5).astype(np.int64), inputs)
    index = first[:, None] + np.arange((last - first).max())
    weight = np.maximum(1 - np.abs((index - centre[:, None] + 0.5) / support), 0)
    weight *= index < last[:, None]
    weight /= weight.sum(1, keepdims=True)
    fixed = (weight * 2**PRECISION_BITS + 0.5).astype(np.int32)
    return Taps(torch.from_numpy(np.minimum(index, inputs - 1)), torch.from_numpy(fixed))


def _resize_last(pictures: Tensor, outputs: int) -> Tensor:
    source, weight = (x.to(pictures.device) for x in taps(pictures.shape[-1], outputs))
    total = torch.full(
        (*pictures.shape[:-1], outputs), 1 << (PRECISION_BITS - 1), dtype=torch.int32
    ).to(pictures.device)
    for one_source, one_weight in zip(source.T, weight.T, strict=True):
        total += pictures[..., one_source].int() * one_weight
    return (total >> PRECISION_BITS).clamp(0, 255).to(torch.uint8)
