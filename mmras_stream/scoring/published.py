"""The anomaly scores of the published code, each as a pure function of one picture's class map.

s stands for a class map (K + k, h, w) from `mmras_stream.inference.published.semantic_map`: K
classes and k extra masks, k >= 0. Every score is (h, w); the higher, the stranger. Gao et al.
2025, arXiv 2503.17712, and Rai et al. 2023, arXiv 2307.13316, as released.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

EXTRA_MASK_THRESHOLD = 0.5
"""From which on an extra mask rules out anomalies."""


def msp(s: Tensor) -> Tensor:
    """1 - max softmax(s)."""
    return 1 - s.softmax(0).amax(0)


def entropy_max(s: Tensor) -> Tensor:
    """H(softmax s) / log(K + k), 0..1."""
    return -(s.softmax(0) * s.log_softmax(0)).sum(0) / math.log(s.shape[0])


def maxlogits(s: Tensor) -> Tensor:
    """1 - max s."""
    return 1 - s.amax(0)


def mask2anomaly(s: Tensor, *, classes: int) -> Tensor:
    """1 - max s, and 0 where one of several extra masks lies.

    A single extra mask changes nothing: so the released code has it.
    """
    score, extras = maxlogits(s), s[classes:]
    if len(extras) < 2:
        return score
    return score * (extras < EXTRA_MASK_THRESHOLD).all(0)


def mmras(s: Tensor, t: Tensor, *, alpha: float, w: float) -> Tensor:
    """1 - max s, mixed with the same of s blended with text.

    w * (1 - max(alpha * s + (1 - alpha) * t)) + (1 - w) * (1 - max s), eq. of MMRAS.

    Args:
        s: (K + k, h, w).
        t: (K, h, w) from `text_logits`; the extra masks are not blended.
        alpha: Share of the image in the blend; released per data set: 0.99 RoadAnomaly,
            0.9999999 RoadAnomaly21 and RoadObstacle21, 0.98 FS Static, 0.7 FS Lost&Found.
        w: Share of the blended score: 0.7, and 0.9 on FS Lost&Found.
    """
    classes = t.shape[0]
    blended = torch.cat([alpha * s[:classes] + (1 - alpha) * t, s[classes:]])
    return w * maxlogits(blended) + (1 - w) * maxlogits(s)


def text_logits(features: Tensor, text: Tensor, size: tuple[int, int]) -> Tensor:
    """Multiply features by text embeddings, neither of them normalised, and enlarge.

    Args:
        features: (C, h', w'), res4.
        text: (K, C).
        size: (h, w) of the class map.

    Returns:
        (K, h, w).
    """
    products = F.conv2d(features[None], text[:, :, None, None])
    return F.interpolate(products, size, mode="bilinear", align_corners=True)[0]


def with_mirrored(score: Tensor, mirrored: Tensor) -> Tensor:
    """Average a score with that of the mirrored picture, which is mirrored back first."""
    return (score + mirrored.flip(-1)) / 2
