"""Fill in the frames in which a believed thing was not seen, from a later one in which it was.

Or not seen by itself: things far away melt into one region, and what comes nearer separates. Where
each of them was is then known from later frames, and the region is cut. Or seen in part, as things
are at first: then it is shown as it is seen best soon after.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from mmras_stream.protocols import Sighting
from mmras_stream.regions.outlining import outlined
from mmras_stream.regions.place import Place
from mmras_stream.settings import ProposalSettings
from mmras_stream.temporal.sharing import shared_out
from mmras_stream.temporal.tracing import MaskTrace
from mmras_stream.types import AnomalyMap, FrameResult, Proposal

SETTLING_SECONDS = 0.6
"""From the first sight of a thing; the best look at it in this time is what is followed first, as
its first mask is often a part of it."""

LEAST_AREA = 10
"""Pixels of a mask, below which it is lost."""

HIDDEN = 0.5
"""Share of a mask under other things, above which it is lost."""


@dataclass(slots=True, eq=False)
class Waiting:
    """A result that waits, and what is seen in its frame."""

    result: FrameResult
    sightings: Sequence[Sighting]
    follows: bool
    """The frame belongs to the one before it: there is no cut between them."""
    wanted: ProposalSettings
    """Whether masks are brought to the edges of the picture, and how small these may get."""
    retraced: list[Proposal] = field(default_factory=list)
    shown: dict[int, Proposal] = field(default_factory=dict)
    """By number of the sighting: how it is shown, once its thing is believed; only the mask differs
    from what was seen. Outlined first, then as later frames tell better what it was."""
    seconds: float = field(init=False)
    """Presentation time."""

    def __post_init__(self) -> None:
        self.seconds = self.result.frame.seconds

    def believed(self) -> tuple[Proposal, ...]:
        """Return the proposals of things that are believed by now."""
        return (*self.seen().values(), *self.retraced)

    def seen(self) -> dict[int, Proposal]:
        """Return how things that are believed by now are seen here, by number of the sighting."""
        return {
            number: replace(self._shown(number), track_id=s.track_id)
            for number, s in enumerate(self.sightings)
            if s.track_id is not None
        }

    def _shown(self, number: int) -> Proposal:
        if number not in self.shown:
            seen = self.sightings[number].proposal
            self.shown[number] = self._outlined(number, seen) if self.wanted.outline else seen
        return self.shown[number]

    def _outlined(self, number: int, seen: Proposal) -> Proposal:
        """Return what is seen with the mask that the picture shows, without what others cover."""
        cell = self.result.anomaly_map.pixels_per_cell**0.5
        place = outlined(Place.of(seen), self.result.frame, cell=cell)
        others = [
            self.shown.get(i, s.proposal) for i, s in enumerate(self.sightings) if i != number
        ]
        for other in (*others, *self.retraced):
            place = place.without(other)
        tight = place.tight()
        if tight is None or tight.area < (self.wanted.min_area or 0):
            return seen
        return _masked(seen, _proposal(self.result, tight))

    def sight_of(self, track_id: int | None) -> Proposal | None:
        """Return how a thing is seen here, unless it is only retraced."""
        return next((p for p in self.seen().values() if p.track_id == track_id), None)

    def ids(self) -> set[int | None]:
        """Return the things that are shown here by now."""
        return {proposal.track_id for proposal in self.believed()}


class Retracer:
    """Follows believed things back to where they were visible and not yet, or not, strange.

    Args:
        reach_seconds: From a frame to the next sight of a thing, at most.
        min_area: Pixels of a mask at least, if any.
    """

    def __init__(self, *, reach_seconds: float, min_area: int | None = None) -> None:
        self._reach = reach_seconds
        self._least = max(LEAST_AREA, min_area or 0)
        self._tried: set[tuple[int, int]] = set()

    def complete(self, waiting: Sequence[Waiting]) -> None:
        """Retrace what is seen later to the first of the frames that wait, if it gets so far."""
        first = waiting[0]
        self._tried = {(t, index) for t, index in self._tried if index > first.result.frame.index}
        for track_id, number in self._coming(waiting):
            begun = track_id, waiting[number].result.frame.index
            if begun not in self._tried:
                self._tried.add(begun)
                self._retrace(waiting, track_id, number)

    def _coming(self, waiting: Sequence[Waiting]) -> Iterator[tuple[int, int]]:
        """Yield the things that are not in the first frame, each with where it is seen next."""
        known = waiting[0].ids()
        for number, entry in enumerate(waiting):
            if (number and not entry.follows) or entry.seconds - waiting[0].seconds > self._reach:
                return
            for sighting in entry.sightings:
                if sighting.track_id is not None and sighting.track_id not in known:
                    known.add(sighting.track_id)
                    yield sighting.track_id, number

    def _retrace(self, waiting: Sequence[Waiting], track_id: int, number: int) -> None:
        """Follow a thing back from its best look, or else from the first, as far as it gets."""
        looks = _looks(waiting, track_id, number)
        best = max(looks, key=lambda look: look[1].score)
        for begin, start in dict.fromkeys((best, looks[0])):
            others = _Others(waiting, begin, self._least)
            for i, place in _traced(waiting, begin, start, self._least):
                entry = waiting[i]
                if i >= number:
                    self._reshape(entry, place, track_id)
                    continue
                part = self._part(entry, place, others, i)
                proposal = part or self._whole(entry, place, track_id)
                if proposal is None:
                    return
                entry.retraced.append(replace(proposal, track_id=track_id))
            if track_id in waiting[number - 1].ids():
                return

    def _reshape(self, entry: Waiting, place: Place, track_id: int) -> None:
        """Show a thing that is seen before its best look with the mask of that look.

        What a network begins to see it sees in part, and now more of it, now less.
        """
        sights = [(n, seen) for n, seen in entry.seen().items() if seen.track_id == track_id]
        if len(sights) != 1:  # trackers of others may leave it in parts
            return
        ((number, seen),) = sights
        whole = self._whole(entry, place, track_id) if place.meets(seen) else None
        if whole is not None:
            entry.shown[number] = replace(_masked(seen, whole), is_retraced=True)

    def _whole(self, entry: Waiting, place: Place, track_id: int) -> Proposal | None:
        """Make a proposal of a mask without what is another thing's; None if that hides it."""
        shown = place
        for other in entry.believed():
            if other.track_id != track_id:
                shown = shown.without(other)
        tight = shown.tight()
        if tight is None or tight.area < max(self._least, (1 - HIDDEN) * place.area):
            return None
        return replace(_proposal(entry.result, tight), is_retraced=True)

    def _part(self, entry: Waiting, place: Place, others: _Others, i: int) -> Proposal | None:
        """Cut a mask out of a region in which it has melted with another thing, if it has."""
        for number, seen in entry.seen().items():
            if not place.meets(seen):
                continue
            parts = shared_out(Place.of(seen), place, others.place(seen.track_id, i))
            if parts is None or min(part.area for part in parts) < self._least:
                continue
            own, rest = (_proposal(entry.result, part) for part in parts)
            entry.shown[number] = _masked(seen, rest)
            return replace(own, is_retraced=True)
        return None


class _Others:
    """Where the things that are seen in a frame were before it.

    Args:
        waiting: The frames.
        begin: Number of the frame in which they are seen.
        least: Pixels of a mask, below which it is lost.
    """

    def __init__(self, waiting: Sequence[Waiting], begin: int, least: int) -> None:
        self._waiting = waiting
        self._begin = begin
        self._least = least
        self._places: dict[int | None, dict[int, Place]] = {}

    def place(self, track_id: int | None, number: int) -> Place | None:
        """Return where a thing was in a frame before; None if that is not known."""
        if track_id not in self._places:
            start = self._waiting[self._begin].sight_of(track_id)
            traced = _traced(self._waiting, self._begin, start, self._least) if start else ()
            self._places[track_id] = dict(traced)
        return self._places[track_id].get(number)


def _traced(
    waiting: Sequence[Waiting], begin: int, start: Proposal, least: int
) -> Iterator[tuple[int, Place]]:
    """Yield where a mask was in the frames before, until it is lost."""
    trace = MaskTrace(start, waiting[begin].result.frame)
    for i in range(begin - 1, -1, -1):
        place = trace.follow(waiting[i].result.frame)
        if place is None or place.area < least:
            return
        yield i, place


def _masked(proposal: Proposal, other: Proposal) -> Proposal:
    """Return a proposal with the mask of another."""
    return replace(proposal, bbox_xywh=other.bbox_xywh, area=other.area, rle=other.rle)


def _proposal(result: FrameResult, place: Place) -> Proposal:
    """Make a proposal of a mask; there must be no empty margins."""
    amap = result.anomaly_map
    return place.proposal(amap, pts=result.frame.pts, score=_highest(amap, place))


def _looks(waiting: Sequence[Waiting], track_id: int, number: int) -> list[tuple[int, Proposal]]:
    """Return where and how a thing is seen from its first sight on, while it settles."""
    until = waiting[number].seconds + SETTLING_SECONDS
    looks: list[tuple[int, Proposal]] = []
    for i in range(number, len(waiting)):
        if i > number and (not waiting[i].follows or waiting[i].seconds > until):
            break
        sight = waiting[i].sight_of(track_id)
        if sight is not None:
            looks.append((i, sight))
    return looks


def _highest(anomaly_map: AnomalyMap, place: Place) -> float:
    """Return the highest score in the box of a mask."""
    height, width = place.mask.shape
    rows, columns = anomaly_map.scores.shape
    cells = anomaly_map.scores[
        _cells(place.top, height, rows, anomaly_map.frame_height),
        _cells(place.left, width, columns, anomaly_map.frame_width),
    ]
    return float(cells.max())


def _cells(start: int, length: int, cells: int, pixels: int) -> slice:
    """Return the cells that a range of pixels touches."""
    return slice(start * cells // pixels, (start + length - 1) * cells // pixels + 1)
