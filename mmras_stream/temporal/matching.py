"""Decide which region shows which thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmras_stream.temporal.footprint import Footprint
from mmras_stream.temporal.thing import Thing

LEAST_OVERLAP = 0.1
"""Intersection over union from which masks tell that a region shows a thing."""

REACH = 1.5
"""Without that: distance of the centres, in mean sizes of both, within which it may."""

LEAST_REACH = 0.02
"""Of the picture's width, so that small things in a shaking picture still meet themselves."""

SIMILAR = 2.0
"""Times that one is larger than the other at most, if only their distance tells."""

STEADINESS = 0.2
"""On top of the overlap of a thing that was seen in the latest frame with any: where two melt into
one region, the one that had it keeps it, and they do not take turns."""

PART = 0.5
"""Share of a region or thing that lies in another to be a part of it, or hidden in it."""

PARTING = 3.0
"""Sizes of the smaller of two parts that lie between them at most: what drifts further apart is
two things that had melted. With 1 things change their ids more often."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A region that shows a thing, by their numbers."""

    region: int
    thing: int
    overlap: float
    """With where the thing was expected, 0..1."""


def matched(
    regions: Sequence[Footprint],
    things: Sequence[Thing],
    *,
    now: float,
    width: int,
    max_gap: float,
) -> list[Pair]:
    """Pair regions with things, each once, those first that agree best.

    Overlap of the masks counts before distance of the centres. What has been out of sight may
    have gone further: after `max_gap` it may be twice as far.
    """
    candidates: list[tuple[float, int, int, float]] = []
    latest = max((thing.last_seconds for thing in things), default=now)
    for i, region in enumerate(regions):
        for j, thing in enumerate(things):
            overlap = thing.footprint.overlap(region)
            value = 1 + overlap + STEADINESS * (thing.last_seconds == latest)
            if overlap < LEAST_OVERLAP:
                missing = (now - thing.last_seconds) / max_gap if max_gap else 0.0
                value = _within(region, thing.footprint, width, slack=1 + missing)
            if value > 0:
                candidates.append((-value, i, j, overlap))
    pairs: list[Pair] = []
    taken: tuple[set[int], set[int]] = (set(), set())
    for _, i, j, overlap in sorted(candidates):
        if i not in taken[0] and j not in taken[1]:
            pairs.append(Pair(i, j, overlap))
            taken[0].add(i)
            taken[1].add(j)
    return pairs


def lies_in(inner: Footprint, outer: Footprint) -> bool:
    """Tell whether most of a place is part of another."""
    return inner.shared(outer) > PART * inner.count()


def are_near(one: Footprint, other: Footprint) -> bool:
    """Tell whether two regions may be parts of one thing."""
    return one.gap(other) <= PARTING * min(one.size, other.size)


def _within(region: Footprint, expected: Footprint, width: int, *, slack: float) -> float:
    """Return 1 for a region whose centre is where it is expected, down to 0 out of reach."""
    small, large = sorted((region.size, expected.size))
    if large > SIMILAR * small:
        return 0.0
    reach = max(REACH * (small + large) / 2, LEAST_REACH * width) * slack
    return max(0.0, 1 - region.distance(expected) / reach)
