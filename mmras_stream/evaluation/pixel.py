"""Pixel metrics, pooled over a set of pictures, as SegmentMeIfYouCan defines them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt

from mmras_stream.errors import DataError
from mmras_stream.evaluation.counts import (
    Counted,
    ScoreCounts,
    common_slices,
    range_bounds,
    scores_of,
)
from mmras_stream.types import ScoreMap

ANOMALY = 1
IGNORE = 255

ENOUGH = 0.95
"""True-positive rate at which false positives are counted."""

RECALL_LEVELS = 400
"""Even steps of recall at which a curve is kept."""

Labels: TypeAlias = npt.NDArray[np.uint8]
Scores: TypeAlias = npt.NDArray[np.float32]
_Integers: TypeAlias = npt.NDArray[np.int64]
_Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PixelMetrics:
    """Shares, 0..1."""

    average_precision: float
    """Sum of (R_i - R_{i-1}) * P_i over distinct thresholds."""
    fpr_at_95_tpr: float
    """False-positive rate at the first threshold with a true-positive rate of 0.95 or more, as
    SegmentMeIfYouCan has it."""
    fpr_at_95_tpr_interpolated: float
    """The same, linear between the thresholds around a true-positive rate of 0.95, as the script
    of MMRAS+ has it."""
    auroc: float
    """Area under the curve of true over false positive rate; ties count half."""
    anomaly_pixels: int
    ordinary_pixels: int


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What calling every score from a threshold on strange would give."""

    threshold: float
    recall: float
    precision: float
    false_positive_rate: float


@dataclass(frozen=True, slots=True)
class PixelCurve:
    """The metrics of a pool and the curve behind them."""

    metrics: PixelMetrics
    best_f1: float
    best_threshold: float
    """Where F1 of pixels is best, the highest of several: an oracle, since the labels chose it."""
    points: tuple[CurvePoint, ...]
    """The highest threshold first, one for each step of recall that is reached."""
    lowest: float
    """Of all scores."""
    highest: float
    share_at_highest: float
    """Of all pixels, 0..1."""


class PixelPool:
    """Collects the scores of labelled pixels; ignored ones are left out.

    The metrics are exact and memory is bounded, see `ScoreCounts`. Close it, or use it in a
    `with` statement, to give temporary space back.
    """

    def __init__(self) -> None:
        self._strange = ScoreCounts()
        self._ordinary = ScoreCounts()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget everything."""
        self._strange.close()
        self._ordinary.close()

    def add(self, scores: ScoreMap, gt_mask: Labels, *, name: str = "picture") -> None:
        """Add one picture.

        Args:
            scores: (H, W); higher = stranger.
            gt_mask: (H, W); 1 anomaly, 0 ordinary, 255 ignored.
            name: Of the picture, for messages.

        Raises:
            DataError: sizes differ, a label is none of these, or a score is not a number.
            OutputError: there is no space for temporary files.
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
        self._strange.add(scores[strange])
        self._ordinary.add(scores[ordinary])

    def metrics(self) -> PixelMetrics:
        """Return the metrics over everything added so far; see `curve`."""
        return self.curve().metrics

    def curve(self) -> PixelCurve:
        """Return the metrics and their curve over everything added so far.

        Raises:
            DataError: there is no anomalous or no ordinary pixel.
        """
        return pooled_curve([self])

    def lay_aside(self) -> None:
        """Keep what was added on disk alone.

        Raises:
            OutputError: there is no space.
        """
        self._strange.lay_aside()
        self._ordinary.lay_aside()

    @property
    def counts(self) -> tuple[ScoreCounts, ScoreCounts]:
        """Of strange and of ordinary pixels."""
        return self._strange, self._ordinary


def pooled_curve(pools: Sequence[PixelPool]) -> PixelCurve:
    """Return the metrics and their curve over all that was added to several pools.

    Raises:
        DataError: there is no anomalous or no ordinary pixel.
    """
    strange = [pool.counts[0] for pool in pools]
    ordinary = [pool.counts[1] for pool in pools]
    totals = sum(one.total for one in strange), sum(one.total for one in ordinary)
    if not all(totals):
        which = "anomalous" if not totals[0] else "ordinary"
        raise DataError(f"no {which} pixel in the whole set, so no metric is defined")
    sweep = _Sweep(*totals)
    bounds = range_bounds([*strange, *ordinary])
    slices = (common_slices(counts, bounds) for counts in (strange, ordinary))
    for ours, others in zip(*slices, strict=True):
        sweep.add(ours, others)
    return sweep.curve()


def pixel_metrics(strange: Scores, ordinary: Scores) -> PixelMetrics:
    """Compute the metrics of two non-empty bags of scores.

    >>> pixel_metrics(np.float32([2, 3]), np.float32([0, 1])).average_precision
    1.0
    """
    with PixelPool() as pool:
        pool.add(strange[None], np.full((1, strange.size), ANOMALY, np.uint8))
        pool.add(ordinary[None], np.zeros((1, ordinary.size), np.uint8))
        return pool.metrics()


@dataclass(slots=True)
class _Sweep:
    """Walks down the scores and sums up what the metrics need."""

    strange: int
    ordinary: int
    true: int = 0
    """Strange pixels above the present score."""
    false: int = 0
    area: float = 0.0
    wins: float = 0.0
    """Pairs of a strange and an ordinary pixel of which the strange one scores higher."""
    fpr: float | None = None
    interpolated: float | None = None
    best_f1: float = -1.0
    best_threshold: float = 0.0
    points: list[CurvePoint] = field(default_factory=list)
    highest: float | None = None
    lowest: float = 0.0
    at_highest: int = 0

    def add(self, strange: Counted, ordinary: Counted) -> None:
        """Go on with the next lower range of scores."""
        self._note_extremes(strange, ordinary)
        keys, gain = strange.keys[::-1], strange.counts[::-1]
        # recall rises only at scores of strange pixels, so these are all the thresholds that count
        up_to = np.concatenate(([0], np.cumsum(ordinary.counts)))
        here = int(up_to[-1])
        above = self.false + here - up_to[np.searchsorted(ordinary.keys, keys, "right")]
        false = self.false + here - up_to[np.searchsorted(ordinary.keys, keys, "left")]
        true = self.true + np.cumsum(gain)
        if keys.size:
            precision = true / (true + false)
            self.area += float((gain * precision).sum())
            self.wins += float((gain * (self.ordinary - (above + false) / 2)).sum())
            self._find_enough(true, true - gain, above, false)
            thresholds = np.asarray(scores_of(keys), np.float64)
            self._find_best(2 * true / (true + false + self.strange), thresholds)
            self._keep_points(true, precision, false, thresholds)
            self.true = int(true[-1])
        self.false += here

    def curve(self) -> PixelCurve:
        """Return the metrics once all scores have been passed."""
        assert self.fpr is not None
        assert self.interpolated is not None
        assert self.highest is not None
        return PixelCurve(
            PixelMetrics(
                average_precision=self.area / self.strange,
                fpr_at_95_tpr=self.fpr,
                fpr_at_95_tpr_interpolated=self.interpolated,
                auroc=self.wins / self.strange / self.ordinary,
                anomaly_pixels=self.strange,
                ordinary_pixels=self.ordinary,
            ),
            best_f1=self.best_f1,
            best_threshold=self.best_threshold,
            points=tuple(self.points),
            lowest=self.lowest,
            highest=self.highest,
            share_at_highest=self.at_highest / (self.strange + self.ordinary),
        )

    def _note_extremes(self, *ranges: Counted) -> None:
        present = [one for one in ranges if one.keys.size]
        if not present:
            return
        self.lowest = float(scores_of(np.array([min(one.keys[0] for one in present)]))[0])
        if self.highest is None:
            top = max(one.keys[-1] for one in present)
            self.highest = float(scores_of(np.array([top]))[0])
            self.at_highest = sum(int(one.counts[-1]) for one in present if one.keys[-1] == top)

    def _find_enough(
        self, true: _Integers, before: _Integers, above: _Integers, false: _Integers
    ) -> None:
        rate = true / self.strange
        if self.fpr is None and rate[-1] >= ENOUGH:
            self.fpr = float(false[np.argmax(rate >= ENOUGH)] / self.ordinary)
        if self.interpolated is None and rate[-1] > ENOUGH:
            first = int(np.argmax(rate > ENOUGH))
            rate_before = before[first] / self.strange
            way = (ENOUGH - rate_before) / (rate[first] - rate_before)
            begin, end = above[first] / self.ordinary, false[first] / self.ordinary
            self.interpolated = float(begin + way * (end - begin))

    def _find_best(self, f1: _Floats, thresholds: _Floats) -> None:
        best = int(np.argmax(f1))
        if f1[best] > self.best_f1:
            self.best_f1, self.best_threshold = float(f1[best]), float(thresholds[best])

    def _keep_points(
        self, true: _Integers, precision: _Floats, false: _Integers, thresholds: _Floats
    ) -> None:
        level = true * RECALL_LEVELS // self.strange
        before = np.concatenate(([self.true * RECALL_LEVELS // self.strange], level[:-1]))
        for i in self._steps(level > before):
            point = CurvePoint(
                threshold=float(thresholds[i]),
                recall=float(true[i] / self.strange),
                precision=float(precision[i]),
                false_positive_rate=float(false[i] / self.ordinary),
            )
            self.points.append(point)

    def _steps(self, rises: npt.NDArray[np.bool_]) -> Iterator[int]:
        """Yield the first threshold of all, and each at which recall reaches a new level."""
        if not self.points and not rises[0]:
            yield 0
        yield from (int(i) for i in np.flatnonzero(rises))
