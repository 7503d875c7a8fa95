"""`mmras-stream bench`: what each part of a run costs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mmras_cli.console import (
    AsJson,
    Config,
    Device,
    Fast,
    InputWidth,
    ModelName,
    Precision,
    Score,
    ShortEdge,
    Threshold,
    Weights,
    given,
    model_options,
    print_json,
    reported,
    threshold_value,
)

EXAMPLE = "Example: mmras-stream bench drive.mp4 --seconds 20"


@reported
def bench(
    drive: Annotated[Path, typer.Argument(help="A video to measure on.")],
    *,
    seconds: Annotated[float, typer.Option(help="Of the drive to use.")] = 20.0,
    config: Config = None,
    model: ModelName = None,
    weights: Weights = None,
    device: Device = None,
    precision: Precision = None,
    input_width: InputWidth = None,
    short_edge: ShortEdge = None,
    fast: Fast = None,
    score: Score = None,
    threshold: Threshold = None,
    as_json: AsJson = False,
) -> None:
    """Time decoding, network, motion and encoding alone, then a whole run, in one process."""
    from mmras_stream.evaluation.speed import measure
    from mmras_stream.settings import load

    chosen = model_options(
        model,
        weights,
        device=device,
        precision=precision,
        input_width=input_width,
        short_edge=short_edge,
        fast=fast,
    )
    sections: dict[str, dict[str, object]] = {
        "model": chosen,
        "score": {"name": score},
        "proposals": {"threshold": threshold_value(threshold)},
        "video": {"end_seconds": seconds},
    }
    settings = load(config, given(sections))
    costs = measure(drive, settings)
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
    for name, part in costs.parts.items():
        per_frame = 1000 * part.wall_seconds / costs.frames
        cpu = 1000 * part.cpu_seconds / costs.frames
        rate = costs.frames / part.wall_seconds
        typer.echo(f"  {name:14} {per_frame:7.1f} ms  {cpu:7.1f} CPU ms  {rate:7.1f} frames/s")
    for name in ("smooth", "propose", "track"):
        per_frame = 1000 * costs.stages[name] / costs.frames
        typer.echo(f"  {name:14} {per_frame:7.1f} ms within the whole run")
    typer.echo(f"  motion, smoothing and tracking: {100 * costs.following:.1f} % of the whole run")
    typer.echo(f"  whole run / (decode + network + encode): {costs.overhead:.2f} of the time, ")
    typer.echo(f"  {costs.cpu_overhead:.2f} of the CPU time; peak memory {costs.peak_mib:.0f} MiB")
