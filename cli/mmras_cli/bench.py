"""`mmras-stream bench`: what each part of a run costs."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmras_cli.console import (
    AsJson,
    print_json,
    reported,
)
from mmras_cli.options import MODEL, takes_settings

if TYPE_CHECKING:
    from mmras_stream.settings import Settings

EXAMPLE = "Example: mmras-stream bench drive.mp4 --seconds 20"


@reported
@takes_settings(*MODEL, "score", "threshold")
def bench(
    drive: Annotated[Path, typer.Argument(help="A video to measure on.")],
    *,
    seconds: Annotated[float, typer.Option(help="Of the drive to use.")] = 20.0,
    settings: Settings,
    as_json: AsJson = False,
) -> None:
    """Time decoding, network, motion and encoding alone, then a whole run, in one process."""
    from mmras_stream.evaluation.speed import measure

    part = replace(settings, video=replace(settings.video, end_seconds=seconds))
    costs = measure(drive, part)
    if as_json:
        print_json(
            {
                **asdict(costs),
                "overhead": costs.overhead,
                "cpu_overhead": costs.cpu_overhead,
                "following": costs.following,
            }
        )
        return
    typer.echo(f"{drive}: {costs.frames} frames of {costs.width}x{costs.height}")
    for name, cost in costs.parts.items():
        per_frame = 1000 * cost.wall_seconds / costs.frames
        cpu = 1000 * cost.cpu_seconds / costs.frames
        rate = costs.frames / cost.wall_seconds
        typer.echo(f"  {name:14} {per_frame:7.1f} ms  {cpu:7.1f} CPU ms  {rate:7.1f} frames/s")
    for name in ("smooth", "propose", "track"):
        per_frame = 1000 * costs.stages[name] / costs.frames
        typer.echo(f"  {name:14} {per_frame:7.1f} ms within the whole run")
    typer.echo(f"  motion, smoothing and tracking: {100 * costs.following:.1f} % of the whole run")
    typer.echo(f"  whole run / (decode + network + encode): {costs.overhead:.2f} of the time, ")
    typer.echo(f"  {costs.cpu_overhead:.2f} of the CPU time; peak memory {costs.peak_mib:.0f} MiB")
