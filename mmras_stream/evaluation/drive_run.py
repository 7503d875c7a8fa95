"""Measure one drive, frame by frame, with several smoothers."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace

import cv2
import numpy as np

from mmras_stream.errors import DataError
from mmras_stream.evaluation.drive_figures import Course, DriveResult, Figures, Seen
from mmras_stream.evaluation.drives import FrameTruth, LabelledDrive
from mmras_stream.evaluation.measure import PixelCounts, pixel_counts, summed
from mmras_stream.evaluation.overlaps import Rules, overlaps_of
from mmras_stream.evaluation.pixel import ANOMALY, Labels, PixelCurve, PixelPool
from mmras_stream.evaluation.scores import enlarged, told
from mmras_stream.evaluation.stability import BackwardFlow, ConsistencyMeter, flow_size
from mmras_stream.evaluation.temporal import TrackTally
from mmras_stream.evaluation.tracks import tracking_metrics
from mmras_stream.evaluation.variants import UNSMOOTHED, Variant
from mmras_stream.model import Model
from mmras_stream.pipeline import open_decoder, results
from mmras_stream.settings import Settings
from mmras_stream.types import FrameResult, Mask, ScoreMap

LEAST_TOLERANCE = 2
"""Frames by which a drive and its labels may differ in length, or 1 % if that is more."""


class DriveRun:
    """Measures one drive, frame by frame, with each smoother."""

    def __init__(
        self,
        drive: LabelledDrive,
        model: Model,
        settings: Settings,
        smoothers: Sequence[str],
        rules: Rules,
        stack: ExitStack,
    ) -> None:
        with closing(open_decoder(drive.video, settings.video)) as decoder:
            info = decoder.info
        self._drive = drive
        self._flow = BackwardFlow()
        self._truth_meter = ConsistencyMeter()
        self.raw = stack.enter_context(PixelPool())
        self.pools = {
            name: self.raw if name == UNSMOOTHED else stack.enter_context(PixelPool())
            for name in smoothers
        }
        self._runs = {
            name: _CourseRun(Variant(name, settings, model, info), rules) for name in smoothers
        }

    def add(self, raw: FrameResult, truth: FrameTruth) -> Seen:
        """Measure the next frame and return what the first smoother makes of it."""
        flow = self._flow.update(raw.frame)
        size = flow_size(raw.frame.height, raw.frame.width)
        labels = truth.labels
        ignored = _shrunk(truth.ignored, size)
        self._truth_meter.add(_shrunk(labels == ANOMALY, size), flow, ignored)
        where = f"frame {raw.frame.index} of {self._drive.video}"
        self.raw.add(enlarged(raw.raw_map), labels, name=where)
        seen = []
        for name, run in self._runs.items():
            try:
                result = run.variant.update(raw.frame, raw.raw_map)
            except ValueError as error:  # what the regions of a map are refused with
                raise DataError(f"{self._drive.video}, smoother {name}: {error}") from error
            scores = enlarged(result.anomaly_map)
            if self.pools[name] is not self.raw:
                self.pools[name].add(scores, labels, name=where)
            small = cv2.resize(result.anomaly_map.scores, size, interpolation=cv2.INTER_LINEAR)
            run.meter.add(np.asarray(small) > result.threshold, flow, ignored)
            run.timeline.append((raw.frame.seconds, float(result.anomaly_map.scores.max())))
            run.pixels = summed([run.pixels, _counted(scores, labels, result.threshold)])
            seen.append(run.track(self._drive.name, truth, result, scores))
        return seen[0]

    def settled(self) -> DriveRun:
        """Keep pixels on disk alone."""
        for pool in {id(pool): pool for pool in (self.raw, *self.pools.values())}.values():
            pool.lay_aside()
        return self

    def result(self) -> DriveResult:
        """Return what was measured."""
        raw = _curve(self.raw)
        courses = {}
        for name, run in self._runs.items():
            tracks = run.tally.result()
            figures = Figures(
                tracking_metrics([tracks]),
                raw if name == UNSMOOTHED else _curve(self.pools[name]),
                run.pixels,
                run.meter.consistency,
            )
            courses[name] = Course(tracks, figures, tuple(run.timeline))
        return DriveResult(self._drive.name, raw, self._truth_meter.consistency, courses)


class _CourseRun:
    """What is added up for one smoother on one drive."""

    def __init__(self, variant: Variant, rules: Rules) -> None:
        self.variant = variant
        self.tally = TrackTally(rules)
        self.meter = ConsistencyMeter()
        self.pixels = PixelCounts(0, 0, 0, 0)
        self.timeline: list[tuple[float, float]] = []

    def track(self, drive: str, truth: FrameTruth, result: FrameResult, scores: ScoreMap) -> Seen:
        """Pair things and tracks."""
        overlaps = overlaps_of(truth, result.finds, self.tally.rules)
        track_scores: dict[int, float] = {}
        for find in result.finds:
            assert find.track_id is not None
            track_scores[find.track_id] = max(find.score, track_scores.get(find.track_id, -np.inf))
        pairs = self.tally.add(
            result.frame.moment,
            overlaps,
            thing_scores={k: float(scores[truth.things[k]].max()) for k in overlaps.things},
            track_scores=track_scores,
        )
        return Seen(drive, truth, overlaps, pairs, result)


def labelled_frames(
    drive: LabelledDrive, model: Model, settings: Settings, notes: list[str]
) -> Generator[tuple[FrameResult, FrameTruth], None, None]:
    """Yield every frame of a drive with its raw map, without proposals, and what is there.

    Args:
        drive: To be read.
        model: Its threshold does not matter.
        settings: With which the drive is read.
        notes: To which a sentence is added where time stamps differ.

    Raises:
        DataError: drive and labels differ in size or length, or a score is not a number.
        VideoError: the drive cannot be decoded.
    """
    truth, name = drive.truth, drive.video.name
    tolerance = max(LEAST_TOLERANCE, truth.length // 100)
    blind = replace(model, threshold=float("inf"), new_namer=None)
    plain = replace(settings, temporal=replace(settings.temporal, smoother=UNSMOOTHED))
    before = last = -1
    shared, late = 0, 0
    with closing(results(drive.video, plain, model=blind)) as frames:
        for result in told(frames, drive.video):
            frame = result.frame
            before, last = last, frame.index
            if last >= truth.length + tolerance:
                raise DataError(
                    f"{truth.path} labels {truth.length} frames, {name} has more; label all of "
                    "them, or give videos[0].length where nothing strange follows"
                )
            if last < truth.length:
                shared += last in truth.frames
                late += truth.pts.get(last, frame.pts) != frame.pts
                yield result, truth.at(frame)
    if not shared:
        raise DataError(f"{truth.path} lists no frame that {name} has or the settings leave in")
    if settings.video.end_seconds is None and last + (last - before) < truth.length - tolerance:
        raise DataError(
            f"{truth.path} labels {truth.length} frames, {name} has {last + 1}; are they of one "
            "drive?"
        )
    if late:
        notes.append(
            f"{late} frames of {name} are shown at another time than {truth.path.name} says; "
            "labels are matched by frame number"
        )


def _curve(pool: PixelPool) -> PixelCurve | None:
    """Return the curve of one drive, which may hold nothing strange."""
    if not all(counts.total for counts in pool.counts):
        return None
    return pool.curve()


def _counted(scores: ScoreMap, labels: Labels, threshold: float) -> PixelCounts:
    return pixel_counts(scores[labels == ANOMALY], scores[labels == 0], threshold)


def _shrunk(mask: Mask, size: tuple[int, int]) -> Mask:
    small = cv2.resize(mask.view(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return np.asarray(small, np.uint8).view(np.bool_)
