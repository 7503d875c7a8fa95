"""Compare two video evaluations of the same drives, and say what chance alone would explain."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mmras_stream.errors import DataError
from mmras_stream.evaluation.comparison import (
    SAMPLES,
    Comparison,
    Row,
    drawn_weights,
    interval,
)
from mmras_stream.evaluation.video_record import FORMAT

LEAST = 5
"""Drives, or things where there are fewer drives, that have to be there to be drawn from."""

_Floats: TypeAlias = npt.NDArray[np.float64]
_Sums: TypeAlias = tuple[str, str]
"""Fields whose sums over what is drawn are divided."""


@dataclass(frozen=True, slots=True, eq=False)
class RecordedVideo:
    """What a record keeps of one smoother on some drives, as far as it can be compared."""

    name: str
    drives: Mapping[str, _Floats]
    """Field -> (drives,)."""
    things: Mapping[str, _Floats]
    """Field -> (things,), of all drives."""
    drive_names: tuple[str, ...]
    thing_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Metric:
    name: str
    sums: _Sums
    higher_is_better: bool = True
    is_share: bool = True


_OF_BOTH = (
    _Metric("things found", ("found", "things")),
    _Metric("frames in which things are found", ("hits", "visible")),
    _Metric("mean delay, ms", ("delay", "found"), higher_is_better=False, is_share=False),
    _Metric("flips of a thing", ("flips", "things"), higher_is_better=False, is_share=False),
)
_OF_DRIVES = (
    _Metric("AuPRC, mean over drives", ("average_precision", "has_curve")),
    _Metric("FPR95, mean over drives", ("fpr_at_95_tpr", "has_curve"), higher_is_better=False),
    _Metric("TC", ("tc_total", "tc_pairs")),
    _Metric(
        "false tracks a minute", ("false_tracks", "minutes"), higher_is_better=False, is_share=False
    ),
    _Metric("MOTA", ("right", "visible")),
    _Metric("IDF1", ("same", "regions")),
)


def is_video_record(path: Path) -> bool:
    """Tell whether a file is a record of a video evaluation; False where it cannot be read."""
    try:
        return bool(json.loads(path.read_text(encoding="utf-8")).get("format") == FORMAT)
    except (OSError, ValueError, AttributeError):
        return False


def read_video_record(path: Path, smoother: str | None = None) -> RecordedVideo:
    """Read what `evaluate --video --out` or `--report` wrote.

    Args:
        path: Of the file.
        smoother: Which of several; None takes the first.

    Raises:
        DataError: it is something else, or has no such smoother.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        chosen = smoother or values["smoothers"][0]
        if chosen not in values["smoothers"]:
            raise DataError(
                f"{path} has no smoother {chosen!r}; it has {', '.join(values['smoothers'])}"
            )
        name = path.name if path.name != "metrics.json" else str(path)
        return recorded_video(values, chosen, name=f"{name}, smoother {chosen}")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise DataError(f"{path} is no record of a video evaluation: {error!r}") from error


def recorded_video(
    values: Mapping[str, Any],  # Any: JSON values
    smoother: str,
    *,
    name: str,
) -> RecordedVideo:
    """Take from a record what can be compared."""
    courses = {str(drive["name"]): drive["courses"][smoother] for drive in values["drives"]}
    things = {
        f"thing {thing['track_id']} of {drive}": thing
        for drive, course in courses.items()
        for thing in course["per_thing"]
    }
    return RecordedVideo(
        name,
        _columns([_drive_fields(course) for course in courses.values()]),
        _columns([_thing_fields(thing) for thing in things.values()]),
        tuple(courses),
        tuple(things),
    )


def compare_videos(
    a: RecordedVideo, b: RecordedVideo, *, samples: int = SAMPLES, seed: int = 0
) -> Comparison:
    """Draw drives with replacement, the same for both, and see how the metrics vary.

    Of fewer than five drives, things are drawn instead, and only what is measured on things is
    compared.

    Args:
        a: One evaluation.
        b: Another of the same drives.
        samples: Times that drives or things are drawn.
        seed: Of the drawing.

    Raises:
        DataError: the drives or their labels differ, or there is too little to draw from.
    """
    _check_same(a, b)
    by_drive = len(a.drive_names) >= LEAST
    count = len(a.drive_names) if by_drive else len(a.thing_names)
    if count < LEAST:
        raise DataError(
            f"{len(a.drive_names)} drives with {count} things are too few to tell a difference "
            f"from chance; it takes {LEAST} drives, or {LEAST} things"
        )
    weights = drawn_weights(count, samples=samples, seed=seed)
    metrics = (*_OF_DRIVES, *_OF_BOTH) if by_drive else _OF_BOTH
    sides = (a.drives, b.drives) if by_drive else (a.things, b.things)
    rows = [_row(metric, sides, weights) for metric in metrics]
    unit = "drives" if by_drive else "things"
    return Comparison(a.name, b.name, count, tuple(row for row in rows if row), unit)


def _check_same(a: RecordedVideo, b: RecordedVideo) -> None:
    for ours, theirs in ((a.drive_names, b.drive_names), (a.thing_names, b.thing_names)):
        odd = sorted(set(ours) ^ set(theirs))
        if odd:
            raise DataError(
                f"{odd[0]} is in one of {a.name} and {b.name} alone; compare evaluations of the "
                "same drives and labels"
            )
    if a.things and not np.array_equal(a.things["visible"], b.things["visible"]):
        raise DataError(
            f"things are not visible in as many frames in {a.name} as in {b.name}; compare "
            "evaluations with the same labels and --visible-pixels"
        )


def _row(
    metric: _Metric, sides: tuple[Mapping[str, _Floats], Mapping[str, _Floats]], weights: _Floats
) -> Row | None:
    """Return a row, or None where the metric is not defined."""
    whole = np.ones((1, weights.shape[1]))
    a, b = (float(_value(metric, side, whole)[0]) for side in sides)
    if not np.isfinite([a, b]).all():
        return None
    drawn_a, drawn_b = (_value(metric, side, weights) for side in sides)
    return Row(
        metric.name,
        metric.higher_is_better,
        a,
        b,
        interval(drawn_a),
        interval(drawn_b),
        interval(drawn_b - drawn_a),
        metric.is_share,
    )


def _value(metric: _Metric, side: Mapping[str, _Floats], weights: _Floats) -> _Floats:
    upper, lower = (weights @ side[field] for field in metric.sums)
    return np.where(lower > 0, upper / np.where(lower > 0, lower, 1), np.nan)


def _drive_fields(course: Mapping[str, Any]) -> dict[str, float]:  # Any: JSON values
    hits = course["visible"] - course["misses"]
    regions = hits + course["false_regions"]
    wrong = course["misses"] + course["false_regions"] + course["switches"]
    return {
        "things": course["things"],
        "found": course["found_things"],
        "hits": hits,
        "visible": course["visible"],
        "delay": sum(course["delays_ms"]),
        "flips": course["flips"],
        "has_curve": float(course["average_precision"] is not None),
        "average_precision": course["average_precision"] or 0.0,
        "fpr_at_95_tpr": course["fpr_at_95_tpr"] or 0.0,
        "tc_total": course["tc_total"],
        "tc_pairs": course["tc_pairs"],
        "false_tracks": course["false_tracks"],
        "minutes": course["minutes"],
        "right": course["visible"] - wrong,
        "same": 2 * course["id_true_positives"],
        "regions": course["visible"] + regions,
    }


def _thing_fields(thing: Mapping[str, Any]) -> dict[str, float]:  # Any: JSON values
    return {
        "things": 1,
        "found": float(thing["found_frames"] > 0),
        "hits": thing["found_frames"],
        "visible": thing["visible_frames"],
        "delay": thing["delay_ms"] or 0.0,
        "flips": thing["flips"],
    }


def _columns(rows: list[dict[str, float]]) -> dict[str, _Floats]:
    fields = rows[0] if rows else {}
    return {name: np.array([row[name] for row in rows], np.float64) for name in fields}
