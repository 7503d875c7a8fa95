"""`mmras-stream train`: make weights from labelled pictures."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmras_cli.console import AsJson, Quiet, complain, print_json, reported
from mmras_stream.errors import SettingsError

if TYPE_CHECKING:
    from mmras_stream.training.calibrate import Stretch
    from mmras_stream.training.loop import Trainer
    from mmras_stream.training.recipe import Recipe

EXAMPLE = """
Example: mmras-stream train embedded --data data --out weights.safetensors --minutes 90

Example: mmras-stream train --from embedded --coco reviewed.json --proposals keyframes.coco.json
--images annotated --out tuned.safetensors

In reviewed proposals, those are rejected that are gone, whose category is 'rejected', or whose
attribute 'review' is 'rejected'; 'unsure' teaches nothing. All others are accepted.

Interrupted training goes on where it stopped when the same command is given again.
"""

TUNING = "tuning"
"""The recipe for reviewed proposals where none is named."""


@reported
def train(
    recipe: Annotated[
        str | None,
        typer.Argument(
            help="A TOML file, or 'embedded', 'further', 'broader' and 'roadside', one after the "
            "other the recipes of the built-in weights, 'staged', 'text', or 'tuning', which "
            "--coco takes by itself."
        ),
    ] = None,
    *,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder that the paths in the recipe start from; not needed by --coco."),
    ] = None,
    coco: Annotated[
        list[Path] | None,
        typer.Option(help="Proposals that were reviewed, as a COCO file; repeat."),
    ] = None,
    proposals: Annotated[
        list[Path] | None,
        typer.Option(
            help="The file before the review, such as keyframes.coco.json: what is gone since "
            "was rejected. All those of one --coco, or one for each."
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(help="Folder with the reviewed pictures; else that of each COCO file."),
    ] = None,
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
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Processes that make crops; 0: a thread. All cores but one on CUDA, else 0.",
        ),
    ] = None,
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
    """Train the compact network by a recipe, or tune it on reviewed proposals.

    The threshold is found on what the recipe keeps of its drives; tuning keeps that of the weights
    it began with.
    """
    from mmras_stream.models.checkpoint import weights_path
    from mmras_stream.training.loop import Trainer
    from mmras_stream.training.recipe_file import load_recipe

    if out is None and validation_set is None:
        raise SettingsError("nothing to do; give --out, --validation-set or both")
    if recipe is None and not coco:
        raise SettingsError("no recipe; give one, such as 'embedded', or --coco reviewed.json")
    how = load_recipe(recipe or TUNING)
    how = how if seed is None else replace(how, seed=seed)
    if data is None and (coco or how.reviewed):
        how = replace(how, sources=(), drives=())
    if coco:
        how = _with_reviews(how, coco, proposals or [], images, start=start, data=data)
    elif proposals or images:
        raise SettingsError("--proposals and --images belong to --coco; give that too")
    if data is None and not how.reviewed:
        raise SettingsError("--data is missing: the folder that the recipe's paths start from")
    data = data or Path()
    if validation_set is not None:
        _write_validation(how, data, validation_set, quiet=quiet or as_json)
    if out is None:
        return
    how = how.only(stage) if stage else how
    how = how if minutes is None else how.lasting(minutes)
    first = weights_path(start) if start else None
    trainer = Trainer(how, data, out, start=first, device=device, workers=workers)
    _run(trainer, quiet=quiet or as_json)
    _calibrate(out, _ordinary(how, data, calibrate), quiet=quiet or as_json)
    _show(out, how, data, quiet=quiet, as_json=as_json)


def _with_reviews(
    recipe: Recipe,
    coco: list[Path],
    proposals: list[Path],
    images: Path | None,
    *,
    start: str | None,
    data: Path | None,
) -> Recipe:
    from mmras_stream.models.checkpoint import read_card, weights_path
    from mmras_stream.training.recipe import Reviewed
    from mmras_stream.training.tuning import tuned

    if start is None:
        raise SettingsError("--coco tunes weights; say which, as in --from embedded")
    if proposals and len(coco) not in (1, len(proposals)):
        raise SettingsError(
            f"{len(coco)} --coco and {len(proposals)} --proposals; give one for each, in order"
        )

    def seen_from_data(path: Path) -> str:
        # the record in the weights is to hold no more of the user's folders than it must
        return Path(os.path.relpath(path, data)).as_posix() if data else path.as_posix()

    earlier = [proposals] if len(coco) == 1 else [[one] for one in proposals] or [[]] * len(coco)
    reviews = [
        Reviewed(
            file.stem,
            seen_from_data(file),
            seen_from_data(images or file.parent),
            proposals=tuple(seen_from_data(path) for path in before),
        )
        for file, before in zip(coco, earlier, strict=True)
    ]
    return tuned(recipe, reviews, read_card(weights_path(start)))


def _run(trainer: Trainer, *, quiet: bool) -> None:
    from mmras_cli.progress import plain_progress

    if trainer.resume() and not quiet:
        complain(f"going on from {trainer.checkpoint_path}")
    with plain_progress("training", quiet=quiet) as show:
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
    # words alone change no class: measuring them would take longer than teaching
    known = [] if recipe.keeps_scores else list(class_quality(out, recipe, data))
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

    if drives:
        return [Stretch(path) for path in drives]
    return [] if recipe.reviewed else unseen_stretches(recipe, data)


def _calibrate(weights: Path, drives: list[Stretch], *, quiet: bool) -> None:
    from mmras_cli.progress import plain_progress
    from mmras_stream.training.calibrate import calibrate_weights

    if not drives:
        return
    with plain_progress("calibrating", quiet=quiet) as show:
        for done, drive in enumerate(calibrate_weights(weights, drives), start=1):
            show(done / len(drives), drive.name)
