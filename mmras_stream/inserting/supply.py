"""What is put on the road: drawn solids, and things cut out of photographs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmras_stream.inserting.settings import InsertSettings
from mmras_stream.synthetic.cutouts import Cutout, load_cutouts
from mmras_stream.synthetic.held_out import HELD_OUT
from mmras_stream.synthetic.obstacles import OBSTACLES
from mmras_stream.synthetic.solids import Solid

_SOLIDS = OBSTACLES | HELD_OUT
_ROLLING = ("ball",)
_LIVING = ("cow",)


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
    """
    rng = np.random.default_rng([settings.seed, *b"things"])
    cutouts = [] if settings.cutouts is None else load_cutouts(settings.cutouts)
    moving = {i for i in range(settings.objects) if rng.random() < settings.moving_share}
    return [
        _cut_out(cutouts, rng, moves=number in moving)
        if cutouts and number % 2 == 0
        else _solid(rng, moves=number in moving)
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


def _solid(rng: np.random.Generator, *, moves: bool) -> Thing:
    kinds = [*_ROLLING, *_LIVING] if moves else sorted(set(_SOLIDS) - set(_ROLLING))
    kind = str(rng.choice(kinds))
    solid = _SOLIDS[kind](rng)
    pace = (1.5, 4.0) if kind in _ROLLING else (0.6, 1.4)
    return Thing(kind, solid, solid.height, float(rng.uniform(*pace)) if moves else 0.0)
