"""Connected regions of an anomaly map, measured in frame pixels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias, cast

import cv2
import numpy as np
import numpy.typing as npt

from mmras_stream.regions.place import Place
from mmras_stream.types import AnomalyMap, Mask, Proposal, ScoreMap

_Integers: TypeAlias = npt.NDArray[np.int32]

CELLS_OF_SMALLEST = 4
"""Cells of the map that a proposal covers at least, where no minimum is given."""

MASK_SHARE = 0.75
"""Of the score of a region: how far down its mask reaches, within the two thresholds."""

_REACH = 1
"""Cells around a component in which a score between it and the background can still be high."""


def find_regions(
    anomaly_map: AnomalyMap,
    *,
    pts: int,
    threshold: float,
    faint_threshold: float | None = None,
    min_area: int | None = None,
) -> tuple[Proposal, ...]:
    """Return the 8-connected regions whose scores are above a threshold, strangest first.

    Regions are told apart on the map's grid. The mask of each is where its scores, enlarged
    bilinearly to the frame, are above a level: holes stay, and two regions never share a pixel,
    since four neighbouring cells are never part of two regions.

    With two thresholds regions are connected above the faint one, as edges are by hysteresis
    (Canny 1986), so that what a network sees in patches stays whole. The level of a mask is
    `MASK_SHARE` of the region's score, but no lower than the faint threshold and no higher than
    the other.

    Args:
        anomaly_map: Scores without NaN or infinity.
        pts: Of the frame.
        threshold: In units of the scores; a score equal to it is not above it.
        faint_threshold: Regions down to this one are returned too; None: `threshold`.
        min_area: Frame pixels that a mask has at least; None means four cells of the map. The
            score of a region is the highest that so many of its cells reach.

    Raises:
        ValueError: a score is not a number.
    """
    peak = float(anomaly_map.scores.max())
    if not math.isfinite(peak):
        raise ValueError(
            f"the anomaly map of frame {anomaly_map.frame_index} holds a score of {peak}; "
            "a scorer must give finite numbers"
        )
    least = CELLS_OF_SMALLEST * anomaly_map.pixels_per_cell if min_area is None else min_area
    faint = threshold if faint_threshold is None else min(threshold, faint_threshold)
    found = _regions(anomaly_map, pts, (faint, threshold), least)
    return tuple(sorted(found, key=lambda p: (-p.score, p.bbox_xywh[1], p.bbox_xywh[0])))


def _regions(
    anomaly_map: AnomalyMap, pts: int, thresholds: tuple[float, float], least: float
) -> Iterator[Proposal]:
    """Yield the regions above the lower threshold whose masks have an area at least."""
    scores, (faint, strong) = anomaly_map.scores, thresholds
    if float(scores.max()) <= faint:
        return
    strange = (scores > faint).view(np.uint8)
    _, labels, stats, _ = cast(
        "tuple[int, _Integers, _Integers, object]",
        cv2.connectedComponentsWithStats(strange, connectivity=8),
    )
    cells = least / anomaly_map.pixels_per_cell
    for label in _large_enough(stats, cells):
        component = _Component(label, tuple(stats[label, : cv2.CC_STAT_AREA].tolist()))
        score = _score(component, labels, scores, cells)
        level = min(max(score - (1 - MASK_SHARE) * abs(score), faint), strong)
        place = _cut(component, labels, anomaly_map, level)
        if place is not None and place.area >= least:
            yield place.proposal(anomaly_map, pts=pts, score=score)


@dataclass(frozen=True, slots=True)
class _Component:
    label: int
    cells_xywh: tuple[int, ...]


def _large_enough(stats: _Integers, least_cells: float) -> list[int]:
    """Return the labels whose enlarged mask may reach an area; a mask grows by < 1 cell a side."""
    most = (stats[1:, cv2.CC_STAT_WIDTH] + 1) * (stats[1:, cv2.CC_STAT_HEIGHT] + 1)
    return [1 + int(number) for number in np.flatnonzero(most >= least_cells)]


def _cut(
    component: _Component, labels: _Integers, anomaly_map: AnomalyMap, threshold: float
) -> Place | None:
    """Return the tight mask of a component; None if it holds no pixel."""
    map_height, map_width = labels.shape
    x, y, w, h = component.cells_xywh
    rows, above = _aligned(y - _REACH, y + h + _REACH, map_height, anomaly_map.frame_height)
    columns, before = _aligned(x - _REACH, x + w + _REACH, map_width, anomaly_map.frame_width)
    scores, own = anomaly_map.scores[rows, columns], labels[rows, columns]
    # Other regions are lowered, not cut off: no patch of four cells mixes them with this one.
    alone: ScoreMap = np.where((own == component.label) | (own == 0), scores, scores.min())
    size = (before.stop - before.start, above.stop - above.start)
    mask: Mask = cv2.resize(alone, size, interpolation=cv2.INTER_LINEAR) > threshold
    return Place(mask, before.start, above.start).tight()


def _score(component: _Component, labels: _Integers, scores: ScoreMap, least_cells: float) -> float:
    """Return the highest score that so many cells reach; the lowest of all if it has fewer."""
    x, y, w, h = component.cells_xywh
    cells = slice(y, y + h), slice(x, x + w)
    own = scores[cells][labels[cells] == component.label]
    rank = min(own.size, max(1, math.ceil(least_cells)))
    return float(np.partition(own, -rank)[-rank])


def _aligned(begin: int, end: int, cells: int, pixels: int) -> tuple[slice, slice]:
    """Widen a range of cells until both its ends lie on the border of a pixel.

    Only then does enlarging the crop sample the same places as enlarging the whole map.
    """
    periods = math.gcd(cells, pixels)
    step = cells // periods
    first = max(0, begin) // step
    last = -(-min(end, cells) // step)
    return slice(first * step, last * step), slice(
        first * pixels // periods, last * pixels // periods
    )
