"""Measure a model on whole drives, with several smoothers in one pass of the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing

from mmras_stream.errors import DataError
from mmras_stream.evaluation.drive_figures import Figures, Seen, VideoEvaluation, Watcher
from mmras_stream.evaluation.drive_run import DriveRun, labelled_frames
from mmras_stream.evaluation.drives import LabelledDrive
from mmras_stream.evaluation.measure import summed
from mmras_stream.evaluation.overlaps import Rules
from mmras_stream.evaluation.pixel import PixelCurve, pooled_curve
from mmras_stream.evaluation.stability import joined
from mmras_stream.evaluation.tracks import tracking_metrics
from mmras_stream.evaluation.variants import UNSMOOTHED, check_smoothers
from mmras_stream.model import Model
from mmras_stream.settings import Settings


def evaluate_drives(
    drives: Sequence[LabelledDrive],
    model: Model,
    settings: Settings,
    *,
    smoothers: Sequence[str],
    rules: Rules,
    watchers: Sequence[Watcher] = (),
    observer: Callable[[float, str], None] = lambda _share, _word: None,
) -> VideoEvaluation:
    """Measure a model on drives of which every frame is labelled.

    The network looks at each frame once. Memory grows with things and tracks and the frames in
    which they are seen, not with pixels: those wait in temporary files, 8 bytes for each distinct
    score of some millions.

    Args:
        drives: What to look at.
        model: What looks, and the threshold of its proposals.
        settings: With which a drive is read, smoothed and tracked; but not its smoother.
        smoothers: Names of those to compare; watchers see the first.
        rules: What counts as found.
        watchers: Called with each frame.
        observer: Told the share that is done and a word on it.

    Raises:
        DataError: labels do not fit their drive, or a score is not a number.
        OutputError: there is no space for temporary files.
        PluginError: there is no such smoother.
        VideoError: a drive cannot be decoded.
    """
    check_smoothers(smoothers)
    total = sum(drive.truth.length for drive in drives)
    done = 0
    notes: list[str] = []
    with ExitStack() as stack:
        runs = []
        for drive in drives:
            run = DriveRun(drive, model, settings, smoothers, rules, stack)
            with closing(labelled_frames(drive, model, settings, notes)) as frames:
                for result, truth in frames:
                    _tell(watchers, run.add(result, truth))
                    done += 1
                    observer(0.95 * done / total, f"{done} of {total} frames")
            _tell(watchers, run.rest())
            runs.append(run)
        evaluation = _evaluation(runs, model, rules, smoothers, tuple(notes))
    observer(1.0, f"{done} frames")
    return evaluation


def _tell(watchers: Sequence[Watcher], settled: Sequence[Seen]) -> None:
    for seen in settled:
        for watcher in watchers:
            watcher(seen)


def _evaluation(
    runs: Sequence[DriveRun],
    model: Model,
    rules: Rules,
    smoothers: Sequence[str],
    notes: tuple[str, ...],
) -> VideoEvaluation:
    drives = tuple(run.result() for run in runs)
    curves = {name: _pooled(runs, name) for name in runs[0].pools}
    whole = {}
    for name in smoothers:
        courses = [drive.courses[name] for drive in drives]
        whole[name] = Figures(
            tracking_metrics([course.tracks for course in courses]),
            curves[name],
            summed(course.figures.pixels for course in courses),
            joined(course.figures.consistency for course in courses),
        )
    if not whole[smoothers[0]].tracking.things:
        notes = (*notes, f"no thing has {rules.visible_pixels} pixels, so none can be found")
    return VideoEvaluation(
        rules,
        model.threshold,
        drives,
        curves[UNSMOOTHED],
        joined(drive.truth_consistency for drive in drives),
        whole,
        notes,
    )


def _pooled(runs: Sequence[DriveRun], name: str) -> PixelCurve:
    if len(runs) == 1 and (curve := runs[0].curves[name]) is not None:
        return curve
    try:
        return pooled_curve([run.pools[name] for run in runs])
    except DataError as error:
        raise DataError(f"{', '.join(run.name for run in runs)}: {error}") from error
