"""`mmras-stream annotate`: from drives to overlays and proposals."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmras_cli.console import (
    INTERRUPTED,
    AsJson,
    Quiet,
    Verbose,
    complain,
    print_json,
    reported,
    show_log,
)
from mmras_cli.options import CHOICES, takes_settings

if TYPE_CHECKING:
    from mmras_stream.export.report import RunReport
    from mmras_stream.settings import Settings

EXAMPLE = """
Example: mmras-stream annotate drive.mp4 --out annotated

Writes annotated/drive/ with overlay.mp4 to watch, proposals.coco.json to label,
the best frames of each find, a timeline of scores, and run.json.
"""


@reported
@takes_settings(*CHOICES)
def annotate(
    drives: Annotated[
        list[str],
        typer.Argument(help="Videos, folders of pictures, or quoted patterns like 'trip/*.mp4'."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path("out"),
    *,
    overwrite: Annotated[bool, typer.Option(help="Replace earlier results.")] = False,
    settings: Settings,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Find what is strange in drives; write an overlay to watch and proposals to label."""
    show_log(verbose=verbose)
    _annotate_all(
        expanded(drives), out, settings, overwrite=overwrite, as_json=as_json, quiet=quiet
    )


def expanded(drives: list[str]) -> list[str]:
    """Replace each pattern of videos by the files it matches; patterns of pictures stay."""
    from mmras_stream.errors import VideoError
    from mmras_stream.pictures import are_pictures

    paths: list[str] = []
    for drive in drives:
        if Path(drive).exists() or not glob.has_magic(drive) or are_pictures(drive):
            paths.append(drive)
            continue
        matches = sorted(glob.glob(drive, recursive=True))  # noqa: PTH207 - takes absolute patterns
        if not matches:
            raise VideoError(f"no file matches {drive!r}")
        paths += matches
    return paths


def _annotate_all(
    paths: list[str], out: Path, settings: Settings, *, overwrite: bool, as_json: bool, quiet: bool
) -> None:
    from mmras_cli.progress import drive_progress, summary_table, waiting
    from mmras_stream.errors import MmrasError
    from mmras_stream.export.folder import drive_name
    from mmras_stream.export.report import report_values
    from mmras_stream.model import load_model
    from mmras_stream.pipeline import run

    with waiting(_loading(settings), quiet=quiet or as_json):
        model = load_model(settings)
    reports: dict[str, RunReport] = {}
    failures = 0
    for path in paths:
        drive = drive_name(path, reports)
        try:
            with drive_progress(drive, settings, quiet=quiet or as_json) as observer:
                report = run(
                    path,
                    out,
                    settings,
                    model=model,
                    overwrite=overwrite,
                    taken=reports,
                    observer=observer,
                )
        except MmrasError as error:
            complain(str(error))
            failures += 1
            continue
        reports[drive] = report
        for warning in report.warnings:
            complain(f"{drive}: warning: {warning}")
        if report.interrupted:
            break
    if as_json:
        print_json([{"drive": name, **report_values(r)} for name, r in reports.items()])
    elif not quiet and reports:
        summary_table(reports, out)
    if any(report.interrupted for report in reports.values()):
        complain("interrupted; the files of what was done are complete")
        raise typer.Exit(INTERRUPTED)
    if failures:
        raise typer.Exit(1)


def _loading(settings: Settings) -> str:
    text = settings.text
    reads = text.name_things or text.suppress_known is not None or "mmras" in settings.score.name
    return "loading; words that are new may take minutes, once" if reads else "loading"
