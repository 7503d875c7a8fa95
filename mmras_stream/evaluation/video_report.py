"""Write a video evaluation as one page of HTML that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from mmras_stream.evaluation.drive_figures import DriveResult, VideoEvaluation
from mmras_stream.evaluation.filmstrips import MOST, Filmstrip
from mmras_stream.evaluation.pages import (
    card,
    filled,
    flat,
    number,
    pair_rows,
    percent,
    publish_page,
)
from mmras_stream.evaluation.video_charts import MOST_THINGS, course_chart
from mmras_stream.evaluation.video_rows import DRIVE_COLUMNS, Row, columns, drive_rows, rows

_COLOURS = ("--curve", "--oracle", "--calibrated", "--ordinary")
"""Of the smoothers, in the style that all pages share."""


def write_page(
    evaluation: VideoEvaluation,
    values: Mapping[str, object],
    strips: Sequence[Filmstrip],
    path: Path,
) -> None:
    """Write the page, whole or not at all.

    Args:
        evaluation: What was measured.
        values: Its record.
        strips: Of what is missed and false, in the order in which they are to be shown.
        path: Of the HTML file; its folder is made.

    Raises:
        OutputError: it cannot be written.
    """
    publish_page(page(evaluation, values, strips), path)


def page(
    evaluation: VideoEvaluation, values: Mapping[str, object], strips: Sequence[Filmstrip]
) -> str:
    """Return the page; see `write_page`."""
    drives, rules = evaluation.drives, evaluation.rules
    missed = [strip for strip in strips if strip.is_missed]
    false = [strip for strip in strips if not strip.is_missed]
    seconds = 60 * evaluation.whole[evaluation.smoothers[0]].tracking.minutes
    several = len(drives) > 1
    everything = rows(evaluation.raw, evaluation.whole, evaluation.truth_consistency)
    parts = {
        "title": escape(f"{len(drives)} drives" if several else drives[0].name),
        "subtitle": escape(
            f"{seconds:.1f} s of video · score {values['score']} · threshold "
            f"{evaluation.threshold:g} · smoothers {', '.join(evaluation.smoothers)}"
        ),
        "cards": "".join(_cards(evaluation)),
        "notes": "".join(f'<p class="note">{escape(note)}</p>' for note in evaluation.notes),
        "figures": _table("", columns(evaluation), everything),
        "legend": escape(
            f"A thing is found where a region overlaps it by {rules.overlap:g} (intersection over "
            f"union); it is visible from {rules.visible_pixels} pixels on. A track is false if in "
            f"no frame {100 * rules.overlap:g} % of it lie on something strange. Flips are changes "
            "between found and missed. TC compares each mask with the one before, moved with the "
            "picture; that of the labels is as high as it can get. A mask that is always wrong is "
            "perfectly stable, so read it beside AuPRC and F1."
        ),
        "per_drive": "".join(_drive_tables(evaluation)) if several else "",
        "courses": "".join(_course(drive, evaluation) for drive in drives),
        "missed": _films(missed, "Nothing was missed."),
        "false": _films(false, "No track was false."),
        "left_out_missed": _left_out(missed),
        "left_out_false": _left_out(false),
        "smoother": escape(evaluation.smoothers[0]),
        "provenance": pair_rows(
            [
                ("path", values["path"]),
                ("weights sha256", values["weights_sha256"] or "none"),
                *flat(values["versions"]),
            ]
        ),
        "settings": pair_rows(flat(values["settings"])),
    }
    return filled("video_sections.html", parts)


def _cards(evaluation: VideoEvaluation) -> Iterable[str]:
    name = evaluation.smoothers[0]
    figures = evaluation.whole[name]
    tracking, curve = figures.tracking, figures.curve
    steady = f"of pixels, smoother {escape(name)}"
    yield card("AuPRC", percent(None if curve is None else curve.metrics.average_precision), steady)
    yield card(
        "TC",
        percent(figures.consistency.mean),
        f"of the labels {percent(evaluation.truth_consistency.mean)}; {tracking.flips} flips",
    )
    yield card("Things found", f"{tracking.found_things} of {tracking.things}", "in any frame")
    yield card(
        "Median delay",
        f"{number(tracking.median_delay_ms, 0)} ms",
        f"{number(tracking.median_delay_frames, 0)} frames after it could first be seen",
    )
    yield card(
        "False tracks",
        number(tracking.false_tracks_per_minute, 1),
        f"a minute; {tracking.false_tracks} of {tracking.tracks} tracks",
    )
    yield card("MOTA", percent(tracking.mota), f"IDF1 {percent(tracking.idf1)}")


def _table(first: str, heads: Iterable[str], lines: Iterable[Row]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(
        f"<tr><td>{escape(line.name)}</td>{''.join(f'<td>{cell}</td>' for cell in line.cells)}</tr>"
        for line in lines
    )
    return f"<tr><th>{escape(first)}</th>{head}</tr>{body}"


def _drive_tables(evaluation: VideoEvaluation) -> Iterable[str]:
    for smoother in evaluation.smoothers:
        table = _table("", DRIVE_COLUMNS, drive_rows(evaluation, smoother))
        yield f"<h2>Drives, smoother {escape(smoother)}</h2>"
        yield f'<div class="table"><table>{table}</table></div>'


def _course(drive: DriveResult, evaluation: VideoEvaluation) -> str:
    keys = "".join(
        f'<span class="key" style="background:var({_COLOURS[place % 4]})"></span>{escape(name)}'
        for place, name in enumerate(evaluation.smoothers)
    )
    things = len(next(iter(drive.courses.values())).tracks.things)
    rest = f" Rows of the {MOST_THINGS} longest of {things}." if things > MOST_THINGS else ""
    return (
        f"<h2>{escape(drive.name)} over time</h2>"
        f'<div class="legend quiet">Highest score of each frame, and on each thing: {keys}'
        '<span class="key" style="background:var(--strange);opacity:.3"></span>something is '
        f"visible. Bars: where it is found.{rest}</div>"
        f'<div class="course">{course_chart(drive, evaluation.threshold)}</div>'
    )


def _films(strips: Sequence[Filmstrip], otherwise: str) -> str:
    if not strips:
        return f"<p>{otherwise}</p>"
    return "".join(_film(strip) for strip in strips[:MOST])


def _film(strip: Filmstrip) -> str:
    what = "thing" if strip.is_missed else "track"
    facts = (
        f"{strip.frames} frames",
        f"{strip.seconds:.2f} s",
        f"peak score {strip.peak_score:.3g}",
    )
    quiet = "".join(f'<span class="quiet">{fact}</span>' for fact in facts)
    title = f"{escape(strip.drive)} · {what} {strip.number}"
    figures = "".join(
        f'<figure><img loading="lazy" alt="{title} at {picture.seconds:.2f} s" '
        f'src="{picture.uri}"><figcaption>{picture.seconds:.2f} s</figcaption></figure>'
        for picture in strip.pictures
    )
    return (
        f"<article><header><b>{title}</b>{quiet}</header>"
        f'<div class="film">{figures}</div></article>'
    )


def _left_out(strips: Sequence[Filmstrip]) -> str:
    rest = len(strips) - MOST
    return f" {rest} shorter ones are not shown." if rest > 0 else ""
