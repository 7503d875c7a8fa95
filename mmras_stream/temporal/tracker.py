"""Give one physical thing one id, by overlap from frame to frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mmras_stream.settings import TemporalSettings
from mmras_stream.types import Frame, Proposal

Box = tuple[int, int, int, int]

ROUNDING = 1e-6
"""Seconds by which sums of frame times may fall short."""


@dataclass(slots=True)
class _Thing:
    box: Box
    last_seconds: float
    seen_seconds: float = 0.0
    """Time of the frames in which it was seen."""
    track_id: int | None = None
    """Given when the thing has been seen for long enough to be believed."""


class OverlapTracker:
    """Match each region to the thing whose last box it overlaps most.

    A thing is believed once it has been seen for `min_duration_seconds` in all; until then its
    regions are withheld. It is forgotten `max_gap_seconds` after it was last seen. A frame stands
    for the time since the frame before, so where frames are further apart than these settings
    one sight is enough, and one frame without a thing does not end it. Boxes are compared after
    growing each by half its size, so that small things in a shaking picture still meet themselves.

    Args:
        settings: Times as above.
        frame_seconds: Time that the first frame stands for.
    """

    def __init__(self, settings: TemporalSettings, *, frame_seconds: float = 0.0) -> None:
        self._min_duration = settings.min_duration_seconds
        self._max_gap = settings.max_gap_seconds
        self._interval = frame_seconds
        self._now: float | None = None
        self._things: list[_Thing] = []
        self._next_id = 1

    def update(self, frame: Frame, proposals: Sequence[Proposal]) -> tuple[Proposal, ...]:
        """Return the proposals of believed things, each with its `track_id`, in their order."""
        self._advance(frame.seconds)
        matches = self._match(proposals)
        believed = []
        for number, proposal in enumerate(proposals):
            thing = matches.get(number)
            if thing is None:
                thing = _Thing(proposal.bbox_xywh, frame.seconds)
                self._things.append(thing)
            thing.box, thing.last_seconds = proposal.bbox_xywh, frame.seconds
            thing.seen_seconds += self._interval
            if thing.track_id is None and thing.seen_seconds >= self._min_duration - ROUNDING:
                thing.track_id, self._next_id = self._next_id, self._next_id + 1
            if thing.track_id is not None:
                believed.append(replace(proposal, track_id=thing.track_id))
        return tuple(believed)

    def _advance(self, now: float) -> None:
        if self._now is not None:
            self._interval = max(0.0, now - self._now)
        self._now = now
        longest = max(self._max_gap, 1.5 * self._interval)
        self._things = [t for t in self._things if now - t.last_seconds <= longest]

    def _match(self, proposals: Sequence[Proposal]) -> dict[int, _Thing]:
        pairs = [
            (overlap, -number, -place)
            for number, proposal in enumerate(proposals)
            for place, thing in enumerate(self._things)
            if (overlap := _overlap(_grown(proposal.bbox_xywh), _grown(thing.box))) > 0
        ]
        matches: dict[int, _Thing] = {}
        taken: set[int] = set()
        for _, negative_number, negative_place in sorted(pairs, reverse=True):
            number, place = -negative_number, -negative_place
            if number not in matches and place not in taken:
                matches[number] = self._things[place]
                taken.add(place)
        return matches


def _grown(box: Box) -> Box:
    x, y, w, h = box
    return x - w // 4 - 1, y - h // 4 - 1, w + 2 * (w // 4 + 1), h + 2 * (h // 4 + 1)


def _overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)
