"""Measure one drive with one smoother, frame by frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mmras_stream.errors import DataError
from mmras_stream.evaluation.drive_figures import Course, Figures, Seen
from mmras_stream.evaluation.drives import FrameTruth, LabelledDrive
from mmras_stream.evaluation.measure import PixelCounts, pixel_counts, summed
from mmras_stream.evaluation.overlaps import Rules, overlaps_of
from mmras_stream.evaluation.pixel import ANOMALY, Labels, PixelCurve, PixelPool
from mmras_stream.evaluation.scores import enlarged
from mmras_stream.evaluation.stability import ConsistencyMeter, Flow
from mmras_stream.evaluation.temporal import TrackTally
from mmras_stream.evaluation.tracks import tracking_metrics
from mmras_stream.evaluation.variants import Variant
from mmras_stream.streaming import SteadyFrame
from mmras_stream.types import FrameResult, Mask, ScoreMap


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """What is known of a frame before its result."""

    name: str
    """For messages."""
    truth: FrameTruth
    labels: Labels
    flow: Flow | None
    """Since the frame before, small."""
    ignored: Mask
    """Of the size of the flow, even where there is none."""


class CourseRun:
    """Adds up what is measured; results may come some frames after what is expected of them.

    Args:
        drive: Where it all happens.
        variant: What makes results.
        rules: What counts as found.
        pool: For the pixels; None where another has them.
    """

    def __init__(
        self, drive: LabelledDrive, variant: Variant, rules: Rules, pool: PixelPool | None
    ) -> None:
        self._drive = drive
        self._variant = variant
        self._pool = pool
        self._tally = TrackTally(rules)
        self._meter = ConsistencyMeter()
        self._pixels = PixelCounts(0, 0, 0, 0)
        self._timeline: list[tuple[float, float]] = []
        self._expected: deque[Expected] = deque()

    def add(self, raw: SteadyFrame, expected: Expected) -> Iterator[Seen]:
        """Take in the next frame, and yield those that are settled by it."""
        self._expected.append(expected)
        try:
            settled = self._variant.update(raw)
        except ValueError as error:  # what the regions of a map are refused with
            raise DataError(f"{self._drive.video}: {error}") from error
        yield from self._measured(settled)

    def rest(self) -> Iterator[Seen]:
        """Yield what is left after the last frame."""
        yield from self._measured(self._variant.rest())

    def course(self, curve: PixelCurve | None) -> Course:
        """Return what was measured, with the curve of the pixels."""
        tracks = self._tally.result()
        figures = Figures(tracking_metrics([tracks]), curve, self._pixels, self._meter.consistency)
        return Course(tracks, figures, tuple(self._timeline))

    def _measured(self, settled: Sequence[FrameResult]) -> Iterator[Seen]:
        for result in settled:
            expected = self._expected.popleft()
            scores = enlarged(result.anomaly_map)
            if self._pool is not None:
                self._pool.add(scores, expected.labels, name=expected.name)
            strange, ordinary = scores[expected.labels == ANOMALY], scores[expected.labels == 0]
            self._pixels = summed([self._pixels, pixel_counts(strange, ordinary, result.threshold)])
            size = expected.ignored.shape[::-1]
            small = cv2.resize(result.anomaly_map.scores, size, interpolation=cv2.INTER_LINEAR)
            above: Mask = np.asarray(small) > result.threshold
            self._meter.add(above, expected.flow, expected.ignored)
            peak = float(result.anomaly_map.scores.max())
            self._timeline.append((result.frame.seconds, peak))
            yield self._paired(result, expected.truth, scores)

    def _paired(self, result: FrameResult, truth: FrameTruth, scores: ScoreMap) -> Seen:
        overlaps = overlaps_of(truth, result.finds, self._tally.rules)
        track_scores: dict[int, float] = {}
        for find in result.finds:
            assert find.track_id is not None
            best = track_scores.get(find.track_id, find.score)
            track_scores[find.track_id] = max(find.score, best)
        pairs = self._tally.add(
            result.frame.moment,
            overlaps,
            thing_scores={k: float(scores[truth.things[k]].max()) for k in overlaps.things},
            track_scores=track_scores,
        )
        return Seen(self._drive.name, truth, overlaps, pairs, result)
