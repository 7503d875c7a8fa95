from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from mmras_stream.settings import TemporalSettings
from mmras_stream.temporal.smoothing import EmaSmoother, NoSmoother
from mmras_stream.temporal.tracker import OverlapTracker
from mmras_stream.types import (
    AnomalyMap,
    ColourMatrix,
    Frame,
    PixelFormat,
    Proposal,
    Rle,
)

PLANE = torch.zeros(4, 4, dtype=torch.uint8)
GREY = PixelFormat(ColourMatrix.BT601, full_range=False)


def frame(index: int, milliseconds: int) -> Frame:
    return Frame(index, milliseconds, Fraction(1, 1000), (PLANE, PLANE, PLANE), GREY)


def level(index: int, value: float) -> AnomalyMap:
    return AnomalyMap(index, np.full((2, 2), value, np.float32), 4, 4)


def region(box: tuple[int, int, int, int], index: int = 0) -> Proposal:
    return Proposal(index, index, box, box[2] * box[3], Rle((100, 100), "x"), 0.9)


def test_a_flash_loses_half_its_weight_in_each_half_life() -> None:
    smoother = EmaSmoother(TemporalSettings(half_life_seconds=0.1))
    values = [
        float(smoother.update(frame(i, 100 * i), level(i, v)).scores[0, 0])
        for i, v in enumerate([0.0, 1.0, 0.0, 0.0])
    ]
    assert values == pytest.approx([0, 0.5, 0.25, 0.125])


def test_decay_follows_time_and_not_the_number_of_frames() -> None:
    dense, sparse = (EmaSmoother(TemporalSettings(half_life_seconds=0.1)) for _ in range(2))
    for smoother in (dense, sparse):
        smoother.update(frame(0, 0), level(0, 1.0))
    for i in range(1, 11):
        from_dense = dense.update(frame(i, 10 * i), level(i, 0.0)).scores[0, 0]
    from_sparse = sparse.update(frame(10, 100), level(10, 0.0)).scores[0, 0]
    assert from_dense == pytest.approx(from_sparse)


def test_a_step_back_in_time_or_another_size_starts_afresh() -> None:
    smoother = EmaSmoother(TemporalSettings())
    smoother.update(frame(0, 1000), level(0, 1.0))
    assert smoother.update(frame(1, 500), level(1, 0.0)).scores.max() == 0
    other = AnomalyMap(2, np.ones((3, 3), np.float32), 4, 4)
    assert smoother.update(frame(2, 600), other).scores.min() == 1


def test_reset_forgets_and_the_input_is_never_written() -> None:
    smoother = EmaSmoother(TemporalSettings())
    first, second = level(0, 1.0), level(1, 0.0)
    smoother.update(frame(0, 0), first)
    assert smoother.update(frame(1, 40), second).scores.max() > 0
    assert second.scores.max() == 0
    smoother.reset()
    assert smoother.update(frame(2, 80), level(2, 0.0)).scores.max() == 0


def test_no_smoothing_returns_the_map_itself() -> None:
    given = level(0, 0.3)
    assert NoSmoother(TemporalSettings()).update(frame(0, 0), given) is given


def test_a_thing_keeps_its_id_while_it_moves_and_grows() -> None:
    tracker = OverlapTracker(TemporalSettings(min_duration_seconds=0.0))
    ids = [
        tracker.update(frame(i, 40 * i), [region((10 + 6 * i, 20 + 2 * i, 12 + i, 8 + i))])[
            0
        ].track_id
        for i in range(12)
    ]
    assert ids == [1] * 12


def test_two_things_keep_apart_and_a_third_gets_a_new_id() -> None:
    tracker = OverlapTracker(TemporalSettings(min_duration_seconds=0.0))
    boxes = [(10, 10, 10, 10), (60, 10, 10, 10)]
    first = tracker.update(frame(0, 0), [region(box) for box in boxes])
    swapped = tracker.update(frame(1, 40), [region(box) for box in reversed(boxes)])
    assert [p.track_id for p in first] == [1, 2]
    assert [p.track_id for p in swapped] == [2, 1]
    third = tracker.update(frame(2, 80), [region((10, 80, 10, 10))])
    assert [p.track_id for p in third] == [3]


def test_a_thing_seen_too_briefly_is_withheld() -> None:
    tracker = OverlapTracker(TemporalSettings(min_duration_seconds=0.2), frame_seconds=0.05)
    counts = [len(tracker.update(frame(i, 50 * i), [region((10, 10, 10, 10))])) for i in range(6)]
    assert counts == [0, 0, 0, 1, 1, 1]


def test_flashes_add_up_only_to_the_time_they_were_seen() -> None:
    tracker = OverlapTracker(TemporalSettings(min_duration_seconds=0.2), frame_seconds=0.05)
    counts = [
        len(tracker.update(frame(i, 50 * i), [region((10, 10, 10, 10))] if i % 3 == 0 else []))
        for i in range(12)
    ]
    assert [i for i, count in enumerate(counts) if count] == [9]


def test_one_sight_is_enough_where_frames_are_far_apart() -> None:
    tracker = OverlapTracker(TemporalSettings(), frame_seconds=2.0)
    ids = [
        [p.track_id for p in tracker.update(frame(i, 2000 * i), [region((10, 10, 10, 10))])]
        for i in range(3)
    ]
    assert ids == [[1], [1], [1]]


def test_a_short_gap_keeps_the_id_and_a_long_one_does_not() -> None:
    tracker = OverlapTracker(TemporalSettings(min_duration_seconds=0.0, max_gap_seconds=0.4))
    box = (10, 10, 10, 10)
    seen = {
        time: tracker.update(frame(i, time), [region(box)] if shown else [])
        for i, (time, shown) in enumerate([(0, 1), (200, 0), (350, 1), (800, 0), (900, 1)])
    }
    assert [p.track_id for p in seen[350]] == [1]
    assert [p.track_id for p in seen[900]] == [2]
