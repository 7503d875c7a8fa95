"""Give one physical thing one id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mmras_stream.motion import Motion
from mmras_stream.regions.rle import union
from mmras_stream.settings import ProposalSettings, TemporalSettings
from mmras_stream.temporal.footprint import Footprint
from mmras_stream.temporal.matching import Pair, are_near, lies_in, matched
from mmras_stream.temporal.surroundings import Surroundings
from mmras_stream.temporal.thing import Thing
from mmras_stream.types import Frame, Proposal

ROUNDING = 1e-6
"""Seconds by which sums of frame times may fall short."""


@dataclass(frozen=True, slots=True)
class SeenThing:
    """Fulfils `protocols.Sighting`: a proposal whose thing may be believed later."""

    proposal: Proposal
    thing: Thing

    @property
    def track_id(self) -> int | None:
        """Of the thing, once it is believed."""
        return self.thing.track_id


@dataclass(slots=True, eq=False)
class _Region:
    """A proposal on its way to a thing."""

    proposal: Proposal
    footprint: Footprint
    is_whole: bool = True


class MotionTracker:
    """Follow regions by overlap and nearness where motion says that they should be.

    Regions down to the faint threshold are followed, and a thing is believed when it was above
    the threshold for `min_duration_seconds` in all, reached `min_peak` and stands on the road, as
    far as that is asked for. It is forgotten `max_gap_seconds` after it was last seen, or at a
    cut. A frame stands for the time since the frame before, so where frames are further apart
    than these settings one sight is enough, and one frame without a thing does not end it.

    A thing that falls into parts stays one for `max_gap_seconds` while they are near each other;
    things that melt into one region keep their own places for as long, to be told apart when they
    separate.

    Args:
        temporal: Times as above.
        proposals: What a thing must be besides.
        threshold: Score above which a thing is strange.
        frame_seconds: Time that a frame stands for where none before it belongs to it.
    """

    def __init__(
        self,
        temporal: TemporalSettings,
        proposals: ProposalSettings,
        *,
        threshold: float,
        frame_seconds: float = 0.0,
    ) -> None:
        self._min_duration = temporal.min_duration_seconds
        self._max_gap = temporal.max_gap_seconds
        self._wanted = proposals
        self._threshold = threshold
        self._frame_seconds = frame_seconds
        self._interval = frame_seconds
        self._now = 0.0
        self._things: list[Thing] = []
        self._next_id = 1

    def update(
        self, frame: Frame, proposals: Sequence[Proposal], motion: Motion
    ) -> tuple[SeenThing, ...]:
        """Return the proposals with their things, in their order; parts of one thing are joined."""
        self._advance(frame, motion)
        regions = [_Region(p, Footprint.of(p)) for p in proposals]
        pairs = self._match([region.footprint for region in regions], frame.width)
        shown = {pair.region: pair for pair in pairs}
        alone = [i for i in range(len(regions)) if i not in shown]
        parts = {i: host for i in alone if (host := self._host(i, regions, pairs)) is not None}
        for i, host in parts.items():
            regions[host] = _joined(regions[host], regions[i])
        hidden = self._hidden(regions, pairs)
        sightings = []
        for i, region in enumerate(regions):
            if i not in parts:
                pair = shown.get(i)
                thing = self._begin(region) if pair is None else self._things[pair.thing]
                if pair is not None and pair.region not in hidden:
                    self._meet(thing, region)
                sightings.append(self._sighting(region, thing, pair))
        return tuple(sightings)

    def _advance(self, frame: Frame, motion: Motion) -> None:
        """Forget what is gone, and move what is left to where it is expected."""
        now = frame.seconds
        if motion.cut is not None:
            self._things = []
            self._interval = self._frame_seconds
        else:
            self._interval = max(0.0, now - self._now)
        self._now = now
        longest = max(self._max_gap, 2.5 * self._interval) + ROUNDING
        self._things = [t for t in self._things if now - t.last_seconds <= longest]
        surroundings = Surroundings(motion, (frame.height, frame.width))
        for thing in self._things:
            thing.expect(surroundings, self._interval)

    def _match(self, footprints: Sequence[Footprint], width: int) -> list[Pair]:
        return matched(footprints, self._things, now=self._now, width=width, max_gap=self._max_gap)

    def _host(self, part: int, regions: Sequence[_Region], pairs: Sequence[Pair]) -> int | None:
        """Return the number of the region that shows the thing which this one is a part of."""
        own = regions[part].footprint
        for pair in pairs:
            thing = self._things[pair.thing]
            is_recent = self._now - thing.whole_seconds <= self._max_gap
            if (
                is_recent
                and lies_in(own, thing.footprint)
                and are_near(own, regions[pair.region].footprint)
            ):
                return pair.region
        return None

    def _hidden(self, regions: Sequence[_Region], pairs: Sequence[Pair]) -> set[int]:
        """Return the regions in which a second thing, unseen but strange before, is hidden."""
        met = {pair.thing for pair in pairs}
        missed = [
            thing
            for j, thing in enumerate(self._things)
            if j not in met and thing.peak > self._threshold
        ]
        return {
            pair.region
            for pair in pairs
            if any(lies_in(thing.footprint, regions[pair.region].footprint) for thing in missed)
        }

    def _begin(self, region: _Region) -> Thing:
        thing = Thing.at(region.footprint, self._now)
        self._things.append(thing)
        return thing

    def _meet(self, thing: Thing, region: _Region) -> None:
        thing.meet(region.footprint, self._now)
        if region.is_whole:
            thing.whole_seconds = self._now

    def _sighting(self, region: _Region, thing: Thing, pair: Pair | None) -> SeenThing:
        thing.last_seconds = self._now
        thing.count(region.proposal, self._interval, threshold=self._threshold)
        if thing.track_id is None and self._is_believed(thing):
            thing.track_id, self._next_id = self._next_id, self._next_id + 1
        overlap = None if pair is None else pair.overlap
        return SeenThing(replace(region.proposal, overlap=overlap), thing)

    def _is_believed(self, thing: Thing) -> bool:
        wanted = self._wanted
        return (
            thing.peak > self._threshold
            and thing.strong_seconds >= self._min_duration - ROUNDING
            and (wanted.min_peak is None or thing.peak >= wanted.min_peak)
            and (wanted.on_road is None or (thing.on_road or 0.0) >= wanted.on_road)
        )


def _joined(region: _Region, part: _Region) -> _Region:
    """Return a region that holds a part too; the two share no pixel."""
    one, other = region.proposal, part.proposal
    left, top = (min(one.bbox_xywh[i], other.bbox_xywh[i]) for i in (0, 1))
    right, bottom = (max(p.bbox_xywh[i] + p.bbox_xywh[i + 2] for p in (one, other)) for i in (0, 1))
    proposal = replace(
        one,
        bbox_xywh=(left, top, right - left, bottom - top),
        area=one.area + other.area,
        rle=union([one.rle, other.rle]),
        score=max(one.score, other.score),
    )
    return _Region(proposal, Footprint.of(proposal), is_whole=False)
