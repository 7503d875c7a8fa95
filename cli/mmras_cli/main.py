"""The `mmras-stream` command: one module per subcommand, loaded without their libraries."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from mmras_cli import (
    annotate,
    bench,
    calibrate,
    compare,
    doctor,
    evaluate,
    insert,
    models,
    plugins,
    probe,
    text,
    train,
)

app = typer.Typer(
    name="mmras-stream",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Find the rare things in dashcam video: an overlay to watch, proposals to label.",
)

COMMANDS = (
    annotate, probe, evaluate, compare, calibrate, insert, bench, train, text, doctor, plugins,
)  # fmt: skip

for module in COMMANDS:
    name = module.__name__.rpartition(".")[2]
    app.command(name, epilog=module.EXAMPLE)(getattr(module, name))

app.add_typer(models.app, name="models")


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)
    ] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"mmras-stream {installed('mmras-stream')}")
        raise typer.Exit


def run() -> None:
    """Run the command line; where `mmras-stream` enters."""
    # OpenMP threads that spin while they wait steal the core of a busy neighbour: six times slower
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    app()
