"""Hold results back until it is known which of their proposals are believed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

from mmras_stream.motion import Motion
from mmras_stream.protocols import Sighting
from mmras_stream.settings import ProposalSettings, TemporalSettings
from mmras_stream.temporal.retracing import SETTLING_SECONDS, Retracer, Waiting
from mmras_stream.types import FrameResult

MOST_BYTES = 256 << 20
"""Of pictures and features that wait at most, however long they should."""


class LookBack:
    """Gives results on in order, each some time late, with the proposals believed by then.

    A thing is therefore proposed on the frames before it was believed too, and on those before it
    was noticed, as far as it can be retraced. The wait is shorter where the pictures would take
    more than `MOST_BYTES`, and where time goes backwards.

    Args:
        temporal: How long results wait, and whether things are retraced.
        proposals: Whether masks are fitted to the edges of the picture, and their least area.
    """

    def __init__(self, temporal: TemporalSettings, proposals: ProposalSettings) -> None:
        self._seconds = temporal.look_back_seconds
        self._wanted = proposals
        self._retracer: Retracer | None = None
        if temporal.retrace and self._seconds > SETTLING_SECONDS:
            reach = self._seconds - SETTLING_SECONDS
            self._retracer = Retracer(reach_seconds=reach, min_area=proposals.min_area)
        self._waiting: deque[Waiting] = deque()
        self._bytes = 0

    def add(
        self, result: FrameResult, sightings: Sequence[Sighting], motion: Motion
    ) -> Iterator[FrameResult]:
        """Take a result, without proposals yet, and yield those that have waited long enough."""
        now = result.frame.seconds
        if self._waiting and now < self._waiting[-1].seconds:
            yield from self.rest()
        self._waiting.append(
            Waiting(result, sightings, follows=motion.cut is None, wanted=self._wanted)
        )
        self._bytes += _size(result)
        while self._waiting and self._is_ripe(now):
            yield self._next()

    def rest(self) -> Iterator[FrameResult]:
        """Yield what still waits."""
        while self._waiting:
            yield self._next()

    def _is_ripe(self, now: float) -> bool:
        return now - self._waiting[0].seconds >= self._seconds or self._bytes > MOST_BYTES

    def _next(self) -> FrameResult:
        if self._retracer is not None:
            self._retracer.complete(tuple(self._waiting))
        waiting = self._waiting.popleft()
        self._bytes -= _size(waiting.result)
        return replace(waiting.result, proposals=waiting.believed())


def _size(result: FrameResult) -> int:
    size = sum(plane.nbytes for plane in result.frame.planes)
    return size + (0 if result.features is None else result.features.nbytes)
