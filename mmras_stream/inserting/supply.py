"""What is put on the road: drawn solids, and things cut out of photographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmras_stream.inserting.settings import InsertSettings
from mmras_stream.synthetic.catalogue import MOVING, ROLLING, SOLIDS, chosen_kinds
from mmras_stream.synthetic.cutouts import Cutout, load_cutouts
from mmras_stream.synthetic.solids import Solid


@dataclass(frozen=True, slots=True, eq=False)
class Thing:
    """One thing with its size in metres."""

    kind: str
    shape: Solid | Cutout
    height: float
    metres_per_second: float
    """Across the road; 0 stands."""

    @property
    def footprint(self) -> tuple[float, float]:
        """Half the width and half the depth, in metres."""
        if isinstance(self.shape, Solid):
            return self.shape.half
        half = self.height * self.shape.image.shape[1] / self.shape.image.shape[0] / 2
        return 0.8 * half, max(0.12, 0.3 * half)


def choose_things(settings: InsertSettings) -> list[Thing]:
    """Choose as many things as were asked for.

    Raises:
        DataError: the folder of cut-outs is missing or holds none.
        SettingsError: there is no such kind of thing.
    """
    kinds = chosen_kinds(settings.kinds)
    rng = np.random.default_rng([settings.seed, *b"things"])
    cutouts = [] if settings.cutouts is None else load_cutouts(settings.cutouts)
    moving = {i for i in range(settings.objects) if rng.random() < settings.moving_share}
    return [
        _cut_out(cutouts, rng, moves=number in moving)
        if cutouts and number % 2 == 0
        else _solid(kinds, rng, moves=number in moving)
        for number in range(settings.objects)
    ]


def _cut_out(cutouts: list[Cutout], rng: np.random.Generator, *, moves: bool) -> Thing:
    cutout = cutouts[int(rng.integers(len(cutouts)))]
    if rng.random() < 0.5:
        cutout = Cutout(
            np.ascontiguousarray(cutout.image[:, ::-1]),
            np.ascontiguousarray(cutout.alpha[:, ::-1]),
        )
    speed = float(rng.uniform(0.8, 2.5)) if moves else 0.0
    return Thing("cut-out", cutout, float(rng.uniform(0.6, 1.3)), speed)


def _solid(kinds: Sequence[str], rng: np.random.Generator, *, moves: bool) -> Thing:
    """Build one of some kinds; where none of them can move, or lie still, it does as it can."""
    able = set(MOVING) if moves else set(SOLIDS) - set(ROLLING)
    kind = str(rng.choice([name for name in kinds if name in able] or kinds))
    solid = SOLIDS[kind](rng)
    pace = (1.5, 4.0) if kind in ROLLING else (0.6, 1.4)
    moves = moves and kind in MOVING
    return Thing(kind, solid, solid.height, float(rng.uniform(*pace)) if moves else 0.0)
