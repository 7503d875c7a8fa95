"""How the picture moves from one frame to the next."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mmras_stream.types import Mask

Flow: TypeAlias = npt.NDArray[np.float32]
"""(height, width, 2): by how many cells of the grid, in x and in y, each of its places moves."""


class Cut(StrEnum):
    """Why nothing leads from the frame before to this one."""

    START = "the first frame"
    SCENE = "another scene"
    GAP = "a long time without frames"
    BACKWARDS = "time that goes backwards"
    SIZE = "another size of the picture"


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """How the picture moved since the frame before, on a grid that covers it edge to edge."""

    backward: Flow | None = None
    """Of each place now: where it was. None where motion is unknown."""
    forward: Flow | None = None
    """Of each place in the frame before: where it went."""
    sure: Mask | None = None
    """Places now whose way back and forth ends where it began: they were in sight before."""
    cut: Cut | None = None
    """None where the two frames belong together."""
