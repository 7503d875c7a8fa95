"""`mmras-stream plugins`: what is installed, and what is broken."""

from __future__ import annotations

import typer

from mmras_cli.console import AsJson, print_json, reported

EXAMPLE = "Example: mmras-stream plugins --json"


@reported
def plugins(*, as_json: AsJson = False) -> None:
    """List installed plugins and say which cannot be used."""
    from dataclasses import asdict

    from mmras_stream.registry import survey

    rows = survey()
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    width = max(len(row.name) for row in rows)
    for row in rows:
        typer.echo(f"{row.kind:10} {row.name:{width}} {row.error or 'ok'}")
