"""Carry frames from a decoder to their results: one generator, read from top to bottom."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mmras_stream.model import Model
from mmras_stream.motion import Motion
from mmras_stream.prefetching import prefetch
from mmras_stream.protocols import Decoder, Namer, Smoother, Tracker
from mmras_stream.settings import ProposalSettings, TemporalSettings
from mmras_stream.tracks import TrackLog
from mmras_stream.types import AnomalyMap, Frame, FrameBatch, FrameResult, Mask, Proposal, VideoInfo

if TYPE_CHECKING:
    from torch import Tensor

    from mmras_stream.temporal.looking_back import LookBack
    from mmras_stream.temporal.watching import MotionWatch


@dataclass(slots=True)
class Tally:
    """What a run has done so far."""

    info: VideoInfo
    frames: int = 0
    proposals: int = 0
    """Without those that were suppressed."""
    suppressed: int = 0
    first_seconds: float = 0.0
    last_seconds: float = 0.0
    tracks: TrackLog = field(default_factory=TrackLog)
    stage_seconds: dict[str, float] = field(default_factory=dict)

    def add(self, result: FrameResult) -> None:
        """Count one frame."""
        if self.frames == 0:
            self.first_seconds = result.frame.seconds
        self.last_seconds = result.frame.seconds
        self.frames += 1
        self.proposals += len(result.finds)
        self.suppressed += len(result.proposals) - len(result.finds)
        for proposal in result.finds:
            self.tracks.add(result.frame.moment, proposal)

    @property
    def media_seconds(self) -> float:
        """Time of the drive from the first frame looked at to the last."""
        return self.last_seconds - self.first_seconds

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the wall time spent inside to a stage."""
        began = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - began
            self.stage_seconds[stage] = self.stage_seconds.get(stage, 0.0) + spent


@dataclass(frozen=True, slots=True, eq=False)
class SteadyFrame:
    """A frame with its scores, before anything is proposed."""

    frame: Frame
    raw_map: AnomalyMap
    anomaly_map: AnomalyMap
    """`raw_map` after smoothing."""
    motion: Motion
    """Since the frame before."""
    road: Mask | None
    """Where the network sees the road, on a grid of its own; None if it does not know it."""
    features: Tensor
    """(C, h, w): `SegmentationOutput.features` of the frame."""


def steadied(
    decoder: Decoder,
    model: Model,
    smoother: Smoother,
    *,
    watch: MotionWatch | None = None,
    decode_ahead: int = 4,
    tally: Tally | None = None,
) -> Generator[SteadyFrame, None, None]:
    """Yield each frame with its steady scores, in presentation order.

    Decoding and the search for motion run ahead in a thread of their own, by at most
    `decode_ahead` batches; everything else happens in the caller's thread, where a network on a
    GPU is given the next batch before the frames of the last one are yielded.

    Args:
        decoder: Read to its end, and not closed.
        model: What gives the scores.
        smoother: Of this drive.
        watch: Gives the motion of the picture; None: motion is unknown, only cuts are seen.
        decode_ahead: Batches.
        tally: Where the time of each stage is added up.
    """
    from mmras_stream.temporal.watching import MotionWatch

    tally = tally or Tally(decoder.info)
    watched = _watched(decoder, watch or MotionWatch())
    with closing(prefetch(watched, depth=decode_ahead)) as batches:
        for raw in _scored(batches, model, tally):
            with tally.timed("smooth"):
                anomaly_map = smoother.update(raw.frame, raw.raw_map, raw.motion)
            yield replace(raw, anomaly_map=anomaly_map)


def _scored(
    batches: Iterator[tuple[FrameBatch, list[Motion]]], model: Model, tally: Tally
) -> Iterator[SteadyFrame]:
    """Yield the frames of a batch, not smoothed yet, once the network has begun with the next one.

    A GPU works on that while these are smoothed, tracked and written. What was known before a
    failure or Ctrl-C is yielded, then it is raised.
    """
    ready: deque[SteadyFrame] = deque()
    try:
        while True:
            with tally.timed("decode"):
                item = next(batches, None)
            if item is None:
                break
            batch, motions = item
            with tally.timed("network"):
                outputs = model.predict(batch)
            yield from _emptied(ready)
            with tally.timed("score"):
                raw_maps = model.score_maps(batch, outputs)
                roads = model.road_masks(batch, outputs)
            parts = (batch, raw_maps, raw_maps, motions, roads, outputs[0].features)
            ready.extend([SteadyFrame(*of_frame) for of_frame in zip(*parts, strict=True)])
    except (Exception, KeyboardInterrupt):  # raised again, after what was known before it
        yield from _emptied(ready)
        raise
    yield from _emptied(ready)


def _emptied(ready: deque[SteadyFrame]) -> Iterator[SteadyFrame]:
    while ready:
        yield ready.popleft()


def propose(
    steady: SteadyFrame, *, threshold: float, wanted: ProposalSettings
) -> tuple[Proposal, ...]:
    """Return the regions above a threshold, those too faint to begin a track among them."""
    from mmras_stream.regions.components import find_regions
    from mmras_stream.regions.ground import placed
    from mmras_stream.regions.trails import without_trails

    faint = wanted.faint_threshold(threshold)
    regions = find_regions(
        without_trails(
            steady.anomaly_map, steady.raw_map, threshold=threshold, faint_threshold=faint
        ),
        pts=steady.frame.pts,
        threshold=threshold,
        faint_threshold=faint,
        min_area=wanted.min_area,
    )
    return regions if steady.road is None else placed(regions, steady.road)


def stream(
    decoder: Decoder,
    model: Model,
    smoother: Smoother,
    tracker: Tracker,
    *,
    watch: MotionWatch | None = None,
    namer: Namer | None = None,
    wanted: ProposalSettings | None = None,
    look_back: LookBack | None = None,
    decode_ahead: int = 4,
    tally: Tally | None = None,
) -> Generator[FrameResult, None, None]:
    """Yield one result per frame, in presentation order.

    After a failure or Ctrl-C what was known before it is yielded, then it is raised.

    Args:
        decoder: As for `steadied`, like all that is not named here.
        model: Its threshold tells what is strange.
        smoother: Of this drive.
        tracker: Of this drive.
        watch: Of this drive.
        namer: Of this drive; None gives no names.
        wanted: Which regions are looked for; None takes the defaults.
        look_back: Of this drive; None gives each result at once.
        decode_ahead: Batches.
        tally: Where the time of each stage is added up.
    """
    from mmras_stream.temporal.looking_back import LookBack

    tally, wanted = tally or Tally(decoder.info), wanted or ProposalSettings()
    look_back = look_back or LookBack(TemporalSettings(look_back_seconds=0), wanted)
    steady_frames = steadied(
        decoder, model, smoother, watch=watch, decode_ahead=decode_ahead, tally=tally
    )
    with closing(steady_frames) as frames:
        try:
            for steady in frames:
                with tally.timed("propose"):
                    regions = propose(steady, threshold=model.threshold, wanted=wanted)
                with tally.timed("track"):
                    sightings = tracker.update(steady.frame, regions, steady.motion)
                result = FrameResult(
                    steady.frame,
                    steady.raw_map,
                    steady.anomaly_map,
                    (),
                    model.threshold,
                    features=None if namer is None else steady.features,
                )
                with tally.timed("track"):
                    settled = [*look_back.add(result, sightings, steady.motion)]
                yield from _timed(named(settled, namer), tally, "name")
        except (Exception, KeyboardInterrupt):  # raised again, after what was known before it
            yield from _timed(named(look_back.rest(), namer), tally, "name")
            raise
        yield from _timed(named(look_back.rest(), namer), tally, "name")


def _watched(
    batches: Iterable[FrameBatch], watch: MotionWatch
) -> Iterator[tuple[FrameBatch, list[Motion]]]:
    for batch in batches:
        yield batch, [watch.update(frame) for frame in batch]


def named(results: Iterable[FrameResult], namer: Namer | None) -> Iterator[FrameResult]:
    """Yield results with words for what they propose, where there is a namer."""
    for result in results:
        if namer is None or result.features is None:
            yield result
            continue
        described = namer.describe(result.frame, result.proposals, result.features)
        yield replace(result, proposals=described)


def _timed(
    results: Iterator[FrameResult], tally: Tally, stage: str
) -> Generator[FrameResult, None, None]:
    while True:
        with tally.timed(stage):
            result = next(results, None)
        if result is None:
            return
        yield result
