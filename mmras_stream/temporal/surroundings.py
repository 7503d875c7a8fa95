"""How a place in the picture moved, and what lies around it."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from mmras_stream.motion import Motion
from mmras_stream.temporal.footprint import Footprint, Shift

CORE = -0.25
"""By this share of its length a place is cut at each side, so that nothing else is in it."""

RING = 0.5
"""By this share of its length the ring around a place reaches beyond it."""

Window = tuple[slice, slice]


class Surroundings:
    """Looks up how places moved since the frame before.

    Args:
        motion: Of the picture.
        size: Height and width of the frame in pixels.
    """

    def __init__(self, motion: Motion, size: tuple[int, int]) -> None:
        self._flow = motion.forward
        if self._flow is not None:
            height, width = self._flow.shape[:2]
            self._cells = height, width
            self._per_cell = size[0] / height, size[1] / width

    def inside(self, place: Footprint) -> Shift:
        """Return the pixels by which the middle of a place moved; 0 where that is unknown."""
        if self._flow is None:
            return 0.0, 0.0
        return self._median(self._flow[self._window(place, CORE)].reshape(-1, 2))

    def around(self, place: Footprint) -> Shift:
        """Return the pixels by which the ring around a place moved; 0 where that is unknown."""
        if self._flow is None:
            return 0.0, 0.0
        rows, columns = self._window(place, RING)
        inner_rows, inner_columns = self._window(place, 0)
        outside = np.ones((rows.stop - rows.start, columns.stop - columns.start), np.bool_)
        outside[
            inner_rows.start - rows.start : inner_rows.stop - rows.start,
            inner_columns.start - columns.start : inner_columns.stop - columns.start,
        ] = False
        crop = self._flow[rows, columns]
        return self._median(crop[outside] if outside.any() else crop.reshape(-1, 2))

    def _window(self, place: Footprint, grow: float) -> Window:
        left, top, width, height = place.extent
        return (
            _span(top, height, grow, self._per_cell[0], self._cells[0]),
            _span(left, width, grow, self._per_cell[1], self._cells[1]),
        )

    def _median(self, shifts: npt.NDArray[np.float32]) -> Shift:
        middle = len(shifts) // 2
        x, y = np.partition(shifts, middle, axis=0)[middle].tolist()
        return x * self._per_cell[1], y * self._per_cell[0]


def _span(start: float, length: float, grow: float, per_cell: float, cells: int) -> slice:
    """Return the cells, at least one, of a range of pixels that grows by a share at each end."""
    first = math.floor((start - grow * length) / per_cell)
    last = math.ceil((start + (1 + grow) * length) / per_cell)
    first = min(max(0, first), cells - 1)
    return slice(first, min(max(first + 1, last), cells))
