"""`mmras-stream bench`: what each part of a run costs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mmras_cli.console import AsJson, Device, InputWidth, Weights, print_json, reported

EXAMPLE = "Example: mmras-stream bench drive.mp4 --seconds 20"


@reported
def bench(
    drive: Annotated[Path, typer.Argument(help="A video to measure on.")],
    *,
    seconds: Annotated[float, typer.Option(help="Of the drive to use.")] = 20.0,
    weights: Weights = "embedded",
    device: Device = "auto",
    input_width: InputWidth = 512,
    as_json: AsJson = False,
) -> None:
    """Time decoding, the network and encoding alone, then a whole run, in one process."""
    from mmras_stream.evaluation.speed import measure
    from mmras_stream.settings import load

    chosen = {"weights": weights, "device": device, "input_width": input_width}
    settings = load(overrides={"model": chosen, "video": {"end_seconds": seconds}})
    costs = measure(drive, settings)
    if as_json:
        print_json(
            {**asdict(costs), "overhead": costs.overhead, "cpu_overhead": costs.cpu_overhead}
        )
        return
    typer.echo(f"{drive}: {costs.frames} frames of {costs.width}x{costs.height}")
    for name, part in costs.parts.items():
        per_frame = 1000 * part.wall_seconds / costs.frames
        cpu = 1000 * part.cpu_seconds / costs.frames
        rate = costs.frames / part.wall_seconds
        typer.echo(f"  {name:14} {per_frame:7.1f} ms  {cpu:7.1f} CPU ms  {rate:7.1f} frames/s")
    typer.echo(f"  whole run / (decode + network + encode): {costs.overhead:.2f} of the time, ")
    typer.echo(f"  {costs.cpu_overhead:.2f} of the CPU time; peak memory {costs.peak_mib:.0f} MiB")
