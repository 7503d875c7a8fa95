"""`mmras-stream compare`: whether one evaluation is better than another, or merely luckier."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmras_cli.console import AsJson, Quiet, print_json, reported

if TYPE_CHECKING:
    from mmras_stream.evaluation.comparison import Recorded

EXAMPLE = """
Example: mmras-stream compare before.json after.json

The files come from `evaluate FOLDER --out FILE`, or are TOML settings to be tried on a folder:
mmras-stream compare plain.toml flipped.toml --on RoadAnomaly21
"""


@reported
def compare(
    a: Annotated[Path, typer.Argument(help="JSON of an evaluation, or TOML settings.")],
    b: Annotated[Path, typer.Argument(help="Another, of the same pictures.")],
    *,
    on: Annotated[
        Path | None, typer.Option(help="What TOML settings are tried on, as in `evaluate`.")
    ] = None,
    gt: Annotated[
        Path | None, typer.Option(help="A COCO file, or the folder of masks of a drive.")
    ] = None,
    layout: Annotated[str, typer.Option(help="auto, validation, smiyc, coco or drive.")] = "auto",
    track: Annotated[str, typer.Option(help="auto, anomaly or obstacle.")] = "auto",
    samples: Annotated[int, typer.Option(min=100, help="Times that pictures are drawn.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of the drawing.")] = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Put two evaluations side by side, with intervals from drawing pictures anew."""
    from dataclasses import asdict

    from mmras_cli.tables import comparison_table
    from mmras_stream.evaluation.comparison import compare as put_side_by_side

    one, other = (
        _recorded(path, on, gt=gt, layout=layout, track=track, quiet=quiet or as_json)
        for path in (a, b)
    )
    comparison = put_side_by_side(one, other, samples=samples, seed=seed)
    if as_json:
        rows = [
            {**asdict(row), "difference": row.difference, "winner": row.winner}
            for row in comparison.rows
        ]
        values = {**asdict(comparison), "rows": rows, "verdict": comparison.verdict}
        print_json({**values, "samples": samples, "seed": seed})
        return
    if not quiet:
        comparison_table(comparison)
    typer.echo(comparison.verdict)


def _recorded(
    path: Path, on: Path | None, *, gt: Path | None, layout: str, track: str, quiet: bool
) -> Recorded:
    from mmras_cli.evaluate import measured
    from mmras_stream.errors import SettingsError
    from mmras_stream.evaluation.comparison import read_record, recorded
    from mmras_stream.evaluation.datasets import open_split
    from mmras_stream.settings import load

    if path.suffix.lower() != ".toml":
        return read_record(path)
    settings = load(path)
    if on is None:
        raise SettingsError(f"{path} holds settings; say what to try them on, as in --on FOLDER")
    split = open_split(on, gt=gt, layout=layout)
    values, _ = measured(split, on, settings, track=track, quiet=quiet)
    return recorded(values, name=path.name)
