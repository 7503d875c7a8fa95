"""One thing that is followed: where it is expected, and why it is believed."""

from __future__ import annotations

from dataclasses import dataclass

from mmras_stream.temporal.footprint import Footprint, Shift
from mmras_stream.temporal.surroundings import Surroundings
from mmras_stream.types import Proposal

OWN_HALF_LIFE = 0.15
"""Seconds after which half of what was known of a thing's own speed is replaced."""


@dataclass(slots=True, eq=False)
class Thing:
    """Something that was seen, and is expected somewhere."""

    footprint: Footprint
    """As last seen, moved to where it is expected now."""
    last_seconds: float
    """When it was last seen."""
    whole_seconds: float
    """When it was last seen in one piece."""
    met: Footprint
    """As it was last seen by itself, where it was then."""
    met_seconds: float
    drift: Shift = (0.0, 0.0)
    """Pixels by which its surroundings moved since then."""
    own_speed: Shift | None = None
    """Pixels per second against its surroundings; None after its first sight."""
    strong_seconds: float = 0.0
    """Time of the frames in which it was above the threshold."""
    peak: float = float("-inf")
    on_road_sum: float = 0.0
    on_road_frames: int = 0
    track_id: int | None = None
    """Given when it is believed."""

    @classmethod
    def at(cls, footprint: Footprint, now: float) -> Thing:
        """Begin with what is seen for the first time."""
        return cls(footprint, now, now, footprint, now)

    @property
    def on_road(self) -> float | None:
        """Mean share of road at its foot; None where that is unknown."""
        return self.on_road_sum / self.on_road_frames if self.on_road_frames else None

    def expect(self, surroundings: Surroundings, elapsed: float) -> None:
        """Move on with the surroundings, and on its own as it did before.

        What was seen once only moves as the picture inside it does.
        """
        around = surroundings.around(self.footprint)
        self.drift = self.drift[0] + around[0], self.drift[1] + around[1]
        if self.own_speed is None:
            shift = surroundings.inside(self.footprint)
        else:
            own = self.own_speed
            shift = around[0] + own[0] * elapsed, around[1] + own[1] * elapsed
        self.footprint = self.footprint.moved(shift)

    def meet(self, footprint: Footprint, now: float) -> None:
        """Take over where it is seen, and learn its own speed."""
        elapsed = now - self.met_seconds
        if elapsed > 0:
            self._learn_speed(footprint, elapsed)
        self.footprint = self.met = footprint
        self.drift = 0.0, 0.0
        self.met_seconds = now

    def count(self, proposal: Proposal, seconds: float, *, threshold: float) -> None:
        """Take note of how a frame, which stands for some time, shows it."""
        if proposal.score > threshold:
            self.strong_seconds += seconds
        self.peak = max(self.peak, proposal.score)
        if proposal.on_road is not None:
            self.on_road_sum += proposal.on_road
            self.on_road_frames += 1

    def _learn_speed(self, footprint: Footprint, elapsed: float) -> None:
        (x, y), (before_x, before_y) = footprint.centre, self.met.centre
        speed = (
            (x - before_x - self.drift[0]) / elapsed,
            (y - before_y - self.drift[1]) / elapsed,
        )
        if self.own_speed is None:
            self.own_speed = speed
            return
        new = 1 - 0.5 ** (elapsed / OWN_HALF_LIFE)
        old = self.own_speed
        self.own_speed = old[0] + new * (speed[0] - old[0]), old[1] + new * (speed[1] - old[1])
