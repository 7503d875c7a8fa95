"""`mmras-stream evaluate`: how well scores tell the strange from the ordinary."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmras_cli.console import (
    AsJson,
    Quiet,
    complain,
    print_json,
    reported,
)
from mmras_cli.evaluate_video import evaluate_video
from mmras_cli.options import MODEL, takes_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mmras_stream.evaluation.datasets import Split
    from mmras_stream.evaluation.measure import Evaluation, Visitor
    from mmras_stream.settings import Settings
    from mmras_stream.types import FrameResult

EXAMPLE = """
Example: mmras-stream evaluate RoadAnomaly21 --report report

The folder holds images/NAME.jpg and labels_masks/NAME.png: 0 ordinary, 1 or 2 strange,
255 ignored. SegmentMeIfYouCan's folders are known too, COCO files (--gt labels.json), and
drives with masks named by frame number (evaluate drive.mp4 --gt masks/).

Whole drives, tracks and all: mmras-stream evaluate samples/drive.mp4 --video --smoothers ema,none
"""


@reported
@takes_settings(*MODEL, "score", "tta", "threshold")
def evaluate(
    folder: Annotated[Path, typer.Argument(help="A folder of labelled pictures, or a drive.")],
    *,
    gt: Annotated[
        Path | None, typer.Option(help="A COCO file, or the folder of masks of a drive.")
    ] = None,
    video: Annotated[
        bool,
        typer.Option("--video", help="A drive, or a folder of them, with tracks: NAME.coco.json."),
    ] = False,
    layout: Annotated[str, typer.Option(help="auto, validation, smiyc, coco or drive.")] = "auto",
    track: Annotated[
        str, typer.Option(help="Sizes that count: auto (by name), anomaly or obstacle.")
    ] = "auto",
    report: Annotated[
        Path | None, typer.Option(help="Folder for index.html and metrics.json.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="JSON file, for `compare`.")
    ] = None,
    export: Annotated[
        str | None, typer.Option(help="smiyc (HDF5 for SegmentMeIfYouCan) or sos (of a drive).")
    ] = None,
    export_to: Annotated[Path, typer.Option(help="Folder for what is exported.")] = Path("export"),
    settings: Settings,
    smoother: Annotated[
        str | None, typer.Option(help="Of a drive: flow, median, ema, none or a plugin.")
    ] = None,
    smoothers: Annotated[
        str | None,
        typer.Option(help="With --video: several on the same maps, as in flow,none."),
    ] = None,
    overlap: Annotated[
        float, typer.Option(help="With --video: overlap from which a thing is found.")
    ] = 0.25,
    visible_pixels: Annotated[
        int, typer.Option(help="With --video: pixels from which a thing is visible.")
    ] = 50,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure pixels and components of pictures, or with --video the tracks of whole drives."""
    _check_options(
        video=video, layout=layout, track=track, export=export, names=(smoother, smoothers)
    )
    if smoother is not None:
        settings = replace(settings, temporal=replace(settings.temporal, smoother=smoother))
    if video:
        evaluate_video(
            folder,
            settings,
            gt=gt,
            smoothers=smoothers,
            overlap=overlap,
            visible_pixels=visible_pixels,
            report=report,
            out=out,
            as_json=as_json,
            quiet=quiet,
        )
        return
    _evaluate_pictures(
        folder,
        settings,
        gt=gt,
        layout=layout,
        track=track,
        report=report,
        out=out,
        export=export,
        export_to=export_to,
        as_json=as_json,
        quiet=quiet,
    )


def _check_options(
    *, video: bool, layout: str, track: str, export: str | None, names: tuple[str | None, ...]
) -> None:
    from mmras_stream.errors import SettingsError

    smoother, smoothers = names
    if smoothers is not None and (smoother is not None or not video):
        raise SettingsError("--smoothers belongs to --video and takes the place of --smoother")
    if video and (layout, track, export) != ("auto", "auto", None):
        raise SettingsError("--layout, --track and --export are for pictures, not for --video")


def _evaluate_pictures(
    folder: Path,
    settings: Settings,
    *,
    gt: Path | None,
    layout: str,
    track: str,
    report: Path | None,
    out: Path | None,
    export: str | None,
    export_to: Path,
    as_json: bool,
    quiet: bool,
) -> None:
    from mmras_cli.tables import evaluation_table
    from mmras_stream.evaluation.datasets import open_split
    from mmras_stream.evaluation.panels import PanelMaker
    from mmras_stream.evaluation.record import summary, write_record
    from mmras_stream.evaluation.report import write_page

    split = open_split(folder, gt=gt, layout=layout)
    panels = None if report is None else PanelMaker(len(split.samples))
    visitors, every_frame = exports(export, export_to, split, settings)
    values, evaluation = measured(
        split,
        folder,
        settings,
        track=track,
        visitors=visitors if panels is None else [panels, *visitors],
        every_frame=every_frame,
        quiet=quiet or as_json,
    )
    if out is not None:
        write_record(values, out)
    if report is not None and panels is not None:
        write_record(values, report / "metrics.json")
        write_page(evaluation, values, panels.worst_first, report / "index.html")
    if as_json:
        print_json(summary(values))
        return
    if not quiet:
        evaluation_table(values, evaluation)
        if report is not None:
            typer.echo(f"open {report / 'index.html'}")
    for note in evaluation.notes:
        complain(f"note: {note}")


def exports(
    name: str | None, folder: Path, split: Split, settings: Settings
) -> tuple[list[Visitor], Callable[[FrameResult], None] | None]:
    """Return what writes an export: called with each picture, or with each frame of a drive."""
    from mmras_stream.errors import SettingsError
    from mmras_stream.evaluation.peer import SmiycExport, SosExport

    if name is None:
        return [], None
    if name == "smiyc":
        method = f"{settings.model.name}-{settings.score.name}"
        return [SmiycExport(folder, split, method)], None
    if name == "sos":
        return [], SosExport(folder, split)
    raise SettingsError(f"no export called {name!r}; known: smiyc, sos")


def measured(
    split: Split,
    folder: Path,
    settings: Settings,
    *,
    track: str = "auto",
    visitors: Sequence[Visitor] = (),
    every_frame: Callable[[FrameResult], None] | None = None,
    quiet: bool = False,
) -> tuple[dict[str, object], Evaluation]:
    """Evaluate one split with one set of settings, and return its record and itself."""
    from mmras_cli.progress import plain_progress
    from mmras_stream.evaluation.component import track_for
    from mmras_stream.evaluation.measure import evaluate as measure
    from mmras_stream.evaluation.measure import load_calibrated
    from mmras_stream.evaluation.record import record

    sizes = track_for(track, split.name)
    loaded, threshold, notes = load_calibrated(settings)
    with plain_progress("evaluating", quiet=quiet) as show:
        evaluation = measure(
            split,
            loaded,
            settings,
            track=sizes,
            threshold=threshold,
            visitors=visitors,
            every_frame=every_frame,
            observer=show,
        )
    evaluation = replace(evaluation, notes=(*notes, *evaluation.notes))
    return record(evaluation, split, loaded, settings, folder=folder), evaluation
