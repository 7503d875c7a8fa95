"""The place of a thing in the picture, on a grid coarse enough to be compared quickly."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mmras_stream.regions.rle import sample
from mmras_stream.types import Mask, Proposal

COLUMNS = 160
"""About so many cells lie side by side in the picture."""

Box = tuple[int, int, int, int]
"""First and last + 1 column and row of cells: left, top, right, bottom."""

Shift = tuple[float, float]
"""Pixels to the right and down."""


@dataclass(frozen=True, slots=True, eq=False)
class Footprint:
    """The cells that a thing covers, and where in the picture these lie."""

    cells: Mask
    """At least one is covered."""
    left: float
    """Pixels from the left border of the picture to that of the cells."""
    top: float
    step: int
    """Pixels from one cell to the next."""
    centre: tuple[float, float]
    """Pixels of the picture, x and y."""
    size: float
    """Pixels: side of a square of the same area."""

    @classmethod
    def of(cls, proposal: Proposal) -> Footprint:
        """Look at a proposal's mask in the middle of each cell."""
        step = max(1, round(proposal.rle.size[1] / COLUMNS))
        x, y, width, height = proposal.bbox_xywh
        columns = np.arange(x // step, (x + width - 1) // step + 1)
        rows = np.arange(y // step, (y + height - 1) // step + 1)
        middle = step // 2
        last_row, last_column = proposal.rle.size[0] - 1, proposal.rle.size[1] - 1
        cells = sample(
            proposal.rle,
            np.minimum(rows * step + middle, last_row),
            np.minimum(columns * step + middle, last_column),
        )
        if not cells.any():  # thinner than the grid
            cells = np.ones_like(cells)
        return cls(
            cells,
            float(columns[0] * step),
            float(rows[0] * step),
            step,
            (x + width / 2, y + height / 2),
            proposal.area**0.5,
        )

    def moved(self, shift: Shift) -> Footprint:
        """Return it elsewhere."""
        right, down = shift
        x, y = self.centre
        centre = (x + right, y + down)
        return replace(self, left=self.left + right, top=self.top + down, centre=centre)

    def shared(self, other: Footprint) -> int:
        """Count the cells that both cover."""
        a, b = self._box(), other._box()
        left, top = max(a[0], b[0]), max(a[1], b[1])
        right, bottom = min(a[2], b[2]), min(a[3], b[3])
        if left >= right or top >= bottom:
            return 0
        own, others = (
            one.cells[top - box[1] : bottom - box[1], left - box[0] : right - box[0]]
            for one, box in ((self, a), (other, b))
        )
        return int(np.count_nonzero(own & others))

    def overlap(self, other: Footprint) -> float:
        """Return the intersection over union."""
        shared = self.shared(other)
        return shared / (self.count() + other.count() - shared)

    def count(self) -> int:
        """Return how many cells are covered."""
        return int(np.count_nonzero(self.cells))

    def distance(self, other: Footprint) -> float:
        """Return the pixels between the centres."""
        (x, y), (other_x, other_y) = self.centre, other.centre
        return float(np.hypot(x - other_x, y - other_y))

    def gap(self, other: Footprint) -> float:
        """Return the pixels between the boxes around both; 0 where these meet."""
        left, top, width, height = self.extent
        other_left, other_top, other_width, other_height = other.extent
        across = max(other_left - (left + width), left - (other_left + other_width), 0.0)
        down = max(other_top - (top + height), top - (other_top + other_height), 0.0)
        return float(np.hypot(across, down))

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, top, width and height in pixels."""
        rows, columns = self.cells.shape
        return self.left, self.top, columns * self.step, rows * self.step

    def _box(self) -> Box:
        left, top = round(self.left / self.step), round(self.top / self.step)
        return left, top, left + self.cells.shape[1], top + self.cells.shape[0]
