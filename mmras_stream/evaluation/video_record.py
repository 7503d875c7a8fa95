"""A video evaluation as JSON: to be read by people and programs, and compared later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean

from mmras_stream.evaluation.drive_figures import Course, DriveResult, Figures, VideoEvaluation
from mmras_stream.evaluation.drives import LabelledDrive
from mmras_stream.evaluation.pixel import PixelCurve
from mmras_stream.evaluation.tracks import Thing, Track
from mmras_stream.export.report import installed_versions
from mmras_stream.model import Model
from mmras_stream.settings import Settings

FORMAT = "mmras-stream video evaluation 1"


def record(
    evaluation: VideoEvaluation,
    drives: Sequence[LabelledDrive],
    model: Model,
    settings: Settings,
    *,
    path: Path,
) -> dict[str, object]:
    """Return everything about a video evaluation as JSON values."""
    return {
        "format": FORMAT,
        "path": str(path),
        "score": model.score,
        "tta": model.tta,
        "threshold": evaluation.threshold,
        **asdict(evaluation.rules),
        "smoothers": list(evaluation.smoothers),
        "fpr_convention": "SegmentMeIfYouCan: first threshold with TPR >= 0.95, no interpolation",
        "raw": _curve(evaluation.raw),
        "tc_of_labels": evaluation.truth_consistency.mean,
        "whole": {name: figure_values(one) for name, one in evaluation.whole.items()},
        "mean_over_drives": {
            name: means([drive.courses[name].figures for drive in evaluation.drives])
            for name in evaluation.smoothers
        },
        "drives": [
            _drive(result, drive) for result, drive in zip(evaluation.drives, drives, strict=True)
        ],
        "notes": list(evaluation.notes),
        "weights_sha256": model.backend.weights_sha256,
        "settings": settings.to_dict(),
        "versions": installed_versions(),
    }


def figure_values(figures: Figures) -> dict[str, object]:
    """Return all figures by name."""
    return {
        **_curve(figures.curve),
        "f1": figures.pixels.f1,
        "precision": figures.pixels.precision,
        "pixel_recall": figures.pixels.recall,
        "tc": figures.consistency.mean,
        "tc_total": figures.consistency.total,
        "tc_pairs": figures.consistency.pairs,
        **asdict(figures.tracking),
    }


def means(figures: Sequence[Figures]) -> dict[str, float | None]:
    """Return the mean over drives of each figure, over those drives that have it."""
    rows = [figure_values(one) for one in figures]
    names = (
        "average_precision",
        "fpr_at_95_tpr",
        "f1",
        "tc",
        "recall",
        "median_delay_ms",
        "false_tracks_per_minute",
        "mota",
        "idf1",
    )
    return {name: _mean([row[name] for row in rows]) for name in names}


def _mean(values: Sequence[object]) -> float | None:
    known = [float(value) for value in values if isinstance(value, int | float)]
    return fmean(known) if known else None


def _curve(curve: PixelCurve | None) -> dict[str, float | None]:
    return {
        "average_precision": None if curve is None else curve.metrics.average_precision,
        "fpr_at_95_tpr": None if curve is None else curve.metrics.fpr_at_95_tpr,
        "auroc": None if curve is None else curve.metrics.auroc,
        "best_f1": None if curve is None else curve.best_f1,
    }


def _drive(result: DriveResult, drive: LabelledDrive) -> dict[str, object]:
    return {
        "name": result.name,
        "labels": str(drive.truth.path),
        "raw": _curve(result.raw),
        "tc_of_labels": result.truth_consistency.mean,
        "courses": {name: _course(course) for name, course in result.courses.items()},
    }


def _course(course: Course) -> Mapping[str, object]:
    return {
        **figure_values(course.figures),
        "frames": course.tracks.frames,
        "id_true_positives": course.tracks.id_true_positives,
        "per_thing": [_thing(thing) for thing in course.tracks.things],
        "per_false_track": [_track(track) for track in course.tracks.false_tracks],
    }


def _thing(thing: Thing) -> dict[str, object]:
    first, last = thing.sights[0].moment, thing.sights[-1].moment
    return {
        "track_id": thing.thing_id,
        "first_frame": first.index,
        "first_seconds": first.seconds,
        "last_frame": last.index,
        "last_seconds": last.seconds,
        "visible_frames": len(thing.sights),
        "found_frames": thing.found,
        "delay_frames": thing.delay_frames,
        "delay_ms": None if thing.delay_seconds is None else round(1000 * thing.delay_seconds, 3),
        "switches": thing.switches,
        "fragments": thing.fragments,
        "flips": thing.flips,
        "peak_score": max(sight.score for sight in thing.sights),
    }


def _track(track: Track) -> dict[str, object]:
    return {
        "track_id": track.track_id,
        "first_frame": track.first.index,
        "first_seconds": track.first.seconds,
        "last_frame": track.last.index,
        "last_seconds": track.last.seconds,
        "frames": track.frames,
        "peak_score": track.peak_score,
    }
