"""What the published code does to a picture before its network and to the masks after it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from mmras_stream.inference.pillow_resize import resize

MULTIPLE = 32
"""Both sides of a network input are multiples of this."""

MEAN = (123.675, 116.28, 103.53)
"""RGB, 0..255."""

STD = (58.395, 57.12, 57.375)

EXTRA_CLASSES = range(2, 11)
"""Building to sky: Cityscapes classes that cannot stand on a road."""

EXTRA_PROBABILITY = 0.95
"""Above which a mask of such a class becomes a channel of its own."""

QUERIES_AT_ONCE = 10
"""Masks enlarged together; a hundred at full size would take gigabytes."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """The sizes (height, width) a picture goes through."""

    original: tuple[int, int]
    resized: tuple[int, int]
    padded: tuple[int, int]
    """What the network sees: `resized` and zeros at the right and at the bottom."""


def geometry(height: int, width: int, *, short_edge: int = 1024, long_edge: int = 2048) -> Geometry:
    """Bring the short edge to `short_edge`, unless the other would exceed `long_edge`.

    >>> geometry(720, 1280).resized, geometry(720, 1280).padded
    ((1024, 1820), (1024, 1824))
    >>> geometry(375, 1242).resized
    (618, 2048)
    """
    scale = min(short_edge / min(height, width), long_edge / max(height, width))
    down, across = int(height * scale + 0.5), int(width * scale + 0.5)
    padded = -(-down // MULTIPLE) * MULTIPLE, -(-across // MULTIPLE) * MULTIPLE
    return Geometry((height, width), (down, across), padded)


def network_pixels(pictures: Tensor, sizes: Geometry) -> Tensor:
    """Resize, normalise and pad.

    Args:
        pictures: (N, 3, height, width) uint8, RGB, upright.
        sizes: From `geometry`.

    Returns:
        (N, 3, *padded) float32.
    """
    small = resize(pictures, sizes.resized).float()
    mean = torch.tensor(MEAN, device=pictures.device).view(3, 1, 1)
    std = torch.tensor(STD, device=pictures.device).view(3, 1, 1)
    (height, width), (padded_height, padded_width) = sizes.resized, sizes.padded
    return F.pad((small - mean) / std, (0, padded_width - width, 0, padded_height - height))


def semantic_map(class_logits: Tensor, mask_logits: Tensor, sizes: Geometry) -> Tensor:
    """Turn the masks of one picture into class scores at its original size.

    Args:
        class_logits: (Q, K + 1).
        mask_logits: (Q, h, w).
        sizes: From `geometry`.

    Returns:
        (K + k, *original): see `mmras_stream.models.mmras.semantic_scores`; then, for each of k
        masks that surely shows what cannot stand on a road, its probability.
    """
    probabilities = class_logits.softmax(-1)
    sums = probabilities.new_zeros(probabilities.shape[1] - 1, math.prod(sizes.padded))
    parts = zip(
        torch.split(probabilities[:, :-1], QUERIES_AT_ONCE),
        torch.split(mask_logits, QUERIES_AT_ONCE),
        strict=True,
    )
    for some, masks in parts:
        sums.addmm_(some.T, _enlarge(masks, sizes.padded).sigmoid().flatten(1))
    kept = extra_queries(class_logits)
    best = probabilities[kept].amax(-1)[:, None, None]
    extras = best * _enlarge(mask_logits[kept], sizes.padded).sigmoid()
    channels = torch.cat([sums.view(-1, *sizes.padded), extras])
    return _enlarge(channels[:, : sizes.resized[0], : sizes.resized[1]], sizes.original)


def extra_queries(class_logits: Tensor) -> Tensor:
    """Return the numbers of the queries that surely show something beside or above a road.

    Args:
        class_logits: (Q, K + 1), Cityscapes classes.

    Returns:
        (k,) int64, rising.
    """
    best, label = class_logits.softmax(-1).max(-1)
    inside = (label >= EXTRA_CLASSES.start) & (label < EXTRA_CLASSES.stop)
    return torch.nonzero(inside & (best > EXTRA_PROBABILITY))[:, 0]


def _enlarge(maps: Tensor, size: tuple[int, int]) -> Tensor:
    # a map per batch entry, not per channel: PyTorch takes an empty batch, but no empty channels
    return F.interpolate(maps[:, None], size, mode="bilinear", align_corners=False)[:, 0]
