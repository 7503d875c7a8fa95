"""`mmras-stream evaluate --video`: how well the things of whole drives are found and followed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mmras_cli.console import complain, names_of, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmras_stream.settings import Settings


def evaluate_video(
    path: Path,
    settings: Settings,
    *,
    gt: Path | None,
    smoothers: str | None,
    overlap: float,
    visible_pixels: int,
    report: Path | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure whole drives with one smoother or several, and print, write and draw the figures."""
    from mmras_cli.progress import plain_progress
    from mmras_cli.video_tables import video_tables
    from mmras_stream.evaluation.drives import open_drives
    from mmras_stream.evaluation.filmstrips import FilmMaker
    from mmras_stream.evaluation.overlaps import Rules
    from mmras_stream.evaluation.record import write_record
    from mmras_stream.evaluation.video import evaluate_drives
    from mmras_stream.evaluation.video_record import record
    from mmras_stream.evaluation.video_report import write_page
    from mmras_stream.model import load_model

    rules = Rules(overlap, visible_pixels)
    drives = open_drives(path, gt=gt)
    model = load_model(settings)
    films = None if report is None else FilmMaker(rules)
    with plain_progress("evaluating", quiet=quiet or as_json) as show:
        evaluation = evaluate_drives(
            drives,
            model,
            settings,
            smoothers=_names(smoothers, settings),
            rules=rules,
            watchers=() if films is None else (films,),
            observer=show,
        )
    values = record(evaluation, drives, model, settings, path=path)
    if out is not None:
        write_record(values, out)
    if report is not None and films is not None:
        write_record(values, report / "metrics.json")
        write_page(evaluation, values, films.strips(evaluation), report / "index.html")
    if as_json:
        print_json(values)
        return
    if not quiet:
        video_tables(values, evaluation)
        if report is not None:
            typer.echo(f"open {report / 'index.html'}")
    for note in evaluation.notes:
        complain(f"note: {note}")


def _names(smoothers: str | None, settings: Settings) -> Sequence[str]:
    if smoothers is None:
        return [settings.temporal.smoother]
    return names_of(smoothers)
