"""Measure one drive, frame by frame, with several smoothers."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing

import cv2
import numpy as np

from mmras_stream.errors import DataError
from mmras_stream.evaluation.course import CourseRun, Expected
from mmras_stream.evaluation.drive_figures import DriveResult, Seen
from mmras_stream.evaluation.drives import FrameTruth, LabelledDrive
from mmras_stream.evaluation.overlaps import Rules
from mmras_stream.evaluation.pixel import ANOMALY, PixelCurve, PixelPool
from mmras_stream.evaluation.scores import enlarged, told
from mmras_stream.evaluation.stability import BackwardFlow, ConsistencyMeter, flow_size
from mmras_stream.evaluation.variants import UNSMOOTHED, Variant, drive_info, raw_frames
from mmras_stream.model import Model
from mmras_stream.settings import Settings
from mmras_stream.streaming import SteadyFrame
from mmras_stream.types import Mask

LEAST_TOLERANCE = 2
"""Frames by which a drive and its labels may differ in length, or 1 % if that is more."""


class DriveRun:
    """Measures one drive with each smoother.

    Args:
        drive: To be measured.
        model: Whose maps are given, and whose threshold tells what is strange.
        settings: With which the drive is read and followed.
        smoothers: Names; the first is what is shown. Raw maps are measured in any case.
        rules: What counts as found.
        stack: Which gives temporary space back.
    """

    def __init__(
        self,
        drive: LabelledDrive,
        model: Model,
        settings: Settings,
        smoothers: Sequence[str],
        rules: Rules,
        stack: ExitStack,
    ) -> None:
        info = drive_info(drive.video, settings)
        self.name = drive.name
        self._drive = drive
        self._flow = BackwardFlow()
        self._truth_meter = ConsistencyMeter()
        self.pools = {
            name: stack.enter_context(PixelPool())
            for name in dict.fromkeys([UNSMOOTHED, *smoothers])
        }
        self.curves: dict[str, PixelCurve | None] = {}
        self._runs = {
            name: CourseRun(
                drive,
                Variant(name, settings, model, info),
                rules,
                None if name == UNSMOOTHED else self.pools[name],
            )
            for name in smoothers
        }

    def add(self, raw: SteadyFrame, truth: FrameTruth) -> list[Seen]:
        """Measure the next frame and return what the first smoother has settled by it."""
        size = flow_size(raw.frame.height, raw.frame.width)
        labels = truth.labels
        expected = Expected(
            f"frame {raw.frame.index} of {self._drive.video}",
            truth,
            labels,
            self._flow.update(raw.frame),
            _shrunk(truth.ignored, size),
        )
        strange = _shrunk(labels == ANOMALY, size)
        self._truth_meter.add(strange, expected.flow, expected.ignored)
        self.pools[UNSMOOTHED].add(enlarged(raw.raw_map), labels, name=expected.name)
        seen = [list(run.add(raw, expected)) for run in self._runs.values()]
        return seen[0]

    def rest(self) -> list[Seen]:
        """Return what the first smoother settles after the last frame; sum the pixels up."""
        seen = [list(run.rest()) for run in self._runs.values()]
        for name, pool in self.pools.items():
            pool.lay_aside()  # other drives are still to come, and memory shall not grow with them
            self.curves[name] = _curve(pool)
        return seen[0]

    def result(self) -> DriveResult:
        """Return what was measured, after `rest`."""
        courses = {name: run.course(self.curves[name]) for name, run in self._runs.items()}
        raw = self.curves[UNSMOOTHED]
        return DriveResult(self.name, raw, self._truth_meter.consistency, courses)


def labelled_frames(
    drive: LabelledDrive, model: Model, settings: Settings, notes: list[str]
) -> Generator[tuple[SteadyFrame, FrameTruth], None, None]:
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
    before = last = -1
    shared, late = 0, 0
    with closing(raw_frames(drive.video, model, settings)) as frames:
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


def _shrunk(mask: Mask, size: tuple[int, int]) -> Mask:
    small = cv2.resize(mask.view(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return np.asarray(small, np.uint8).view(np.bool_)
