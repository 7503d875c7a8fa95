"""Pixel metrics, pooled over a set of pictures, as SegmentMeIfYouCan defines them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmras_stream.errors import DataError
from mmras_stream.types import ScoreMap

ANOMALY = 1
IGNORE = 255

Labels = npt.NDArray[np.uint8]
Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PixelMetrics:
    """Shares, 0..1."""

    average_precision: float
    """Sum of (R_i - R_{i-1}) * P_i over distinct thresholds."""
    fpr_at_95_tpr: float
    """False-positive rate at the first threshold with a true-positive rate of 0.95 or more."""
    auroc: float
    """Area under the curve of true over false positive rate; ties count half."""
    anomaly_pixels: int
    ordinary_pixels: int


class PixelPool:
    """Collects the scores of labelled pixels; ignored ones are left out."""

    def __init__(self) -> None:
        self._anomaly: list[Scores] = []
        self._ordinary: list[Scores] = []

    def add(self, scores: ScoreMap, gt_mask: Labels, *, name: str = "picture") -> None:
        """Add one picture.

        Args:
            scores: (H, W); higher = stranger.
            gt_mask: (H, W); 1 anomaly, 0 ordinary, 255 ignored.
            name: Of the picture, for messages.

        Raises:
            DataError: sizes differ, a label is none of these, or a score is not a number.
        """
        if scores.shape != gt_mask.shape:
            raise DataError(f"{name}: scores are {scores.shape}, the mask is {gt_mask.shape}")
        if not np.isfinite(scores).all():
            raise DataError(f"{name}: a score is not a finite number")
        strange = gt_mask == ANOMALY
        ordinary = gt_mask == 0
        if not (strange | ordinary | (gt_mask == IGNORE)).all():
            odd = sorted(set(np.unique(gt_mask).tolist()) - {0, ANOMALY, IGNORE})
            raise DataError(f"{name}: labels must be 0, 1 or 255, its mask holds {odd}")
        self._anomaly.append(scores[strange])
        self._ordinary.append(scores[ordinary])

    def metrics(self) -> PixelMetrics:
        """Return the metrics over everything added so far.

        Raises:
            DataError: there is no anomalous or no ordinary pixel.
        """
        strange = _joined(self._anomaly)
        ordinary = _joined(self._ordinary)
        if not strange.size or not ordinary.size:
            which = "anomalous" if not strange.size else "ordinary"
            raise DataError(f"no {which} pixel in the whole set, so no metric is defined")
        return pixel_metrics(strange, ordinary)


def pixel_metrics(strange: Scores, ordinary: Scores) -> PixelMetrics:
    """Compute the metrics of two non-empty bags of scores.

    >>> pixel_metrics(np.float32([2, 3]), np.float32([0, 1])).average_precision
    1.0
    """
    strange, ordinary = np.sort(strange), np.sort(ordinary)
    thresholds = np.unique(strange)
    # recall rises only at scores of strange pixels, so these are all the thresholds that count
    true = strange.size - np.searchsorted(strange, thresholds, "left")
    false = ordinary.size - np.searchsorted(ordinary, thresholds, "left")
    gain = np.diff(true[::-1], prepend=0)[::-1]
    precision = true / (true + false)
    enough = np.nonzero(true >= 0.95 * strange.size)[0][-1]
    below = np.searchsorted(ordinary, strange, "left")
    up_to = np.searchsorted(ordinary, strange, "right")
    wins = (below.sum(dtype=np.float64) + up_to.sum(dtype=np.float64)) / 2
    return PixelMetrics(
        average_precision=float((gain * precision).sum() / strange.size),
        fpr_at_95_tpr=float(false[enough] / ordinary.size),
        auroc=float(wins / (strange.size * ordinary.size)),
        anomaly_pixels=int(strange.size),
        ordinary_pixels=int(ordinary.size),
    )


def _joined(parts: list[Scores]) -> Scores:
    """Join in place of the parts, so that a pool can be read again and grow on."""
    parts[:] = [np.concatenate(parts)] if parts else []
    return parts[0] if parts else np.zeros(0, np.float32)
