"""All the solids that can be put on a road, by name."""

from __future__ import annotations

from collections.abc import Sequence

from mmras_stream.errors import SettingsError
from mmras_stream.synthetic.held_out import HELD_OUT
from mmras_stream.synthetic.obstacles import OBSTACLES
from mmras_stream.values import unknown

SOLIDS = OBSTACLES | HELD_OUT
"""Kind of thing -> how to build it."""

ROLLING = ("ball",)
"""Kinds that do not lie still."""

LIVING = ("cow",)
"""Kinds that walk, or stand."""

MOVING = (*ROLLING, *LIVING)


def chosen_kinds(names: Sequence[str]) -> list[str]:
    """Return the kinds that are named, sorted; without a name, all.

    Raises:
        SettingsError: one is unknown.
    """
    for name in names:
        if name not in SOLIDS:
            raise SettingsError(unknown("kind of thing", name, sorted(SOLIDS)))
    return sorted(set(names) or SOLIDS)
