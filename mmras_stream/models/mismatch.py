"""Why weights do not fit a network, and what would."""

from __future__ import annotations

from dataclasses import fields
from difflib import get_close_matches

from mmras_stream.errors import CheckpointError
from mmras_stream.models.carded import shortened
from mmras_stream.models.detection import Shapes, detect_config
from mmras_stream.models.mmras import MmrasConfig

GUESSES = 2
"""Unexpected names for which the closest missing one is shown."""


def explain(seen: Shapes, needed: Shapes, wanted: Shapes, config: MmrasConfig) -> str | None:
    """Say in one line what is missing, left over or of another shape; None where all fits.

    Args:
        seen: Shapes of the weights, by name.
        needed: Shapes of what the network cannot do without, by name.
        wanted: Shapes of all of the network, by name.
        config: Of the network.
    """
    missing = [name for name in needed if name not in seen]
    unexpected = [name for name in seen if name not in wanted]
    reshaped = [
        f"{name} {tuple(seen[name])} for {tuple(shape)}"
        for name, shape in wanted.items()
        if name in seen and tuple(seen[name]) != tuple(shape)
    ]
    if not (missing or unexpected or reshaped):
        return None
    if len(missing) == len(needed):
        return f"it holds another network, with entries such as {shortened(unexpected)}"
    parts = [
        f"{len(names)} {what} ({shortened(names)})"
        for what, names in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of another shape", reshaped),
        )
        if names
    ]
    hints = (_fit(seen, config), *parts, _guess(unexpected, missing))
    return "; ".join(hint for hint in hints if hint)


def _guess(unexpected: list[str], missing: list[str]) -> str:
    pairs = [
        f"{match[0]} for {name}"
        for name in unexpected[:GUESSES]
        if (match := get_close_matches(name, missing, n=1, cutoff=0.8))
    ]
    return f"closest: {', '.join(pairs)}" if pairs else ""


def _fit(seen: Shapes, config: MmrasConfig) -> str:
    try:
        fitting = detect_config(seen)
    except CheckpointError as error:
        return str(error)
    differences = []
    if len(fitting.classes) != len(config.classes):
        differences.append(f"{len(fitting.classes)} classes in place of {len(config.classes)}")
    for field in fields(MmrasConfig):
        there, here = getattr(fitting, field.name), getattr(config, field.name)
        if field.name not in ("classes", "heads") and there != here:
            differences.append(f"{field.name} {there} in place of {here}")
    return f"its weights have {', '.join(differences)}" if differences else ""
