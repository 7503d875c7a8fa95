"""The anomaly scores of the literature, each as a pure function of class maps.

Every score is (N, h, w); the higher, the stranger. Those of the MMRAS+ code (Gao et al. 2025,
arXiv 2503.17712, after Rai et al. 2023, arXiv 2307.13316) are reproduced as released.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from mmras_stream.types import SegmentationOutput

EXTRA_MASK_THRESHOLD = 0.5
"""From which on an extra mask rules out anomalies."""


class ClassMaps(NamedTuple):
    """How much of each class a network sees in each place; s in the formulas below."""

    classes: Tensor
    """(N, K, h, w): sums of masks (`mmras_stream.models.mmras.semantic_scores`), or logits."""
    extras: Tensor
    """(N, k, h, w), k >= 0: see `SegmentationOutput.extra_masks`."""

    @classmethod
    def of(cls, output: SegmentationOutput) -> ClassMaps:
        """Take them out of a network's output, in float32 at least."""
        classes = _wide(output.class_scores)
        if output.extra_masks is None:
            return cls(classes, classes[:, :0])
        return cls(classes, _wide(output.extra_masks))

    @property
    def channels(self) -> Tensor:
        """(N, K + k, h, w): all of them."""
        return torch.cat(self, 1) if self.extras.shape[1] else self.classes

    @property
    def extra_count(self) -> Tensor:
        """(N,): extra masks that each picture has."""
        return torch.isfinite(self.extras[:, :, 0, 0]).sum(1)


def msp(s: ClassMaps) -> Tensor:
    """1 - max softmax(s)."""
    return 1 - s.channels.softmax(1).amax(1)


def entropy_max(s: ClassMaps) -> Tensor:
    """H(softmax s) / log(K + k), 0..1."""
    most = torch.log(s.classes.shape[1] + s.extra_count)[:, None, None]
    # not -p * log_softmax, which is not a number where an extra mask is absent
    entropy: Tensor = torch.special.entr(s.channels.softmax(1)).sum(1)
    return entropy / most


def maxlogits(s: ClassMaps) -> Tensor:
    """1 - max s."""
    return 1 - _highest(s.classes, s.extras)


def energy(s: ClassMaps) -> Tensor:
    """-log sum exp(s), at temperature 1.  Liu et al. 2020, arXiv 2010.03759."""
    return -s.channels.logsumexp(1)


def rba(s: ClassMaps) -> Tensor:
    """-sum tanh(s) over the classes: rejected by all.  Nayal et al. 2023, arXiv 2211.14293."""
    return -s.classes.tanh().sum(1)


def mask2anomaly(s: ClassMaps) -> Tensor:
    """1 - max s, and 0 where one of several extra masks lies.

    A single extra mask changes nothing: so the released code has it.
    """
    several = (s.extra_count > 1)[:, None, None]
    return maxlogits(s) * ~(_ruled_out(s) & several)


def mask2anomaly_corrected(s: ClassMaps) -> Tensor:
    """1 - max s, and 0 where an extra mask lies, be it the only one."""
    return maxlogits(s) * ~_ruled_out(s)


def mmras(s: ClassMaps, t: Tensor, *, alpha: float, w: float) -> Tensor:
    """1 - max s, mixed with the same of s blended with text.

    w * (1 - max(alpha * s + (1 - alpha) * t)) + (1 - w) * (1 - max s), eq. of MMRAS.

    Args:
        s: Class maps.
        t: (N, K, h, w); the extra masks are not blended.
        alpha: Share of the image in the blend; released per data set: 0.99 RoadAnomaly,
            0.9999999 RoadAnomaly21 and RoadObstacle21, 0.98 FS Static, 0.7 FS Lost&Found.
        w: Share of the blended score: 0.7, and 0.9 on FS Lost&Found.
    """
    blended = ClassMaps(torch.lerp(t, s.classes, alpha), s.extras)
    return w * maxlogits(blended) + (1 - w) * maxlogits(s)


def text_logits(features: Tensor, text: Tensor, size: tuple[int, int]) -> Tensor:
    """Multiply features by text embeddings, neither of them normalised, and enlarge.

    Args:
        features: (N, C, h', w'), res4.
        text: (K, C).
        size: (h, w) of the class maps.

    Returns:
        (N, K, h, w).
    """
    products = F.conv2d(features, text[:, :, None, None])
    return F.interpolate(products, size, mode="bilinear", align_corners=True)


def with_mirrored(score: Tensor, mirrored: Tensor) -> Tensor:
    """Average a score with that of the mirrored picture, which is mirrored back first."""
    return (score + mirrored.flip(-1)) / 2


def _highest(classes: Tensor, extras: Tensor) -> Tensor:
    highest = classes.amax(1)
    return torch.maximum(highest, extras.amax(1)) if extras.shape[1] else highest


def _ruled_out(s: ClassMaps) -> Tensor:
    return (s.extras >= EXTRA_MASK_THRESHOLD).any(1)


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()
