"""The weights that training begins with and those that it leaves."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path

import torch

from mmras_stream.errors import CheckpointError, SettingsError
from mmras_stream.models.checkpoint import WeightsCard, load_network, read_card, save_weights
from mmras_stream.models.compact import CompactNetwork
from mmras_stream.training.recipe import Recipe
from mmras_stream.training.tuning import with_threshold_of

CLASS_HEAD = "class_head."
"""Begins the names of what alone depends on how many classes there are."""


def first_network(recipe: Recipe, start: Path | None) -> CompactNetwork:
    """Build the network, from weights where there are some; other classes are learnt anew."""
    network = CompactNetwork(recipe.network)
    if start is None:
        if recipe.loss.keep > 0:
            raise SettingsError(
                "the recipe holds a network to what it said before (loss.keep); give its weights, "
                "as in --from embedded"
            )
        return network
    before, _ = load_network(start)
    if recipe.reviewed and not recipe.sources:
        return before  # no label of the recipe counts its classes
    if replace(before.config, classes=recipe.classes) != recipe.network:
        raise CheckpointError(
            f"{start} holds a network of another shape, {before.config}; "
            f"the recipe has {recipe.network}"
        )
    state = before.state_dict()
    if before.config.classes != recipe.classes:
        if recipe.loss.keep > 0:
            raise CheckpointError(
                f"{start} knows the classes {', '.join(before.config.classes)}; the labelled "
                f"sources have {', '.join(recipe.classes)}; leave them out"
            )
        state = {k: v for k, v in state.items() if not k.startswith(CLASS_HEAD)}
    network.load_state_dict(state, strict=False)
    return network


def write_weights(
    path: Path,
    network: CompactNetwork,
    recipe: Recipe,
    *,
    start: Path | None,
    steps: int,
    minutes: float,
) -> None:
    """Write a network with the record of how it came about."""
    sources = [source for source in recipe.sources if not source.validation]
    provenance = {
        "sources": {source.name: source.images for source in sources},
        "drives": {drive.name: drive.video for drive in recipe.drives},
        "reviewed": [review.coco for review in recipe.reviewed],
        "start": read_card(start).sha256 if start else None,
        "drawn_scenes": recipe.drawn.scenes,
        "steps": steps,
        "training_minutes": round(minutes, 1),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    card = WeightsCard(
        network.config,
        input_width=recipe.input_width,
        recipe=replace(recipe, network=network.config).to_dict(),
        provenance=provenance,
    )
    if recipe.reviewed and start:
        card = with_threshold_of(start, card)
    save_weights(path, network.state_dict(), card)
