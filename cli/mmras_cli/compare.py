"""`mmras-stream compare`: whether one evaluation is better than another, or merely luckier."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmras_cli.console import AsJson, Quiet, names_of, print_json, reported

if TYPE_CHECKING:
    from mmras_stream.evaluation.comparison import Comparison, Recorded

EXAMPLE = """
Example: mmras-stream compare before.json after.json

The files come from `evaluate FOLDER --out FILE`, or are TOML settings to be tried on a folder:
mmras-stream compare plain.toml flipped.toml --on RoadAnomaly21

Of `evaluate --video`, two smoothers of one file: compare v.json v.json --smoothers ema,none
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
    smoothers: Annotated[
        str | None, typer.Option(help="Of video evaluations: which of A and of B, as in ema,none.")
    ] = None,
    samples: Annotated[int, typer.Option(min=100, help="Times that pictures are drawn.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of the drawing.")] = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Put two evaluations side by side, with intervals from drawing pictures anew."""
    from dataclasses import asdict

    from mmras_cli.tables import comparison_table
    from mmras_stream.evaluation.comparison import compare as put_side_by_side
    from mmras_stream.evaluation.video_comparison import is_video_record

    if is_video_record(a) and is_video_record(b):
        comparison = _compare_videos(a, b, smoothers, samples=samples, seed=seed)
    else:
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


def _compare_videos(
    a: Path, b: Path, smoothers: str | None, *, samples: int, seed: int
) -> Comparison:
    from mmras_stream.errors import SettingsError
    from mmras_stream.evaluation.video_comparison import compare_videos, read_video_record

    names = [None, None] if smoothers is None else names_of(smoothers)
    if len(names) != 2:
        raise SettingsError(f"--smoothers names one of A and one of B, as in ema,none; {smoothers}")
    sides = (read_video_record(path, name) for path, name in zip((a, b), names, strict=True))
    return compare_videos(*sides, samples=samples, seed=seed)


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
