"""`mmras-stream probe`: what is in a file, and whether it will decode."""

from __future__ import annotations

from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from mmras_cli.console import AsJson, print_json, reported

EXAMPLE = "Example: mmras-stream probe drive.mp4"


@reported
def probe(
    file: Annotated[Path, typer.Argument(help="A video.")], *, as_json: AsJson = False
) -> None:
    """Say what is in a video and whether it will decode."""
    from mmras_stream.video.probe import probe as look

    found = asdict(look(file))
    if as_json:
        print_json({key: _plain(value) for key, value in found.items()})
    else:
        for key, value in found.items():
            typer.echo(f"{key.replace('_', ' '):22} {_readable(value)}")
    if not found["decodes"]:
        raise typer.Exit(1)


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Fraction) else value


def _readable(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "-"
    if isinstance(value, Fraction) and value.denominator != 1:
        return f"{value} ({float(value):.6g})"
    if isinstance(value, dict):
        return ", ".join(
            f"{key.replace('_', ' ')} {_readable(part)}" for key, part in value.items()
        )
    if isinstance(value, list | tuple):
        return "; ".join(_readable(item) for item in value) or "none"
    return str(value)
