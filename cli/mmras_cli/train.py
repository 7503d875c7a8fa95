"""`mmras-stream train`: make weights from labelled pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmras_cli.console import AsJson, Quiet, complain, print_json, reported
from mmras_stream.errors import SettingsError

if TYPE_CHECKING:
    from mmras_stream.training.calibrate import Stretch
    from mmras_stream.training.recipe import Recipe

EXAMPLE = """
Example: mmras-stream train embedded --data data --out weights.safetensors --minutes 90

Interrupted training goes on where it stopped when the same command is given again.
"""


@reported
def train(
    recipe: Annotated[
        str,
        typer.Argument(
            help="A TOML file, 'embedded' for the recipe of the built-in weights, or 'staged'."
        ),
    ],
    data: Annotated[Path, typer.Option(help="Folder that the paths in the recipe start from.")],
    *,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The .safetensors file to write.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", help="Weights to begin with: a file, or 'embedded'."),
    ] = None,
    stage: Annotated[
        list[str] | None, typer.Option(help="Only this stage of the recipe; repeat.")
    ] = None,
    validation_set: Annotated[
        Path | None,
        typer.Option(help="A folder to fill with pictures for 'evaluate' that training lacks."),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Of training, in place of the recipe's.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of all chance, in place of the recipe's.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    calibrate: Annotated[
        list[Path] | None,
        typer.Option(
            help="A drive without anything strange, to find the threshold on, in place of what "
            "the recipe keeps of its own drives; repeat."
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train the compact network by a recipe, and calibrate its threshold."""
    from mmras_stream.training.recipe_file import load_recipe

    if out is None and validation_set is None:
        raise SettingsError("nothing to do; give --out, --validation-set or both")
    how = load_recipe(recipe)
    how = how if seed is None else replace(how, seed=seed)
    if validation_set is not None:
        _write_validation(how, data, validation_set, quiet=quiet or as_json)
    if out is None:
        return
    how = how.only(stage) if stage else how
    how = how if minutes is None else how.lasting(minutes)
    _run(how, data, out, start=start, device=device, quiet=quiet, as_json=as_json)
    _calibrate(out, _ordinary(how, data, calibrate), quiet=quiet or as_json)
    _show(out, how, data, quiet=quiet, as_json=as_json)


def _run(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    start: str | None,
    device: str,
    quiet: bool,
    as_json: bool,
) -> None:
    from mmras_cli.progress import plain_progress
    from mmras_stream.models.checkpoint import weights_path
    from mmras_stream.training.loop import Trainer

    first = weights_path(start) if start else None
    trainer = Trainer(recipe, data, out, start=first, device=device)
    if trainer.resume() and not quiet:
        complain(f"going on from {trainer.checkpoint_path}")
    with plain_progress("training", quiet=quiet or as_json) as show:
        for step in trainer.run():
            word = f"{step.stage}: step {step.step}  loss {step.loss:.3f}"
            show(step.share_done, f"{word}  {step.crops_per_second:.1f} crops/s")


def _write_validation(recipe: Recipe, data: Path, folder: Path, *, quiet: bool) -> None:
    from mmras_cli.progress import plain_progress
    from mmras_stream.training.validation import PICTURES, write_validation_set

    with plain_progress("making validation pictures", quiet=quiet) as show:
        for done, _ in enumerate(write_validation_set(recipe, data, folder), start=1):
            show(done / PICTURES, f"{done} pictures")


def _show(out: Path, recipe: Recipe, data: Path, *, quiet: bool, as_json: bool) -> None:
    from mmras_stream.models.checkpoint import read_card
    from mmras_stream.training.class_quality import class_quality

    card = read_card(out)
    if quiet and not as_json:
        return
    known = list(class_quality(out, recipe, data))
    if as_json:
        quality = {one.source: {"mean_iou": one.mean_iou, "iou": one.iou} for one in known}
        record = {"weights": str(out), "sha256": card.sha256, "threshold": card.threshold}
        print_json({**record, "class_quality": quality})
        return
    typer.echo(f"{out}  sha256 {card.sha256[:12]}  threshold {card.threshold}")
    for one in known:
        each = "  ".join(f"{name} {value:.1%}" for name, value in one.iou.items())
        typer.echo(f"{one.source}, {one.pictures} pictures: mean IoU {one.mean_iou:.1%}  {each}")


def _ordinary(recipe: Recipe, data: Path, drives: list[Path] | None) -> list[Stretch]:
    from mmras_stream.training.calibrate import Stretch, unseen_stretches

    return [Stretch(path) for path in drives] if drives else unseen_stretches(recipe, data)


def _calibrate(weights: Path, drives: list[Stretch], *, quiet: bool) -> None:
    from mmras_cli.progress import plain_progress
    from mmras_stream.training.calibrate import calibrate_weights

    if not drives:
        return
    with plain_progress("calibrating", quiet=quiet) as show:
        for done, drive in enumerate(calibrate_weights(weights, drives), start=1):
            show(done / len(drives), drive.name)
