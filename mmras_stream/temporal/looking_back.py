"""Hold results back until it is known which of their proposals are believed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mmras_stream.protocols import Sighting
from mmras_stream.types import FrameResult

MOST_BYTES = 256 << 20
"""Of pictures and features that wait at most, however long they should."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    result: FrameResult
    sightings: Sequence[Sighting]
    size: int


class LookBack:
    """Gives results on in order, each `seconds` late, with the proposals believed by then.

    A thing is therefore proposed on the frames before it was believed too. The wait is shorter
    where the pictures would take more than `MOST_BYTES`, and where time goes backwards.
    """

    def __init__(self, *, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: deque[_Waiting] = deque()
        self._bytes = 0

    def add(self, result: FrameResult, sightings: Sequence[Sighting]) -> Iterator[FrameResult]:
        """Take a result, without proposals yet, and yield those that have waited long enough."""
        now = result.frame.seconds
        if self._waiting and now < self._waiting[-1].result.frame.seconds:
            yield from self.rest()
        size = sum(plane.nbytes for plane in result.frame.planes)
        size += 0 if result.features is None else result.features.nbytes
        self._waiting.append(_Waiting(result, sightings, size))
        self._bytes += size
        while self._waiting and self._is_ripe(now):
            yield self._next()

    def rest(self) -> Iterator[FrameResult]:
        """Yield what still waits."""
        while self._waiting:
            yield self._next()

    def _is_ripe(self, now: float) -> bool:
        first = self._waiting[0].result.frame.seconds
        return now - first >= self._seconds or self._bytes > MOST_BYTES

    def _next(self) -> FrameResult:
        waiting = self._waiting.popleft()
        self._bytes -= waiting.size
        believed = tuple(
            replace(sighting.proposal, track_id=sighting.track_id)
            for sighting in waiting.sightings
            if sighting.track_id is not None
        )
        return replace(waiting.result, proposals=believed)
