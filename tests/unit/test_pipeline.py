from __future__ import annotations

import time
from contextlib import closing
from fractions import Fraction

import pytest

from mmras_stream.pipeline import Model, prefetch, stream
from mmras_stream.settings import TemporalSettings
from mmras_stream.temporal.smoothing import NoSmoother
from mmras_stream.temporal.tracker import OverlapTracker
from mmras_stream.testing import FakeBackend, FakeDecoder, FakeScorer
from mmras_stream.types import FrameResult

SETTINGS = TemporalSettings(min_duration_seconds=0.0)


def process(
    decoder: FakeDecoder, backend: FakeBackend, scorer: FakeScorer | None = None
) -> list[FrameResult]:
    model = Model(backend, scorer or FakeScorer(), threshold=0.5)
    with closing(stream(decoder, model, NoSmoother(SETTINGS), OverlapTracker(SETTINGS))) as results:
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


def test_decoding_never_runs_further_ahead_than_it_may() -> None:
    decoder = FakeDecoder(count=1000, batch_size=1)
    with closing(prefetch(decoder, depth=2)) as batches:
        next(batches)
        time.sleep(0.1)  # long enough to decode twenty
        assert decoder.decoded <= 4  # one taken, two queued, one in the producer's hand


def test_an_unbounded_queue_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        next(prefetch(range(3), depth=0))


def test_a_scorer_that_drops_a_frame_is_caught() -> None:
    with pytest.raises(ValueError, match="shorter"):
        process(FakeDecoder(), FakeBackend(), FakeScorer(drops_last=True))
