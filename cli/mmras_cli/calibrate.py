"""`mmras-stream calibrate`: the threshold for a camera, from ordinary drives."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmras_cli.console import (
    AsJson,
    Quiet,
    print_json,
    reported,
)
from mmras_cli.options import MODEL, takes_settings

if TYPE_CHECKING:
    from mmras_stream.scoring.calibration import Calibration
    from mmras_stream.settings import Settings

EXAMPLE = """
Example: mmras-stream calibrate monday.mp4 tuesday.mp4 --out camera.json

Then: mmras-stream annotate wednesday.mp4 --calibration camera.json
"""


@reported
@takes_settings(*MODEL, "score", "tta")
def calibrate(
    drives: Annotated[list[Path], typer.Argument(help="Drives on which nothing is strange.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The JSON file to write.")],
    *,
    tracks_per_hour: Annotated[
        float, typer.Option("--false-tracks-per-hour", min=0.0, help="That are allowed.")
    ] = 60.0,
    settings: Settings,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Find the threshold at which ordinary drives give few tracks, for any network and score."""
    from mmras_cli.progress import plain_progress
    from mmras_stream.calibrating import calibrate as find_threshold
    from mmras_stream.model import load_model
    from mmras_stream.scoring.calibration import write_calibration

    open_to_all = replace(settings.proposals, threshold=0.0)  # which is what is looked for
    settings = replace(settings, proposals=open_to_all)
    loaded = load_model(settings)
    with plain_progress("calibrating", quiet=quiet or as_json) as show:
        found = find_threshold(
            drives,
            settings,
            loaded,
            tracks_per_hour=tracks_per_hour,
            observer=lambda share, frames: show(share, f"{frames} frames"),
        )
    write_calibration(out, found)
    if as_json:
        print_json(asdict(found))
    elif not quiet:
        _print_found(found, out)


def _print_found(found: Calibration, out: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("threshold", "false tracks an hour", "share of all places", box=None)
    for rate in found.rates[:: max(1, len(found.rates) // 12)]:
        table.add_row(f"{rate.threshold:.4g}", f"{rate.tracks_per_hour:.0f}", f"{rate.area:.2e}")
    Console().print(table)
    minutes = 60 * found.hours
    typer.echo(
        f"threshold {found.threshold:.4g} gives {found.tracks_per_hour:.0f} false tracks an hour "
        f"on {minutes:.1f} minutes, where one track is {1 / found.hours:.0f} an hour; in {out}"
    )
