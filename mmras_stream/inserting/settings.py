"""What is to be put into a drive."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmras_stream.values import at_least, within_0_and_1


@dataclass(frozen=True, slots=True)
class InsertSettings:
    """What to put into a drive; everything not named here follows from the seed."""

    seed: int = 0
    objects: int = 4
    moving_share: float = 0.3
    """Of the objects: those that cross the road."""
    kinds: tuple[str, ...] = ()
    """Of the solids, see `synthetic.catalogue`; none named: all."""
    cutouts: Path | None = None
    """Folder of PNG pictures with an alpha channel; half of the objects are taken from there."""
    camera_height: float = 1.3
    """Metres above the road; sizes and speeds follow from it."""
    horizon: float | None = None
    """Row of the horizon over the height of the picture, 0..1; estimated where not given."""
    farthest_metres: float = 80.0
    """From where on an object is drawn."""

    def __post_init__(self) -> None:
        at_least("objects", self.objects, 1)
        at_least("seed", self.seed, 0)
        at_least("camera_height", self.camera_height, 0.3)
        at_least("farthest_metres", self.farthest_metres, 5)
        within_0_and_1("moving_share", self.moving_share)
        if self.horizon is not None:
            within_0_and_1("horizon", self.horizon)
