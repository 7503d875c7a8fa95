"""Scores are steadied over time, along the motion of the picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import cv2
import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from mmras_stream.motion import Cut, Flow, Motion
from mmras_stream.protocols import Smoother
from mmras_stream.settings import TemporalSettings
from mmras_stream.temporal.median import MedianSmoother
from mmras_stream.temporal.motion import DisMotion
from mmras_stream.temporal.smoothing import EmaSmoother, FlowSmoother, NoSmoother
from mmras_stream.temporal.watching import MotionWatch
from mmras_stream.testing import check_smoother
from mmras_stream.types import AnomalyMap, Frame, Mask
from shaky_drive import GREY, Shot, shaky_drive

Factory = Callable[[TemporalSettings], Smoother]

UNKNOWN = Motion()
PLANE = torch.zeros(4, 4, dtype=torch.uint8)
AVERAGES: list[Factory] = [EmaSmoother, FlowSmoother]
ALL: list[Factory] = [*AVERAGES, MedianSmoother]


def frame(milliseconds: int) -> Frame:
    return Frame(0, milliseconds, Fraction(1, 1000), (PLANE, PLANE, PLANE), GREY)


def level(value: float, size: int = 2) -> AnomalyMap:
    return AnomalyMap(0, np.full((size, size), value, np.float32), 4, 4)


@pytest.mark.parametrize("factory", [*ALL, NoSmoother])
def test_every_smoother_keeps_the_promises_of_a_plugin(factory: Factory) -> None:
    check_smoother(factory)


class Deaf(EmaSmoother):
    """Does not hear of cuts."""

    def update(self, frame: Frame, anomaly_map: AnomalyMap, motion: Motion) -> AnomalyMap:
        return super().update(frame, anomaly_map, replace(motion, cut=None))


class Forgetful(EmaSmoother):
    """Does not forget."""

    def reset(self) -> None:
        pass


class Scribbler(NoSmoother):
    """Writes into what it was given."""

    def update(self, frame: Frame, anomaly_map: AnomalyMap, motion: Motion) -> AnomalyMap:
        anomaly_map.scores[:] = 0.5
        return super().update(frame, anomaly_map, motion)


@pytest.mark.parametrize(
    ("factory", "message"),
    [(Deaf, "before a cut"), (Forgetful, "before reset"), (Scribbler, "is changed")],
)
def test_a_smoother_that_breaks_a_promise_is_caught(factory: Factory, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_smoother(factory)


@pytest.mark.parametrize("factory", AVERAGES)
def test_a_flash_loses_half_its_weight_in_each_half_life(factory: Factory) -> None:
    smoother = factory(TemporalSettings(half_life_seconds=0.1, rise_half_life_seconds=0.1))
    values = [
        float(smoother.update(frame(100 * i), level(v), UNKNOWN).scores[0, 0])
        for i, v in enumerate([0.0, 1.0, 0.0, 0.0])
    ]
    assert values == pytest.approx([0, 0.5, 0.25, 0.125])


@pytest.mark.parametrize("factory", AVERAGES)
def test_decay_follows_time_and_not_the_number_of_frames(factory: Factory) -> None:
    dense, sparse = (factory(TemporalSettings(half_life_seconds=0.1)) for _ in range(2))
    for smoother in (dense, sparse):
        smoother.update(frame(0), level(1.0), UNKNOWN)
    for i in range(1, 11):
        from_dense = dense.update(frame(10 * i), level(0.0), UNKNOWN).scores[0, 0]
    from_sparse = sparse.update(frame(100), level(0.0), UNKNOWN).scores[0, 0]
    assert from_dense == pytest.approx(from_sparse)


def test_scores_can_rise_faster_than_they_fall() -> None:
    settings = TemporalSettings(half_life_seconds=0.2, rise_half_life_seconds=0.1)
    smoother = FlowSmoother(settings)
    values = [
        float(smoother.update(frame(200 * i), level(v), UNKNOWN).scores[0, 0])
        for i, v in enumerate([0.0, 1.0, 0.0])
    ]
    assert values == pytest.approx([0, 0.75, 0.375])


def test_what_a_neighbour_was_before_counts_at_once_and_what_is_new_must_rise() -> None:
    """A thing whose motion was missed by a cell keeps its score; a flash elsewhere does not."""
    smoother = FlowSmoother(TemporalSettings(half_life_seconds=0.1, rise_half_life_seconds=0.1))
    before, now = (np.zeros((8, 8), np.float32) for _ in range(2))
    before[2, 2], now[2, 3], now[6, 6] = 0.8, 0.7, 0.7
    smoother.update(frame(0), AnomalyMap(0, before, 4, 4), UNKNOWN)
    steady = smoother.update(frame(100), AnomalyMap(1, now, 4, 4), UNKNOWN).scores
    assert steady[2, 3] == pytest.approx(0.7)
    assert steady[6, 6] == pytest.approx(0.35)
    assert steady[2, 2] == pytest.approx(0.4)
    assert np.count_nonzero(steady) == 3


@pytest.mark.parametrize("factory", ALL)
def test_a_cut_a_step_back_in_time_or_another_size_starts_afresh(factory: Factory) -> None:
    smoother = factory(TemporalSettings())
    smoother.update(frame(1000), level(1.0), UNKNOWN)
    assert smoother.update(frame(500), level(0.0), UNKNOWN).scores.max() == 0
    assert smoother.update(frame(540), level(1.0, size=3), UNKNOWN).scores.min() == 1
    scene = Motion(cut=Cut.SCENE)
    assert smoother.update(frame(580), level(0.0, size=3), scene).scores.max() == 0


@pytest.mark.parametrize("factory", ALL)
def test_reset_forgets_and_the_input_is_never_written(factory: Factory) -> None:
    smoother = factory(TemporalSettings())
    first, second = level(1.0), level(0.0)
    smoother.update(frame(0), first, UNKNOWN)
    assert smoother.update(frame(40), second, UNKNOWN).scores.max() > 0
    assert (first.scores.min(), second.scores.max()) == (1, 0)
    smoother.reset()
    assert smoother.update(frame(80), level(0.0), UNKNOWN).scores.max() == 0


def test_no_smoothing_returns_the_map_itself() -> None:
    given = level(0.3)
    assert NoSmoother(TemporalSettings()).update(frame(0), given, UNKNOWN) is given


def test_the_median_drops_a_flash_and_forgets_what_is_two_half_lives_old() -> None:
    smoother = MedianSmoother(TemporalSettings(half_life_seconds=0.1))
    flash = [0.0, 0.0, 1.0, 0.0, 0.0]
    values = [
        float(smoother.update(frame(40 * i), level(v), UNKNOWN).scores[0, 0])
        for i, v in enumerate(flash)
    ]
    assert values == [0, 0, 0, 0, 0]
    assert smoother.update(frame(1000), level(1.0), UNKNOWN).scores[0, 0] == 1


def moved_right(cells: float, *, hidden: slice = slice(0)) -> Motion:
    """The whole picture moved; what is seen in some columns was out of sight before."""
    backward: Flow = np.zeros((8, 16, 2), np.float32)
    backward[..., 0] = -cells
    sure: Mask = np.ones((8, 16), np.bool_)
    sure[:, hidden] = False
    return Motion(backward, -backward, sure)


@pytest.mark.parametrize("factory", [FlowSmoother, MedianSmoother])
def test_scores_go_along_with_the_picture_on_any_grid(factory: Factory) -> None:
    smoother = factory(TemporalSettings(half_life_seconds=1e6))
    before, now = (np.zeros((16, 32), np.float32) for _ in range(2))
    before[6:10, 8:12] = 1
    smoother.update(frame(0), AnomalyMap(0, before, 4, 4), UNKNOWN)
    steady = smoother.update(frame(40), AnomalyMap(1, now, 4, 4), moved_right(3.0)).scores
    expected = (1 if factory is FlowSmoother else 0.5) * np.roll(before, 6, axis=1)
    assert steady == pytest.approx(expected, abs=1e-4)


def test_what_was_hidden_starts_with_its_own_score() -> None:
    smoother = FlowSmoother(TemporalSettings(half_life_seconds=1e6))
    smoother.update(frame(0), AnomalyMap(0, np.ones((8, 16), np.float32), 4, 4), UNKNOWN)
    motion = moved_right(0.0, hidden=slice(4, 8))
    calm = AnomalyMap(1, np.zeros((8, 16), np.float32), 4, 4)
    steady = smoother.update(frame(40), calm, motion).scores
    assert steady[:, 4:8].max() == 0
    assert steady[:, :4].min() > 0.99


@dataclass(frozen=True, slots=True)
class Steadiness:
    average_precision: float
    consistency: float
    """Mean overlap of the mask with that of the frame before, moved by the true motion."""


def steadiness(factory: Factory, shots: Sequence[Shot], motions: Sequence[Motion]) -> Steadiness:
    smoother = factory(TemporalSettings())
    maps = [
        smoother.update(shot.frame, shot.raw_map, motion).scores
        for shot, motion in zip(shots, motions, strict=True)
    ]
    truth = np.stack([shot.gt_mask for shot in shots])
    masks = [scores > 0.5 for scores in maps]
    overlaps = []
    for before, now, shot in zip(masks, masks[1:], shots[1:], strict=False):
        moved = cv2.remap(before.astype(np.uint8), *shot.before, cv2.INTER_NEAREST) > 0
        union = np.count_nonzero(moved | now)
        overlaps.append(np.count_nonzero(moved & now) / union if union else 1.0)
    precision = float(average_precision_score(truth.ravel(), np.stack(maps).ravel()))
    return Steadiness(precision, float(np.mean(overlaps)))


def test_following_the_motion_finds_more_and_flickers_less() -> None:
    shots = list(shaky_drive(40))
    watch = MotionWatch(DisMotion())
    motions = [watch.update(shot.frame) for shot in shots]
    assert [motion.cut for motion in motions] == [Cut.START, *[None] * 39]
    raw, ema, flow, median = (
        steadiness(factory, shots, motions)
        for factory in (NoSmoother, EmaSmoother, FlowSmoother, MedianSmoother)
    )
    assert ema.average_precision > raw.average_precision + 0.2
    for along in (flow, median):
        assert along.average_precision > ema.average_precision + 0.07
        assert along.consistency > ema.consistency + 0.12
