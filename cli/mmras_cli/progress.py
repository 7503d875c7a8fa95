"""Progress bars and closing tables on standard error, for people."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

if TYPE_CHECKING:
    from mmras_stream.export.report import RunReport
    from mmras_stream.pipeline import Observer
    from mmras_stream.settings import Settings
    from mmras_stream.streaming import Tally
    from mmras_stream.types import FrameResult, VideoInfo


@contextmanager
def drive_progress(drive: str, settings: Settings, *, quiet: bool) -> Iterator[Observer | None]:
    """Show frames/s, times real time, time left and proposals while a drive is annotated."""
    if quiet:
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[frames]} frames  {task.fields[rate]:.1f}/s"),
        TextColumn("{task.fields[real_time]:.2f}x real time"),
        TextColumn("{task.fields[proposals]} proposals of {task.fields[things]} things"),
        TimeRemainingColumn(),
    )
    with _bar(columns) as progress:
        # total=None makes rich's bar pulse until the first frame tells how long the drive is
        task = progress.add_task(
            printable(drive), total=None, frames=0, rate=0.0, real_time=0.0, proposals=0, things=0
        )
        began = time.monotonic()

        def observe(_result: FrameResult, tally: Tally) -> None:
            elapsed = time.monotonic() - began
            progress.update(
                task,
                completed=tally.media_seconds,
                total=_expected_seconds(tally.info, settings),
                frames=tally.frames,
                rate=tally.frames / elapsed,
                real_time=tally.media_seconds / elapsed,
                proposals=tally.proposals,
                things=len(tally.tracks),
            )

        yield observe
        progress.update(task, total=1, completed=1)


@contextmanager
def plain_progress(what: str, *, quiet: bool) -> Iterator[Callable[[float, str], None]]:
    """Show a bar for a share of 0..1 with a word on where it stands."""
    if quiet:
        yield lambda _share, _word: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %  {task.fields[word]}"),
        TimeRemainingColumn(),
    )
    with _bar(columns) as progress:
        task = progress.add_task(what, total=1.0, word="")
        yield lambda share, word: progress.update(task, completed=share, word=word)


@contextmanager
def transfer_progress(
    *, quiet: bool
) -> Iterator[Callable[[str], Callable[[int, int | None], None]]]:
    """Show bytes, bytes/s and time left, in a bar for each file that is named."""
    if quiet:
        yield lambda _name: lambda _here, _total: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with _bar(columns) as progress:

        def begin(name: str) -> Callable[[int, int | None], None]:
            task = progress.add_task(printable(name), total=None)
            return lambda here, total: progress.update(task, completed=here, total=total)

        yield begin


@contextmanager
def waiting(what: str, *, quiet: bool) -> Iterator[None]:
    """Say what is being waited for, as long as it takes."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield
        return
    with console.status(what):
        yield


def summary_table(reports: Mapping[str, RunReport], out: Path) -> None:
    """Print one row per drive and where its files lie."""
    columns = ["drive", "frames", "frames/s", "x real time", "things", "proposals", "warnings"]
    suppresses = any(report.suppressed for report in reports.values())
    table = Table(*columns, *(["suppressed"] if suppresses else []))
    for name, report in reports.items():
        rate = report.frames / report.wall_seconds
        table.add_row(
            printable(name),
            str(report.frames),
            f"{rate:.1f}",
            f"{report.media_seconds / report.wall_seconds:.2f}",
            str(report.tracks),
            str(report.proposals),
            str(len(report.warnings)),
            *([str(report.suppressed)] if suppresses else []),
        )
    console = Console(file=sys.stdout)
    console.print(table)
    for name in reports:
        console.print(f"watch {out / name / 'overlay.mp4'}", markup=False, soft_wrap=True)


def _bar(columns: tuple[ProgressColumn, ...]) -> Progress:
    console = Console(stderr=True)
    return Progress(*columns, console=console, disable=not console.is_terminal)


def _expected_seconds(info: VideoInfo, settings: Settings) -> float | None:
    begin, end = settings.video.start_seconds or 0.0, settings.video.end_seconds
    if info.duration_seconds is None:
        return None if end is None else end - begin
    return min(info.duration_seconds, end or info.duration_seconds) - begin


def printable(name: str) -> str:
    """Return a name without what would steer a terminal."""
    return "".join(c if c.isprintable() else "?" for c in name)
