"""Pair the things of a drive with predicted tracks, frame by frame, as CLEAR MOT does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mmras_stream.evaluation.assignment import best_pairs
from mmras_stream.evaluation.overlaps import Overlaps, Rules
from mmras_stream.evaluation.tracks import DriveTracks, Sight, Thing, Track
from mmras_stream.types import Moment


@dataclass(slots=True)
class _Trace:
    first: Moment
    last: Moment
    frames: int = 0
    peak_score: float = float("-inf")
    best_share: float = 0.0


@dataclass(slots=True)
class TrackTally:
    """Pairs the things of each frame with tracks, and remembers; one instance serves one drive.

    As in CLEAR MOT (Bernardin and Stiefelhagen 2008, doi 10.1155/2008/246309), a thing and a track
    that were last paired with each other stay so where they overlap enough; the rest is paired so
    that overlaps add up to the most.
    """

    rules: Rules
    _moments: list[Moment] = field(default_factory=list)  # the first and the last
    _frames: int = 0
    _sights: dict[int, list[Sight]] = field(default_factory=dict)
    _traces: dict[int, _Trace] = field(default_factory=dict)
    _track_of: dict[int, int] = field(default_factory=dict)
    _thing_of: dict[int, int] = field(default_factory=dict)
    _together: dict[tuple[int, int], int] = field(default_factory=dict)

    def add(
        self,
        moment: Moment,
        overlaps: Overlaps,
        *,
        thing_scores: Mapping[int, float],
        track_scores: Mapping[int, float],
    ) -> dict[int, int]:
        """Add one frame and return the track of each thing that is found in it.

        Args:
            moment: After that of the frame before.
            overlaps: From `overlaps_of`.
            thing_scores: Highest on each thing.
            track_scores: Highest in each track's regions.
        """
        self._frames += 1
        self._moments = [*self._moments[:1], moment]
        pairs = self._paired(overlaps)
        self._track_of |= pairs
        self._thing_of |= {track: thing for thing, track in pairs.items()}
        for thing in overlaps.things:
            sight = Sight(moment, thing_scores[thing], pairs.get(thing))
            self._sights.setdefault(thing, []).append(sight)
        for track, share in zip(overlaps.tracks, overlaps.on_strange.tolist(), strict=True):
            trace = self._traces.setdefault(track, _Trace(moment, moment))
            trace.last, trace.frames = moment, trace.frames + 1
            trace.peak_score = max(trace.peak_score, track_scores[track])
            trace.best_share = max(trace.best_share, share)
        for i, j in np.argwhere(overlaps.iou >= self.rules.overlap).tolist():
            both = overlaps.things[i], overlaps.tracks[j]
            self._together[both] = self._together.get(both, 0) + 1
        return pairs

    def result(self) -> DriveTracks:
        """Return what became of every thing and every track."""
        things = sorted(self._sights)
        tracks = sorted(self._traces)
        together = np.zeros((len(things), len(tracks)))
        for (thing, track), frames in self._together.items():
            together[things.index(thing), tracks.index(track)] = frames
        return DriveTracks(
            self.rules,
            frames=self._frames,
            seconds=self._seconds(),
            things=tuple(Thing(thing, tuple(self._sights[thing])) for thing in things),
            tracks=tuple(
                Track(track, t.first, t.last, t.frames, t.peak_score, t.best_share)
                for track, t in sorted(self._traces.items())
            ),
            id_true_positives=int(sum(together[pair] for pair in best_pairs(together))),
        )

    def _seconds(self) -> float:
        if self._frames < 2:
            return 0.0
        first, last = self._moments
        return (last.seconds - first.seconds) * self._frames / (self._frames - 1)

    def _paired(self, overlaps: Overlaps) -> dict[int, int]:
        things, tracks = overlaps.things, overlaps.tracks
        enough = np.where(overlaps.iou >= self.rules.overlap, overlaps.iou, 0.0)
        kept: dict[int, int] = {}
        for i, thing in enumerate(things):
            for j, track in enumerate(tracks):
                last_paired = (self._track_of.get(thing), self._thing_of.get(track))
                if last_paired == (track, thing) and enough[i, j] > 0:
                    kept[thing] = track
                    enough[i], enough[:, j] = 0, 0
        return kept | {things[i]: tracks[j] for i, j in best_pairs(enough)}
