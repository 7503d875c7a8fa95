"""Text scores computed one place at a time, and what they are computed from."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mmras_stream.scoring.ensemble import load_scorer
from mmras_stream.settings import Settings
from mmras_stream.types import (
    ColourMatrix,
    FrameBatch,
    NetworkTraits,
    PixelFormat,
    SegmentationOutput,
)

Array = npt.NDArray[np.float64]

NAMES = ("road", "car", "sky")
MASKS = NetworkTraits(NAMES, predicts_masks=True, feature_channels=24)
PIXELS = NetworkTraits(NAMES, has_outlier_head=True, feature_channels=24)
ALPHA, W = 0.6, 0.7
SEED = torch.Generator().manual_seed(0)
OUTPUT = SegmentationOutput(
    class_scores=2 * torch.rand(2, 3, 6, 9, generator=SEED),
    features=torch.randn(2, 24, 3, 4, generator=SEED),
    extra_masks=torch.rand(2, 1, 6, 9, generator=SEED),
)


def batch(height: int = 40, width: int = 64) -> FrameBatch:
    generator = torch.Generator().manual_seed(1)
    planes = [
        torch.randint(0, 256, (2, height, width), generator=generator, dtype=torch.uint8)
        for _ in range(3)
    ]
    rgb = PixelFormat(ColourMatrix.RGB, full_range=True)
    return FrameBatch((3, 4), (0, 1), Fraction(1, 25), (planes[0], planes[1], planes[2]), rgb)


def scores(
    name: str, settings: Settings, traits: NetworkTraits, output: SegmentationOutput = OUTPUT
) -> Array:
    scorer = load_scorer({name: 1.0}, settings, traits)
    return np.stack([one.scores for one in scorer.score(batch(), output)]).astype(np.float64)


def with_text(settings: Settings, **changes: str | None) -> Settings:
    return replace(settings, text=replace(settings.text, **changes))  # type: ignore[arg-type]  # texts all


def array(tensor: Tensor) -> Array:
    return tensor.double().numpy()


def softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


def enlarged(maps: Array, height: int, width: int, *, align_corners: bool) -> Array:
    """Enlarge (N, K, h, w) place by place."""
    result = np.empty((*maps.shape[:2], height, width))
    for row in range(height):
        for column in range(width):
            y, x = (
                at * (old - 1) / (new - 1) if align_corners else (at + 0.5) * old / new - 0.5
                for at, old, new in ((row, maps.shape[2], height), (column, maps.shape[3], width))
            )
            result[:, :, row, column] = between(maps, max(y, 0.0), max(x, 0.0))
    return result


def between(maps: Array, y: float, x: float) -> Array:
    top, left = int(y), int(x)
    bottom, right = min(top + 1, maps.shape[2] - 1), min(left + 1, maps.shape[3] - 1)
    down, across = y - top, x - left
    above = (1 - across) * maps[:, :, top, left] + across * maps[:, :, top, right]
    below = (1 - across) * maps[:, :, bottom, left] + across * maps[:, :, bottom, right]
    return np.asarray((1 - down) * above + down * below)


def blended(s: Array, t: Array, extras: Array | None) -> Array:
    """The formula of MMRAS."""
    highest, mixed = s.max(1), (ALPHA * s + (1 - ALPHA) * t).max(1)
    if extras is not None:
        highest, mixed = (np.maximum(m, extras.max(1)) for m in (highest, mixed))
    return np.asarray(W * (1 - mixed) + (1 - W) * (1 - highest))


def released(vectors: Array) -> Array:
    products = np.einsum("nchw,kc->nkhw", array(OUTPUT.features), vectors)
    return enlarged(products, 6, 9, align_corners=True)
