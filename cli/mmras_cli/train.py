"""`mmras-stream train`: make weights from labelled pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmras_cli.console import AsJson, Quiet, complain, print_json, reported

EXAMPLE = """
Example: mmras-stream train embedded --data data --out weights.safetensors --minutes 90

Interrupted training goes on where it stopped when the same command is given again.
"""


@reported
def train(
    recipe: Annotated[
        str,
        typer.Argument(help="A TOML file, or 'embedded' for the recipe of the built-in weights."),
    ],
    data: Annotated[Path, typer.Option(help="Folder that the paths in the recipe start from.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The .safetensors file to write.")],
    *,
    minutes: Annotated[
        float | None, typer.Option(help="Of training, in place of the recipe's.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    calibrate: Annotated[
        list[Path] | None,
        typer.Option(help="A drive without anything strange, to find the threshold on; repeat."),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train the compact network by a recipe, and calibrate its threshold."""
    from dataclasses import replace

    from mmras_cli.progress import plain_progress
    from mmras_stream.models.checkpoint import read_card
    from mmras_stream.training.loop import Trainer
    from mmras_stream.training.recipe import load_recipe

    how = load_recipe(recipe)
    if minutes is not None:
        how = replace(how, schedule=replace(how.schedule, minutes=minutes))
    trainer = Trainer(how, data, out, device=device)
    if trainer.resume() and not quiet:
        complain(f"going on from {trainer.checkpoint_path}")
    with plain_progress("training", quiet=quiet or as_json) as show:
        for step in trainer.run():
            word = f"step {step.step}  loss {step.loss:.3f}  {step.crops_per_second:.1f} crops/s"
            show(step.share_done, word)
    if calibrate:
        _calibrate(out, calibrate, quiet=quiet or as_json)
    card = read_card(out)
    if as_json:
        print_json({"weights": str(out), "sha256": card.sha256, "threshold": card.threshold})
    elif not quiet:
        typer.echo(f"{out}  sha256 {card.sha256[:12]}  threshold {card.threshold}")


def _calibrate(weights: Path, drives: list[Path], *, quiet: bool) -> None:
    from mmras_cli.progress import plain_progress
    from mmras_stream.training.calibrate import calibrate_weights

    with plain_progress("calibrating", quiet=quiet) as show:
        for done, drive in enumerate(calibrate_weights(weights, drives), start=1):
            show(done / len(drives), drive.name)
