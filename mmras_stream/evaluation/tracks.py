"""What became of the things of a drive, and the figures that sum it up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from statistics import median

from mmras_stream.evaluation.overlaps import Rules
from mmras_stream.types import Moment

MOSTLY_TRACKED, MOSTLY_LOST = 0.8, 0.2
"""Shares of its frames in which a thing is found: from the one on, up to the other."""


@dataclass(frozen=True, slots=True)
class Sight:
    """A frame in which a thing is visible."""

    moment: Moment
    score: float
    """Highest on the thing."""
    track_id: int | None
    """Of the region that is the thing; None where it is missed."""


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing of the ground truth and what became of it; visible in one frame at least."""

    thing_id: int
    sights: tuple[Sight, ...]

    @property
    def found(self) -> int:
        """Frames in which it is found."""
        return sum(sight.track_id is not None for sight in self.sights)

    @property
    def share_found(self) -> float:
        """Of the frames in which it is visible."""
        return self.found / len(self.sights)

    @property
    def first_found(self) -> Sight | None:
        """When it is found first; None if it is missed."""
        return next((sight for sight in self.sights if sight.track_id is not None), None)

    @property
    def delay_frames(self) -> int | None:
        """Frames of the source from where it is visible first to where it is found first."""
        if self.first_found is None:
            return None
        return self.first_found.moment.index - self.sights[0].moment.index

    @property
    def delay_seconds(self) -> float | None:
        """The same as time."""
        if self.first_found is None:
            return None
        return self.first_found.moment.seconds - self.sights[0].moment.seconds

    @property
    def switches(self) -> int:
        """Times that it is found with another track id than when it was found last.

        However long ago that was: the mismatches of Bernardin and Stiefelhagen 2008.
        """
        ids = [sight.track_id for sight in self.sights if sight.track_id is not None]
        return sum(before != after for before, after in pairwise(ids))

    @property
    def fragments(self) -> int:
        """Times that it is lost and found again while visible.

        Frag of Milan et al. 2016, arXiv 1603.00831. Frames in which it is not visible interrupt
        nothing.
        """
        runs = sum(present for present, _ in groupby(self.sights, _is_found))
        return max(0, runs - 1)

    @property
    def flips(self) -> int:
        """Changes between found and missed from one visible frame to the next.

        Being found for the first time is one, unless it is so at once.
        """
        return sum(_is_found(a) != _is_found(b) for a, b in pairwise(self.sights))


@dataclass(frozen=True, slots=True)
class Track:
    """One predicted track, as far as it counts."""

    track_id: int
    first: Moment
    last: Moment
    frames: int
    peak_score: float
    best_share: float
    """Largest share of it, in any of its frames, that lies on visible things."""


@dataclass(frozen=True, slots=True)
class DriveTracks:
    """Things and tracks of one drive."""

    rules: Rules
    frames: int
    """That were measured."""
    seconds: float
    """That they stand for."""
    things: tuple[Thing, ...]
    tracks: tuple[Track, ...]
    id_true_positives: int
    """Frames in which a thing is found by the track that is paired with it throughout, for the
    pairing for which they are most (Ristani et al. 2016, arXiv 1609.01775)."""

    @property
    def false_tracks(self) -> tuple[Track, ...]:
        """Tracks that in no frame lie on visible things with a share of `Rules.overlap`."""
        return tuple(t for t in self.tracks if t.best_share < self.rules.overlap)


@dataclass(frozen=True, slots=True)
class TrackingMetrics:
    """Of one drive or of several together; None where nothing is there to be measured."""

    things: int
    found_things: int
    recall: float | None
    """Share of the things that are found in one frame at least."""
    delays_frames: tuple[int, ...]
    """Of the things that are found, see `Thing.delay_frames`."""
    delays_ms: tuple[float, ...]
    median_delay_frames: float | None
    median_delay_ms: float | None
    tracks: int
    false_tracks: int
    minutes: float
    false_tracks_per_minute: float | None
    switches: int
    fragments: int
    flips: int
    mostly_tracked: int
    """Things found in 0.8 of their frames or more."""
    mostly_lost: int
    """Things found in 0.2 of their frames or less."""
    mota: float | None
    """1 - (misses + false regions + switches) / visible things, summed over frames; it has no
    lower end (Bernardin and Stiefelhagen 2008, doi 10.1155/2008/246309)."""
    idf1: float | None
    """2 IDTP / (visible things + predicted regions), summed over frames (Ristani et al. 2016)."""
    visible: int
    """Things, summed over frames."""
    misses: int
    false_regions: int


def tracking_metrics(drives: Sequence[DriveTracks]) -> TrackingMetrics:
    """Sum things, tracks and frames up over drives; the things of two drives are different."""
    things = [thing for drive in drives for thing in drive.things]
    tracks = [track for drive in drives for track in drive.tracks]
    false = sum(len(drive.false_tracks) for drive in drives)
    minutes = sum(drive.seconds for drive in drives) / 60
    found = [thing for thing in things if thing.found]
    visible = sum(len(thing.sights) for thing in things)
    hits = sum(thing.found for thing in things)
    regions = sum(track.frames for track in tracks)
    switches = sum(thing.switches for thing in things)
    wrong = (visible - hits) + (regions - hits) + switches
    frames = tuple(t.delay_frames for t in found if t.delay_frames is not None)
    ms = tuple(round(1000 * t.delay_seconds, 3) for t in found if t.delay_seconds is not None)
    same = sum(drive.id_true_positives for drive in drives)
    return TrackingMetrics(
        things=len(things),
        found_things=len(found),
        recall=len(found) / len(things) if things else None,
        delays_frames=frames,
        delays_ms=ms,
        median_delay_frames=median(frames) if frames else None,
        median_delay_ms=median(ms) if ms else None,
        tracks=len(tracks),
        false_tracks=false,
        minutes=minutes,
        false_tracks_per_minute=false / minutes if minutes else None,
        switches=switches,
        fragments=sum(thing.fragments for thing in things),
        flips=sum(thing.flips for thing in things),
        mostly_tracked=sum(thing.share_found >= MOSTLY_TRACKED for thing in things),
        mostly_lost=sum(thing.share_found <= MOSTLY_LOST for thing in things),
        mota=1 - wrong / visible if visible else None,
        idf1=2 * same / (visible + regions) if visible + regions else None,
        visible=visible,
        misses=visible - hits,
        false_regions=regions - hits,
    )


def _is_found(sight: Sight) -> bool:
    return sight.track_id is not None
