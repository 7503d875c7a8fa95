"""Tracks, summed up from the proposals that show one thing."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from mmras_stream.types import Moment, Proposal


@dataclass(frozen=True, slots=True)
class Track:
    """One physical thing, from when it was first seen to when it was last seen."""

    track_id: int
    first_frame_index: int
    last_frame_index: int
    first_seconds: float
    last_seconds: float
    frames: int
    """In which it was seen."""
    peak_score: float
    growth_per_second: float | None
    """Of the logarithm of its side in the picture; above 0 it comes nearer, and the inverse is
    the time to contact in seconds. None where it was seen for one instant."""
    on_road: float | None
    """Mean of `Proposal.on_road`."""
    stability: float | None
    """Mean of `Proposal.overlap`, 0..1."""


@dataclass(slots=True)
class _Mean:
    total: float = 0.0
    count: int = 0

    def add(self, value: float | None) -> None:
        if value is not None:
            self.total += value
            self.count += 1

    @property
    def value(self) -> float | None:
        return self.total / self.count if self.count else None


@dataclass(slots=True)
class _Slope:
    """Slope of a straight line through points, by least squares, updated point by point."""

    count: int = 0
    mean_x: float = 0.0
    mean_y: float = 0.0
    spread: float = 0.0
    product: float = 0.0

    def add(self, x: float, y: float) -> None:
        self.count += 1
        from_mean = x - self.mean_x
        self.mean_x += from_mean / self.count
        self.mean_y += (y - self.mean_y) / self.count
        self.spread += from_mean * (x - self.mean_x)
        self.product += from_mean * (y - self.mean_y)

    @property
    def value(self) -> float | None:
        return self.product / self.spread if self.spread > 0 else None


@dataclass(slots=True)
class _Thing:
    first: Moment
    last: Moment
    frames: int = 0
    peak: float = -math.inf
    on_road: _Mean = field(default_factory=_Mean)
    overlap: _Mean = field(default_factory=_Mean)
    growth: _Slope = field(default_factory=_Slope)

    def add(self, moment: Moment, proposal: Proposal) -> None:
        self.last = moment
        self.frames += 1
        self.peak = max(self.peak, proposal.score)
        self.on_road.add(proposal.on_road)
        self.overlap.add(proposal.overlap)
        self.growth.add(moment.seconds - self.first.seconds, 0.5 * math.log(proposal.area))

    def summed_up(self, track_id: int) -> Track:
        return Track(
            track_id=track_id,
            first_frame_index=self.first.index,
            last_frame_index=self.last.index,
            first_seconds=self.first.seconds,
            last_seconds=self.last.seconds,
            frames=self.frames,
            peak_score=self.peak,
            growth_per_second=self.growth.value,
            on_road=self.on_road.value,
            stability=self.overlap.value,
        )


class TrackLog:
    """Remembers of each thing what `Track` says; memory grows with their number only.

    The side of a thing is the root of its area. For a thing that is approached at constant speed
    the growth of the logarithm of its side is the inverse of the time to contact (Lee 1976, "A
    theory of visual control of braking based on information about time-to-collision").
    """

    def __init__(self) -> None:
        self._things: dict[int, _Thing] = {}

    def add(self, moment: Moment, proposal: Proposal) -> None:
        """Count one frame of one thing; the proposal must carry a `track_id`."""
        assert proposal.track_id is not None
        thing = self._things.setdefault(proposal.track_id, _Thing(moment, moment))
        thing.add(moment, proposal)

    def __len__(self) -> int:
        return len(self._things)

    def tracks(self) -> tuple[Track, ...]:
        """Return what is known so far, by `track_id`."""
        return tuple(thing.summed_up(number) for number, thing in sorted(self._things.items()))
