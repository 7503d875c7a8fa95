"""Measure a model on a split: every metric, for the whole and for each picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mmras_stream.errors import DataError, SettingsError
from mmras_stream.evaluation.component import (
    ComponentMetrics,
    FrameComponents,
    Track,
    component_metrics,
    frame_components,
)
from mmras_stream.evaluation.datasets import Split
from mmras_stream.evaluation.pixel import (
    ANOMALY,
    PixelCurve,
    PixelPool,
    Scores,
    pixel_metrics,
)
from mmras_stream.evaluation.scores import scored_samples
from mmras_stream.evaluation.store import MapStore, Stored
from mmras_stream.model import Model, load_model
from mmras_stream.settings import Settings
from mmras_stream.types import FrameResult

HISTOGRAM_BINS = 60

TIES = 0.001
"""Share of pixels with the highest score above which thresholds cannot part them."""


@dataclass(frozen=True, slots=True)
class PixelCounts:
    """Of pixels above a threshold."""

    true_positives: int
    false_positives: int
    strange: int
    """Pixels that are anomalies."""
    ordinary: int

    @property
    def precision(self) -> float:
        """Share of what is found that is strange; 0 where nothing is found."""
        return self.true_positives / max(1, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float:
        """Share of what is strange that is found; 0 where nothing is strange."""
        return self.true_positives / max(1, self.strange)

    @property
    def f1(self) -> float:
        """Harmonic mean of the two."""
        found = self.true_positives + self.false_positives
        return 2 * self.true_positives / max(1, found + self.strange)


@dataclass(frozen=True, slots=True)
class PictureResult:
    """One picture of a split."""

    name: str
    average_precision: float | None
    """None where it holds no anomaly, or nothing else."""
    agreement: float
    """Intersection over union of what is found at the oracle threshold and what is there, 0..1,
    with as many pixels added to both as make the smallest thing that counts: pictures without an
    anomaly have one too, and the worst come first where they are shown."""
    pixels: PixelCounts
    """At the oracle threshold."""
    oracle: FrameComponents
    calibrated: FrameComponents | None
    strange_counts: tuple[int, ...]
    """Of anomalies: pixels from each of `Evaluation.levels` up to the one above it; last, those
    below them all."""
    ordinary_counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A split as a model sees it."""

    curve: PixelCurve
    track: Track
    oracle: ComponentMetrics
    """At the threshold that this split's own labels choose."""
    oracle_pixels: PixelCounts
    calibrated: ComponentMetrics | None
    """At the threshold fixed beforehand, if there is one."""
    calibrated_pixels: PixelCounts | None
    levels: tuple[float, ...]
    """Thresholds, the highest first, at even steps of recall of the whole split."""
    histogram_edges: tuple[float, ...]
    strange_histogram: tuple[int, ...]
    ordinary_histogram: tuple[int, ...]
    pictures: tuple[PictureResult, ...]
    notes: tuple[str, ...]
    """What has to be known to read the numbers, one sentence each."""


Visitor: TypeAlias = Callable[[Stored, PictureResult, PixelCurve], None]
"""Called with each picture once the thresholds are known."""


def load_calibrated(settings: Settings) -> tuple[Model, float | None, tuple[str, ...]]:
    """Load a model, its calibrated threshold and a note on why there is none.

    Raises:
        MmrasError: the model cannot be loaded, see `load_model`.
    """
    try:
        model = load_model(settings)
    except SettingsError as error:
        fixed = replace(settings.proposals, threshold=1.0)  # of which nothing is made here
        if settings.proposals == fixed:
            raise
        model = load_model(replace(settings, proposals=fixed))
        reason = str(error).partition(";")[0]
        return model, None, (f"no threshold was fixed beforehand: {reason}",)
    return model, model.threshold, ()


def evaluate(
    split: Split,
    model: Model,
    settings: Settings,
    *,
    track: Track,
    threshold: float | None = None,
    visitors: Iterable[Visitor] = (),
    every_frame: Callable[[FrameResult], None] | None = None,
    observer: Callable[[float, str], None] = lambda _share, _word: None,
) -> Evaluation:
    """Measure a model on a split.

    Memory does not grow with the split: scores wait in temporary files, 5 bytes for each pixel
    and at most 8 for each distinct score.

    Args:
        split: What to look at.
        model: What looks.
        settings: With which a drive is read and smoothed.
        track: Sizes of components that count.
        threshold: Fixed beforehand, as by calibration.
        visitors: Called with each picture once the thresholds are known.
        every_frame: Called with each frame of a drive.
        observer: Told the share that is done and a word on it.

    Raises:
        DataError: the split is not what it should be, or holds no anomaly.
        OutputError: there is no space for temporary files.
    """
    count = len(split.samples)
    with PixelPool() as pool, MapStore() as store:
        with closing(scored_samples(split, model, settings, every_frame=every_frame)) as scored:
            for done, one in enumerate(scored, start=1):
                pool.add(one.scores, one.gt_mask, name=one.sample.name)
                store.add(one)
                observer(0.8 * done / count, f"{done} of {count} pictures scored")
        try:
            curve = pool.curve()
        except DataError as error:
            raise DataError(f"{split.name}: {error}") from error
        tally = _Tally(curve, track, threshold)
        for done, stored in enumerate(store, start=1):
            picture = tally.add(stored)
            for visitor in visitors:
                visitor(stored, picture, curve)
            observer(0.8 + 0.2 * done / count, f"{done} of {count} pictures measured")
    return tally.evaluation()


class _Tally:
    """Measures pictures at thresholds that are known."""

    def __init__(self, curve: PixelCurve, track: Track, threshold: float | None) -> None:
        self._curve, self._track, self._threshold = curve, track, threshold
        self._levels = np.unique(np.array([p.threshold for p in curve.points], np.float32))
        width = max(curve.highest - curve.lowest, 1e-6)
        self._edges = curve.lowest + width * np.linspace(0, 1, HISTOGRAM_BINS + 1)
        self._edges[-1] = max(self._edges[-1], curve.highest)
        self._strange = np.zeros(HISTOGRAM_BINS, np.int64)
        self._ordinary = np.zeros(HISTOGRAM_BINS, np.int64)
        self._pictures: list[PictureResult] = []
        self._fixed: list[PixelCounts] = []

    def add(self, stored: Stored) -> PictureResult:
        strange = stored.scores[stored.gt_mask == ANOMALY]
        ordinary = stored.scores[stored.gt_mask == 0]
        self._strange += np.histogram(strange, self._edges)[0]
        self._ordinary += np.histogram(ordinary, self._edges)[0]
        at_oracle = pixel_counts(strange, ordinary, self._curve.best_threshold)
        if self._threshold is not None:
            self._fixed.append(pixel_counts(strange, ordinary, self._threshold))
        both = strange.size > 0 and ordinary.size > 0
        picture = PictureResult(
            name=stored.sample.name,
            average_precision=pixel_metrics(strange, ordinary).average_precision if both else None,
            agreement=_agreement(at_oracle, self._track.least_gt),
            pixels=at_oracle,
            oracle=self._components(stored, self._curve.best_threshold),
            calibrated=(
                None if self._threshold is None else self._components(stored, self._threshold)
            ),
            strange_counts=self._level_counts(strange),
            ordinary_counts=self._level_counts(ordinary),
        )
        self._pictures.append(picture)
        return picture

    def evaluation(self) -> Evaluation:
        oracle = component_metrics(
            [picture.oracle for picture in self._pictures], threshold=self._curve.best_threshold
        )
        calibrated = None
        if self._threshold is not None:
            fixed = [p.calibrated for p in self._pictures if p.calibrated is not None]
            calibrated = component_metrics(fixed, threshold=self._threshold)
        return Evaluation(
            curve=self._curve,
            track=self._track,
            oracle=oracle,
            oracle_pixels=summed(picture.pixels for picture in self._pictures),
            calibrated=calibrated,
            calibrated_pixels=summed(self._fixed) if self._fixed else None,
            levels=tuple(self._levels[::-1].tolist()),
            histogram_edges=tuple(self._edges.tolist()),
            strange_histogram=tuple(self._strange.tolist()),
            ordinary_histogram=tuple(self._ordinary.tolist()),
            pictures=tuple(self._pictures),
            notes=_notes(self._curve, oracle, calibrated),
        )

    def _components(self, stored: Stored, threshold: float) -> FrameComponents:
        return frame_components(
            stored.scores, stored.gt_mask, threshold=threshold, track=self._track
        )

    def _level_counts(self, scores: Scores) -> tuple[int, ...]:
        places = np.searchsorted(self._levels, scores, "right")
        counts: npt.NDArray[np.int64] = np.bincount(places, minlength=self._levels.size + 1)
        return tuple(counts[::-1].tolist())


def pixel_counts(strange: Scores, ordinary: Scores, threshold: float) -> PixelCounts:
    """Count the scores above a threshold."""
    return PixelCounts(
        int((strange > threshold).sum()),
        int((ordinary > threshold).sum()),
        strange.size,
        ordinary.size,
    )


def summed(counts: Iterable[PixelCounts]) -> PixelCounts:
    """Add up counts, of one picture at least."""
    columns = zip(
        *((c.true_positives, c.false_positives, c.strange, c.ordinary) for c in counts), strict=True
    )
    return PixelCounts(*(sum(column) for column in columns))


def _agreement(counts: PixelCounts, smallest: int) -> float:
    union = counts.strange + counts.false_positives
    return (counts.true_positives + smallest) / (union + smallest)


def _notes(
    curve: PixelCurve, oracle: ComponentMetrics, calibrated: ComponentMetrics | None
) -> tuple[str, ...]:
    notes = []
    if curve.share_at_highest > TIES:
        notes.append(
            f"{100 * curve.share_at_highest:.2f} % of the pixels share the highest score, "
            f"{curve.highest:g}: a threshold, which scores must exceed, cannot part them"
        )
    for name, metrics in (("oracle", oracle), ("calibrated", calibrated)):
        if metrics is not None and not metrics.predicted_components:
            notes.append(f"nothing is predicted at the {name} threshold, so its PPV is set to 0")
    return tuple(notes)
