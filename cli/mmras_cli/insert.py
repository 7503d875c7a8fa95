"""`mmras-stream insert`: things put into a real drive, with the truth about every pixel."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mmras_cli.console import AsJson, Quiet, names_of, print_json, reported

EXAMPLE = """
Example: mmras-stream insert ordinary.mp4 --out test --objects 6

Then: mmras-stream annotate test/ordinary.mp4, and compare with test/ordinary.coco.json
"""


@reported
def insert(
    clip: Annotated[Path, typer.Argument(help="A drive on which nothing is strange.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the video and its truth.")],
    *,
    seed: Annotated[int, typer.Option(help="The same seed gives the same drive.")] = 0,
    objects: Annotated[int, typer.Option(help="How many, if the road has room.")] = 4,
    moving_share: Annotated[float, typer.Option(help="Of the objects: those that move.")] = 0.3,
    kinds: Annotated[
        str | None, typer.Option(help="Of drawn things, as in ball,chair; else of all kinds.")
    ] = None,
    cutouts: Annotated[
        Path | None, typer.Option(help="Folder of PNG pictures with an alpha channel.")
    ] = None,
    camera_height: Annotated[float, typer.Option(help="Metres above the road.")] = 1.3,
    horizon: Annotated[
        float | None, typer.Option(help="Its row over the height, 0..1; else it is estimated.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace earlier files.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Put drawn or cut-out things on the road of a drive, with exact ground truth."""
    from mmras_cli.progress import plain_progress
    from mmras_stream.inserting.insert import insert as insert_things
    from mmras_stream.inserting.settings import InsertSettings

    settings = InsertSettings(
        seed=seed,
        objects=objects,
        moving_share=moving_share,
        kinds=() if kinds is None else tuple(names_of(kinds)),
        cutouts=cutouts,
        camera_height=camera_height,
        horizon=horizon,
    )
    with plain_progress("inserting", quiet=quiet or as_json) as show:
        report = insert_things(clip, out, settings, overwrite=overwrite, observer=show)
    if as_json:
        print_json(asdict(report))
    elif not quiet:
        typer.echo(
            f"{report.objects} of {report.asked} objects ({', '.join(report.kinds)}), "
            f"{report.masks} masks in {report.frames} frames; the car drives about "
            f"{report.kilometres_per_hour:.0f} km/h"
        )
        for warning in report.warnings:
            typer.echo(f"note: {warning}")
        typer.echo(f"watch {report.video}, truth in {report.truth}")
