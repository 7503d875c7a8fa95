"""What the published code does to a picture before its network and to the masks after it."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from mmras_stream.inference.pillow_resize import resize
from mmras_stream.models.masked_decoder import MaskPrediction
from mmras_stream.types import SegmentationOutput

MULTIPLE = 32
"""Both sides of a network input are multiples of this."""

Colour = tuple[float, float, float]

MEAN: Colour = (123.675, 116.28, 103.53)
"""RGB, 0..255."""

STD: Colour = (58.395, 57.12, 57.375)

MASK_STRIDE = 4
"""Pixels of a network input for one value of a mask, in either direction."""

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


def geometry(
    height: int, width: int, *, short_edge: int = 1024, long_edge: int = 2048, step: int = 1
) -> Geometry:
    """Bring the short edge to `short_edge`, unless the other would exceed `long_edge`.

    Both sides are rounded to multiples of `step`.

    >>> geometry(720, 1280).resized, geometry(720, 1280).padded
    ((1024, 1820), (1024, 1824))
    >>> geometry(375, 1242).resized
    (618, 2048)
    """
    scale = min(short_edge / min(height, width), long_edge / max(height, width))
    down, across = (max(step, int(side * scale / step + 0.5) * step) for side in (height, width))
    padded = -(-down // MULTIPLE) * MULTIPLE, -(-across // MULTIPLE) * MULTIPLE
    return Geometry((height, width), (down, across), padded)


def network_pixels(
    pictures: Tensor, sizes: Geometry, *, mean: Colour = MEAN, std: Colour = STD
) -> Tensor:
    """Resize, normalise and pad.

    Args:
        pictures: (N, 3, height, width) uint8, RGB, upright.
        sizes: From `geometry`.
        mean: RGB, 0..255.
        std: RGB, 0..255.

    Returns:
        (N, 3, *padded) float32.
    """
    small = resize(pictures, sizes.resized).float()
    centre, scale = (torch.tensor(c, device=small.device).view(3, 1, 1) for c in (mean, std))
    (height, width), (padded_height, padded_width) = sizes.resized, sizes.padded
    return F.pad((small - centre) / scale, (0, padded_width - width, 0, padded_height - height))


def segmentation(
    masks: MaskPrediction,
    features: Tensor,
    sizes: Geometry,
    *,
    fast: bool,
    extra_classes: Collection[int] = EXTRA_CLASSES,
) -> SegmentationOutput:
    """Turn the masks of a batch into what scores are made from.

    Args:
        masks: Of N pictures of one size.
        features: (N, C, h', w').
        sizes: From `geometry`, with a step of `MASK_STRIDE` if it is to be fast.
        fast: Bring the masks straight to the size of the result, where the published code
            enlarges them to that of the network's input first, and the sums to their own.
        extra_classes: Those whose sure masks become channels of their own.
    """
    fold = direct_map if fast else semantic_map
    maps = [
        fold(classes, logits, sizes, extra_classes=extra_classes)
        for classes, logits in zip(masks.class_logits, masks.mask_logits, strict=True)
    ]
    known = masks.class_logits.shape[-1] - 1
    return SegmentationOutput(
        class_scores=torch.stack([one[:known] for one in maps]),
        features=features,
        extra_masks=pad_sequence(
            [one[known:] for one in maps], batch_first=True, padding_value=-torch.inf
        ),
    )


def semantic_map(
    class_logits: Tensor,
    mask_logits: Tensor,
    sizes: Geometry,
    *,
    extra_classes: Collection[int] = EXTRA_CLASSES,
) -> Tensor:
    """Turn the masks of one picture into class scores at its original size.

    Args:
        class_logits: (Q, K + 1).
        mask_logits: (Q, h, w).
        sizes: From `geometry`.
        extra_classes: Those whose sure masks become channels of their own.

    Returns:
        (K + k, *original): see `mmras_stream.models.mmras.semantic_scores`; then, for each of k
        masks that surely shows what cannot stand on a road, its probability.
    """
    channels = _summed(class_logits, mask_logits, sizes.padded, extra_classes)
    return _enlarge(channels[:, : sizes.resized[0], : sizes.resized[1]], sizes.original)


def direct_map(
    class_logits: Tensor,
    mask_logits: Tensor,
    sizes: Geometry,
    *,
    extra_classes: Collection[int] = EXTRA_CLASSES,
) -> Tensor:
    """Do as `semantic_map` with masks enlarged once, to the smaller of picture and network input.

    It ranks places as `semantic_map` does, but for one pair in thousands.
    """
    height, width = (side // MASK_STRIDE for side in sizes.resized)
    size = min(sizes.original, sizes.resized, key=math.prod)
    return _summed(class_logits, mask_logits[:, :height, :width], size, extra_classes)


def _summed(
    class_logits: Tensor, mask_logits: Tensor, size: tuple[int, int], extra_classes: Collection[int]
) -> Tensor:
    """Enlarge the masks a few at a time and add them up: (K + k, *size)."""
    probabilities = class_logits.softmax(-1)
    sums = probabilities.new_zeros(probabilities.shape[1] - 1, math.prod(size))
    parts = zip(
        torch.split(probabilities[:, :-1], QUERIES_AT_ONCE),
        torch.split(mask_logits, QUERIES_AT_ONCE),
        strict=True,
    )
    for some, masks in parts:
        sums.addmm_(some.T, _enlarge(masks, size).sigmoid().flatten(1))
    kept = extra_queries(class_logits, extra_classes)
    best = probabilities[kept].amax(-1)[:, None, None]
    extras = best * _enlarge(mask_logits[kept], size).sigmoid()
    return torch.cat([sums.view(-1, *size), extras])


def extra_queries(class_logits: Tensor, extra_classes: Collection[int] = EXTRA_CLASSES) -> Tensor:
    """Return the numbers of the queries that surely show something beside or above a road.

    Args:
        class_logits: (Q, K + 1).
        extra_classes: Numbers of the classes that count; those of Cityscapes if not given.

    Returns:
        (k,) int64, rising.
    """
    best, label = class_logits.softmax(-1).max(-1)
    inside = torch.isin(label, torch.tensor([*extra_classes], device=label.device))
    return torch.nonzero(inside & (best > EXTRA_PROBABILITY))[:, 0]


def _enlarge(maps: Tensor, size: tuple[int, int]) -> Tensor:
    # a map per batch entry, not per channel: PyTorch takes an empty batch, but no empty channels
    return F.interpolate(maps[:, None], size, mode="bilinear", align_corners=False)[:, 0]
