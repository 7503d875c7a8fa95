"""Frames go from a decoder to their results, whatever fails on the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction

import pytest
from torch import Tensor

from mmras_stream.model import Model
from mmras_stream.motion import Flow, Motion
from mmras_stream.prefetching import prefetch
from mmras_stream.settings import ProposalSettings, TemporalSettings
from mmras_stream.streaming import steadied, stream
from mmras_stream.temporal.looking_back import LookBack
from mmras_stream.temporal.motion import NoMotion
from mmras_stream.temporal.smoothing import NoSmoother
from mmras_stream.temporal.tracker import MotionTracker, SeenThing
from mmras_stream.temporal.watching import MotionWatch
from mmras_stream.testing import FakeBackend, FakeDecoder, FakeScorer
from mmras_stream.types import (
    AnomalyMap,
    Frame,
    FrameBatch,
    FrameResult,
    Proposal,
    SegmentationOutput,
)

SETTINGS = TemporalSettings(min_duration_seconds=0.0)
MODEL = Model(FakeBackend(), FakeScorer(), threshold=0.5)


def process(
    decoder: FakeDecoder, backend: FakeBackend, scorer: FakeScorer | None = None
) -> list[FrameResult]:
    model = Model(backend, scorer or FakeScorer(), threshold=0.5)
    tracker = MotionTracker(SETTINGS, ProposalSettings(), threshold=0.5)
    with closing(stream(decoder, model, NoSmoother(SETTINGS), tracker)) as results:
        return list(results)


def test_every_frame_arrives_once_and_in_order() -> None:
    backend = FakeBackend()
    results = process(FakeDecoder(count=20, batch_size=8), backend)
    assert [result.frame.index for result in results] == list(range(20))
    assert backend.batch_sizes == [8, 8, 4]
    assert [result.frame.seconds for result in results[:2]] == [0.0, float(Fraction(1, 25))]


def test_a_bright_square_becomes_one_tracked_proposal() -> None:
    results = process(FakeDecoder(count=3), FakeBackend())
    assert all(len(result.proposals) == 1 for result in results)
    assert {p.track_id for result in results for p in result.proposals} == {1}


def test_a_failing_decoder_surfaces_in_the_consumer() -> None:
    with pytest.raises(OSError, match="bad packet"):
        process(FakeDecoder(count=200, fails_at=10), FakeBackend())


def test_a_failing_network_surfaces_and_stops_the_decoder() -> None:
    decoder = FakeDecoder(count=200)
    with pytest.raises(RuntimeError, match="out of memory"):
        process(decoder, FakeBackend(fails_at=1))
    assert decoder.decoded < 60


@dataclass
class TellingBackend(FakeBackend):
    """Notes when it looks at which batch, and can fail as it is told."""

    events: list[str] = field(default_factory=list)
    failure: BaseException | None = None

    def predict(self, batch: FrameBatch) -> SegmentationOutput:
        self.events.append(f"look at {batch.index[0]}")
        if self.failure is not None and batch.index[0] > 0:
            raise self.failure
        return super().predict(batch)


@dataclass
class TellingScorer(FakeScorer):
    """Notes when it scores which batch."""

    events: list[str] = field(default_factory=list)

    def score(self, batch: FrameBatch, output: SegmentationOutput) -> list[AnomalyMap]:
        self.events.append(f"score {batch.index[0]}")
        return super().score(batch, output)


def test_frames_are_smoothed_while_the_network_works_on_the_next_batch() -> None:
    events: list[str] = []
    note = events.append
    model = Model(TellingBackend(events=events), TellingScorer(events=events), 0.5)
    for steady in steadied(FakeDecoder(count=6, batch_size=2), model, NoSmoother(SETTINGS)):
        note(f"steady {steady.frame.index}")
    assert events == [
        *("look at 0", "score 0"),
        *("look at 2", "steady 0", "steady 1", "score 2"),
        *("look at 4", "steady 2", "steady 3", "score 4"),
        *("steady 4", "steady 5"),
    ]


@pytest.mark.parametrize("failure", [RuntimeError("out of memory"), KeyboardInterrupt()])
def test_frames_with_scores_are_not_lost_by_a_failure_of_the_network(
    failure: BaseException,
) -> None:
    model = Model(TellingBackend(failure=failure), FakeScorer(), 0.5)
    frames = steadied(FakeDecoder(count=6, batch_size=2), model, NoSmoother(SETTINGS))
    assert [next(frames).frame.index for _ in range(2)] == [0, 1]
    with pytest.raises(type(failure)):
        next(frames)


def test_decoding_never_runs_further_ahead_than_it_may() -> None:
    decoder = FakeDecoder(count=1000, batch_size=1)
    with closing(prefetch(decoder, depth=2)) as batches:
        next(batches)
        time.sleep(0.1)  # long enough to decode twenty
        assert decoder.decoded <= 4  # one taken, two queued, one in the producer's hand


def test_an_unbounded_queue_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        next(prefetch(range(3), depth=0))


@dataclass
class FailingMotion:
    """Gives up on the third frame."""

    calls: int = 0

    def flow(self, source: Tensor, target: Tensor) -> Flow | None:
        del source, target
        self.calls += 1
        if self.calls > 2:  # two for each pair of frames
            raise ArithmeticError("flow diverged")
        return None


class FailingSmoother(NoSmoother):
    """Fails on frame 2."""

    failure: BaseException = ArithmeticError("average diverged")

    def update(self, frame: Frame, anomaly_map: AnomalyMap, motion: Motion) -> AnomalyMap:
        if frame.index == 2:
            raise self.failure
        return super().update(frame, anomaly_map, motion)


class FailingTracker(MotionTracker):
    """Fails on frame 2."""

    def update(
        self, frame: Frame, proposals: Sequence[Proposal], motion: Motion
    ) -> tuple[SeenThing, ...]:
        if frame.index == 2:
            raise ArithmeticError("tracks diverged")
        return super().update(frame, proposals, motion)


def failing_stream(part: str) -> Generator[FrameResult, None, None]:
    kind = FailingTracker if part == "tracks" else MotionTracker
    watch = MotionWatch(FailingMotion() if part == "flow" else NoMotion())
    return stream(
        FakeDecoder(count=200, moving=True, batch_size=1),
        MODEL,
        (FailingSmoother if part == "average" else NoSmoother)(SETTINGS),
        kind(SETTINGS, ProposalSettings(), threshold=0.5),
        watch=watch,
        look_back=LookBack(TemporalSettings(look_back_seconds=5.0), ProposalSettings()),
    )


@pytest.mark.parametrize("part", ["flow", "average", "tracks"])
def test_a_failure_in_what_goes_over_time_surfaces_and_leaves_no_thread(part: str) -> None:
    with (
        closing(failing_stream(part)) as results,
        pytest.raises(ArithmeticError, match=f"{part} diverged"),
    ):
        list(results)
    assert not [thread for thread in threading.enumerate() if thread.name == "mmras-prefetch"]


def test_frames_that_wait_are_not_lost_by_a_failure() -> None:
    results = failing_stream("average")
    indices = [next(results).frame.index, next(results).frame.index]
    assert indices == [0, 1]
    with pytest.raises(ArithmeticError, match="average diverged"):
        next(results)


def test_frames_that_wait_are_not_lost_by_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FailingSmoother, "failure", KeyboardInterrupt())
    results = failing_stream("average")
    assert [next(results).frame.index for _ in range(2)] == [0, 1]
    with pytest.raises(KeyboardInterrupt):
        next(results)


def test_closing_a_stream_early_stops_everything() -> None:
    decoder = FakeDecoder(count=1000, batch_size=1)
    tracker = MotionTracker(SETTINGS, ProposalSettings(), threshold=0.5)
    results = stream(decoder, MODEL, NoSmoother(SETTINGS), tracker)
    next(results)
    results.close()
    assert decoder.decoded < 20


def test_a_thing_is_proposed_on_the_frames_before_it_was_believed() -> None:
    settings = TemporalSettings(min_duration_seconds=0.3)
    at_once, later = (
        stream(
            FakeDecoder(count=20),
            MODEL,
            NoSmoother(settings),
            MotionTracker(settings, ProposalSettings(), threshold=0.5, frame_seconds=0.04),
            look_back=LookBack(TemporalSettings(look_back_seconds=seconds), ProposalSettings()),
        )
        for seconds in (0.0, 1.0)
    )
    assert [len(result.proposals) for result in at_once] == [0] * 7 + [1] * 13
    assert [len(result.proposals) for result in later] == [1] * 20


def test_a_scorer_that_drops_a_frame_is_caught() -> None:
    with pytest.raises(ValueError, match="shorter"):
        process(FakeDecoder(), FakeBackend(), FakeScorer(drops_last=True))
