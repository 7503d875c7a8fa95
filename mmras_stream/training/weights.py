"""The weights that training begins with and those that it leaves."""

from __future__ import annotations

import copy
import platform
from dataclasses import replace
from pathlib import Path

import torch

from mmras_stream.errors import CheckpointError, SettingsError
from mmras_stream.models.checkpoint import (
    TextCard,
    WeightsCard,
    load_network,
    read_card,
    save_weights,
)
from mmras_stream.models.compact import CompactNetwork
from mmras_stream.training.recipe import Recipe
from mmras_stream.training.tuning import with_threshold_of

OF_CLASSES = ("class_head.", "text_head.")
"""Begins the names of what alone depends on which classes there are."""


def first_network(recipe: Recipe, start: Path | None) -> CompactNetwork:
    """Build the network, from weights where there are some; other classes are learnt anew.

    Where words alone are learnt, the network stays what it is, whatever its shape.

    Raises:
        CheckpointError: `start` is damaged, of another shape, or, where only words are learnt, of
            other classes.
        SettingsError: there is no `start`, and only words are learnt.
    """
    if start is None and recipe.keeps_scores:
        raise SettingsError(
            "a run that teaches words alone needs a network that can see; give its weights, as in "
            "--from embedded"
        )
    if start is None:
        if recipe.loss.keep > 0:
            raise SettingsError(
                "the recipe holds a network to what it said before (loss.keep); give its weights, "
                "as in --from embedded"
            )
        return CompactNetwork(recipe.network)
    before, _ = load_network(start)
    if recipe.reviewed and not recipe.sources:
        return before  # no label of the recipe counts its classes
    known = before.config.classes == recipe.classes
    if recipe.keeps_scores and not known:
        raise CheckpointError(
            f"{start} knows the classes {', '.join(before.config.classes)}; "
            f"the recipe has words for {', '.join(recipe.classes)}"
        )
    if recipe.keeps_scores:
        return before
    shape = replace(recipe.network, text_width=before.config.text_width if known else 0)
    if replace(before.config, classes=shape.classes, text_width=shape.text_width) != shape:
        raise CheckpointError(
            f"{start} holds a network of another shape, {before.config}; "
            f"the recipe has {recipe.network}"
        )
    network, state = CompactNetwork(shape), before.state_dict()
    if not known:
        if recipe.loss.keep > 0:
            raise CheckpointError(
                f"{start} knows the classes {', '.join(before.config.classes)}; the labelled "
                f"sources have {', '.join(recipe.classes)}; leave them out"
            )
        state = {k: v for k, v in state.items() if not k.startswith(OF_CLASSES)}
    network.load_state_dict(state, strict=False)
    return network


def interpolated(network: CompactNetwork, other: CompactNetwork, share: float) -> CompactNetwork:
    """Return a network whose weights lie between those of two, by a share at the other's."""
    mean, state = copy.deepcopy(network), other.state_dict()
    with torch.no_grad():
        for name, value in mean.state_dict().items():
            if value.is_floating_point():
                value.lerp_(state[name], share)
    return mean


def write_weights(
    path: Path,
    network: CompactNetwork,
    recipe: Recipe,
    *,
    start: Path | None,
    text: TextCard | None,
    steps: int,
    minutes: float,
) -> None:
    """Write a network with the record of how it came about.

    A run that only teaches words leaves every score as it was, so the record of the weights it
    began with stays, threshold and calibration included.
    """
    before = read_card(start) if start else None
    sources = [source for source in recipe.sources if not source.validation]
    provenance = {
        "sources": {source.name: source.images for source in sources},
        "drives": {drive.name: drive.video for drive in recipe.drives},
        "reviewed": [review.coco for review in recipe.reviewed],
        "start": before.sha256 if before else None,
        "drawn_scenes": recipe.drawn.scenes,
        "steps": steps,
        "training_minutes": round(minutes, 1),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    if before and recipe.keeps_scores:
        taught = {"text": {**provenance, "recipe": recipe.to_dict()}}
        both = {**before.provenance, **taught}
        card = replace(before, config=network.config, text=text, provenance=both)
    else:
        card = WeightsCard(
            network.config,
            input_width=recipe.input_width,
            recipe=replace(recipe, network=network.config).to_dict(),
            provenance=provenance,
            text=text or (before.text if before and network.text_head is not None else None),
        )
    if recipe.reviewed and start:
        card = with_threshold_of(start, card)
    save_weights(path, network.state_dict(), card)
