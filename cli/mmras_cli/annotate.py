"""`mmras-stream annotate`: from drives to overlays and proposals."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmras_cli.console import (
    INTERRUPTED,
    Alpha,
    AsJson,
    Classes,
    Clip,
    Config,
    Device,
    EnsembleW,
    Fast,
    InputWidth,
    ModelName,
    NameThings,
    Precision,
    Quiet,
    Score,
    ShortEdge,
    SuppressKnown,
    Templates,
    TextVectors,
    Threshold,
    Tta,
    Verbose,
    Weights,
    complain,
    given,
    model_options,
    print_json,
    reported,
    show_log,
    threshold_value,
)

if TYPE_CHECKING:
    from mmras_stream.export.report import RunReport
    from mmras_stream.settings import Settings

EXAMPLE = """
Example: mmras-stream annotate drive.mp4 --out annotated

Writes annotated/drive/ with overlay.mp4 to watch, proposals.coco.json to label,
the best frames of each find, a timeline of scores, and run.json.
"""


@reported
def annotate(
    drives: Annotated[
        list[str],
        typer.Argument(help="Videos, folders of pictures, or quoted patterns like 'trip/*.mp4'."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path("out"),
    *,
    overwrite: Annotated[bool, typer.Option(help="Replace earlier results.")] = False,
    config: Config = None,
    start: Annotated[float | None, typer.Option(help="Seconds into the drive.")] = None,
    end: Annotated[float | None, typer.Option(help="Seconds into the drive.")] = None,
    every: Annotated[float | None, typer.Option(help="Look once in so many seconds.")] = None,
    stride: Annotated[int | None, typer.Option(help="Look at each n-th frame.")] = None,
    decoder: Annotated[str | None, typer.Option(help="auto, pyav, images or decord.")] = None,
    model: ModelName = None,
    weights: Weights = None,
    device: Device = None,
    precision: Precision = None,
    input_width: InputWidth = None,
    short_edge: ShortEdge = None,
    fast: Fast = None,
    score: Score = None,
    alpha: Alpha = None,
    w: EnsembleW = None,
    tta: Tta = None,
    clip: Clip = None,
    classes: Classes = None,
    text_vectors: TextVectors = None,
    templates: Templates = None,
    name_things: NameThings = None,
    suppress_known: SuppressKnown = None,
    batch_size: Annotated[int | None, typer.Option(help="Frames per network call.")] = None,
    threshold: Threshold = None,
    calibration: Annotated[
        str | None, typer.Option(help="Threshold from a file of `mmras-stream calibrate`.")
    ] = None,
    smoother: Annotated[
        str | None, typer.Option(help="flow, median, ema, none or a plugin.")
    ] = None,
    motion: Annotated[str | None, typer.Option(help="dis, homography, none or a plugin.")] = None,
    half_life: Annotated[float | None, typer.Option(help="Of the smoothing, in seconds.")] = None,
    min_area: Annotated[int | None, typer.Option(help="Smallest proposal, frame pixels.")] = None,
    min_duration: Annotated[
        float | None, typer.Option(help="Seconds a thing must be seen to be proposed.")
    ] = None,
    min_peak: Annotated[
        float | None, typer.Option(help="Score a thing must reach to be proposed.")
    ] = None,
    on_road: Annotated[
        float | None, typer.Option(help="Share of road, 0..1, that must lie at a thing's foot.")
    ] = None,
    encoder: Annotated[str | None, typer.Option(help="Of the overlay, e.g. libx264.")] = None,
    exporters: Annotated[
        str | None, typer.Option(help="Comma-separated: overlay,coco,frames,timeline.")
    ] = None,
    frames_per_track: Annotated[
        int | None, typer.Option(help="Pictures kept for each thing found.")
    ] = None,
    context_frames: Annotated[
        int | None, typer.Option(help="Frames kept before and after each of these.")
    ] = None,
    timeline: Annotated[str | None, typer.Option(help="parquet or csv.")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Find what is strange in drives; write an overlay to watch and proposals to label."""
    from mmras_stream.settings import load

    show_log(verbose=verbose)
    chosen: dict[str, dict[str, object]] = {
        "video": {
            "start_seconds": start,
            "end_seconds": end,
            "every_seconds": every,
            "stride": stride,
            "decoder": decoder,
            "batch_size": batch_size,
        },
        "model": model_options(
            model,
            weights,
            device=device,
            precision=precision,
            input_width=input_width,
            short_edge=short_edge,
            fast=fast,
        ),
        "score": {"name": score, "alpha": alpha, "w": w, "tta": tta},
        "text": {
            "clip": clip,
            "classes": classes,
            "vectors": text_vectors,
            "templates": templates,
            "name_things": name_things,
            "suppress_known": suppress_known,
        },
        "proposals": {
            "threshold": threshold_value(threshold),
            "calibration": calibration,
            "min_area": min_area,
            "min_peak": min_peak,
            "on_road": on_road,
        },
        "temporal": {
            "smoother": smoother,
            "motion": motion,
            "half_life_seconds": half_life,
            "min_duration_seconds": min_duration,
        },
        "output": {
            "encoder": encoder,
            "frames_per_track": frames_per_track,
            "context_frames": context_frames,
            "timeline": timeline,
            "exporters": tuple(exporters.split(",")) if exporters else None,
        },
    }
    settings = load(config, given(chosen))
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
