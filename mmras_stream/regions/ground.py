"""Tell whether things stand on the road, by what lies around their foot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mmras_stream.regions.rle import sample
from mmras_stream.types import Mask, Proposal

BESIDE = 0.5
"""Of a thing's width: how far to each side of it the ground is looked at."""

BELOW = 0.25
"""Of its height: how far below it."""

UP_TO = 0.25
"""Of its height: how far up from its lowest point."""


def placed(proposals: Sequence[Proposal], road: Mask) -> tuple[Proposal, ...]:
    """Return the proposals with `on_road`.

    That is the share of road among the cells around the foot of each that are not its own. One
    cell at least is looked at to each side and below, as far as the picture reaches.

    Args:
        proposals: Of one frame.
        road: Where the network sees road; any grid that covers the frame.
    """
    return tuple(replace(proposal, on_road=_share(proposal, road)) for proposal in proposals)


def _share(proposal: Proposal, road: Mask) -> float | None:
    height, width = proposal.rle.size
    rows, columns = road.shape
    x, y, w, h = proposal.bbox_xywh
    cell_h, cell_w = height / rows, width / columns
    beside, below = max(BESIDE * w, cell_w), max(BELOW * h, cell_h)
    left, right = _cells(x - beside, x + w + beside, cell_w, columns)
    top, bottom = _cells(y + h - max(UP_TO * h, cell_h), y + h + below, cell_h, rows)
    middles_y = ((np.arange(top, bottom) + 0.5) * cell_h).astype(np.int64)
    middles_x = ((np.arange(left, right) + 0.5) * cell_w).astype(np.int64)
    ground = ~sample(proposal.rle, middles_y, middles_x)
    if not ground.any():
        return None
    return float(road[top:bottom, left:right][ground].mean())


def _cells(start: float, end: float, per_cell: float, cells: int) -> tuple[int, int]:
    first = min(max(0, int(start / per_cell)), cells - 1)
    return first, min(max(first + 1, int(np.ceil(end / per_cell))), cells)
