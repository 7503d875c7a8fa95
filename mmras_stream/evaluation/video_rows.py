"""The figures of a video evaluation as text, for tables on a terminal or a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmras_stream.evaluation.drive_figures import Figures, VideoEvaluation
from mmras_stream.evaluation.pages import number, percent
from mmras_stream.evaluation.pixel import PixelCurve
from mmras_stream.evaluation.stability import Consistency
from mmras_stream.evaluation.video_record import means


@dataclass(frozen=True, slots=True)
class Row:
    """A metric in each column."""

    name: str
    cells: tuple[str, ...]


def columns(evaluation: VideoEvaluation) -> tuple[str, ...]:
    """Return the heads of `rows`."""
    return ("raw maps", *evaluation.smoothers, "labels")


def rows(
    raw: PixelCurve | None, figures: Mapping[str, Figures], labels: Consistency
) -> tuple[Row, ...]:
    """Return every metric: of raw maps, with each smoother, and of the labels themselves.

    Stability stands beside precision, since a mask that is always wrong is perfectly stable.
    """
    found = list(figures.values())
    tracking = [one.tracking for one in found]

    def row(name: str, cells: Sequence[str], *, of_raw: str = "", of_labels: str = "") -> Row:
        return Row(name, (of_raw, *cells, of_labels))

    return (
        row("AuPRC of pixels", [_ap(f.curve) for f in found], of_raw=_ap(raw)),
        row("FPR95 of pixels", [_fpr(f.curve) for f in found], of_raw=_fpr(raw)),
        row("F1 of pixels at the threshold", [percent(f.pixels.f1) for f in found]),
        row(
            "TC, temporal consistency",
            [percent(f.consistency.mean) for f in found],
            of_labels=percent(labels.mean),
        ),
        row("flips", [str(t.flips) for t in tracking]),
        row("things found", [f"{t.found_things} of {t.things}" for t in tracking]),
        row("median delay, ms", [number(t.median_delay_ms, 0) for t in tracking]),
        row("median delay, frames", [number(t.median_delay_frames, 0) for t in tracking]),
        row("false tracks a minute", [number(t.false_tracks_per_minute, 1) for t in tracking]),
        row("false tracks / all tracks", [f"{t.false_tracks} / {t.tracks}" for t in tracking]),
        row("MOTA", [percent(t.mota) for t in tracking]),
        row("IDF1", [percent(t.idf1) for t in tracking]),
        row("ID switches", [str(t.switches) for t in tracking]),
        row("fragments", [str(t.fragments) for t in tracking]),
        row(
            "mostly tracked / mostly lost",
            [f"{t.mostly_tracked} / {t.mostly_lost}" for t in tracking],
        ),
    )


DRIVE_COLUMNS = ("AuPRC", "FPR95", "TC", "found", "late, ms", "false/min", "MOTA")


def drive_rows(evaluation: VideoEvaluation, smoother: str) -> tuple[Row, ...]:
    """Return a row for each drive, for their mean, and for all of them pooled."""
    figures = {drive.name: drive.courses[smoother].figures for drive in evaluation.drives}
    made = [Row(name, _short(one)) for name, one in figures.items()]
    mean = means(list(figures.values()))
    cells = (
        percent(mean["average_precision"]),
        percent(mean["fpr_at_95_tpr"]),
        percent(mean["tc"]),
        percent(mean["recall"]),
        number(mean["median_delay_ms"], 0),
        number(mean["false_tracks_per_minute"], 1),
        percent(mean["mota"]),
    )
    return (*made, Row("mean", cells), Row("pooled", _short(evaluation.whole[smoother])))


def _short(figures: Figures) -> tuple[str, ...]:
    tracking = figures.tracking
    return (
        _ap(figures.curve),
        _fpr(figures.curve),
        percent(figures.consistency.mean),
        f"{tracking.found_things} of {tracking.things}",
        number(tracking.median_delay_ms, 0),
        number(tracking.false_tracks_per_minute, 1),
        percent(tracking.mota),
    )


def _ap(curve: PixelCurve | None) -> str:
    return percent(None if curve is None else curve.metrics.average_precision)


def _fpr(curve: PixelCurve | None) -> str:
    return percent(None if curve is None else curve.metrics.fpr_at_95_tpr)
