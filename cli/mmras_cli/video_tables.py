"""Tables of a video evaluation on standard output, for people."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from mmras_cli.progress import printable
from mmras_stream.evaluation.video_rows import DRIVE_COLUMNS, Row, columns, drive_rows, rows

if TYPE_CHECKING:
    from mmras_stream.evaluation.drive_figures import VideoEvaluation


def video_tables(values: Mapping[str, object], evaluation: VideoEvaluation) -> None:
    """Print what was measured on all drives together, and on each if there are several."""
    console = Console(file=sys.stdout)
    rules, drives = evaluation.rules, evaluation.drives
    name = drives[0].name if len(drives) == 1 else f"{len(drives)} drives"
    console.print(
        printable(
            f"{name}, score {values['score']} above {evaluation.threshold:g}; found from an "
            f"overlap of {rules.overlap:g} on, visible from {rules.visible_pixels} pixels on"
        ),
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    everything = rows(evaluation.raw, evaluation.whole, evaluation.truth_consistency)
    console.print(_table("", columns(evaluation), everything))
    if len(drives) > 1:
        for smoother in evaluation.smoothers:
            console.print(printable(f"drives, smoother {smoother}"), markup=False, highlight=False)
            console.print(_table("", DRIVE_COLUMNS, drive_rows(evaluation, smoother)))


def _table(first: str, heads: Iterable[str], lines: Iterable[Row]) -> Table:
    table = Table(first, *map(printable, heads))
    for column in table.columns[1:]:
        column.justify = "right"
    for line in lines:
        table.add_row(printable(line.name), *line.cells)
    return table
