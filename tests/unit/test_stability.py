from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch

from mmras_stream.evaluation.stability import (
    BackwardFlow,
    Consistency,
    ConsistencyMeter,
    joined,
    warped,
)
from mmras_stream.types import ColourMatrix, Frame, Mask, PixelFormat

SIZE = (180, 320)

NOTHING = np.zeros(SIZE, np.bool_)


def frame_of(picture: npt.NDArray[np.uint8], index: int = 0, bits: int = 8) -> Frame:
    plane = torch.from_numpy(picture if bits == 8 else picture.astype(np.int16) << (bits - 8))
    return Frame(
        index,
        index,
        Fraction(1, 25),
        (plane, plane[::2, ::2], plane[::2, ::2]),
        PixelFormat(ColourMatrix.BT709, full_range=False, bits=bits),
    )


def texture(seed: int, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Return detail of every size, as pictures have."""
    noise = np.random.default_rng(seed).standard_normal((height, width))
    layers = [size * cv2.GaussianBlur(noise, (0, 0), size) for size in (2.0, 5.0, 12.0, 25.0)]
    total = np.sum(layers, axis=0)
    return np.asarray(np.clip(128 + 40 * (total - total.mean()) / total.std(), 0, 255), np.uint8)


def moved(step: int) -> tuple[npt.NDArray[np.uint8], Mask]:
    """Return a picture of a thing that goes right by 15 pixels and down by 4 in a step."""
    picture = texture(0, *SIZE)
    top, left = 60 + 4 * step, 60 + 15 * step
    picture[top : top + 50, left : left + 70] = texture(1, 50, 70) // 2 + 120
    mask = np.zeros(SIZE, np.bool_)
    mask[top : top + 50, left : left + 70] = True
    return picture, mask


@pytest.mark.parametrize("bits", [8, 10])
def test_a_mask_that_goes_with_its_thing_is_steady(bits: int) -> None:
    meter, flow = ConsistencyMeter(), BackwardFlow()
    for step in range(4):
        picture, mask = moved(step)
        meter.add(mask, flow.update(frame_of(picture, step, bits)), NOTHING)
    assert meter.consistency.pairs == 3
    assert meter.consistency.mean is not None
    # what it uncovers has no past; left where it was it would be 0.57, moved the wrong way 0.3
    assert meter.consistency.mean > 0.7


def test_a_mask_that_goes_with_the_whole_picture_is_steadier_still() -> None:
    wide = texture(2, SIZE[0], SIZE[1] + 60)
    meter, flow = ConsistencyMeter(), BackwardFlow()
    for step in range(4):
        picture = np.ascontiguousarray(wide[:, 60 - 15 * step :][:, : SIZE[1]])
        mask = np.zeros(SIZE, np.bool_)
        mask[60:110, 60 + 15 * step : 130 + 15 * step] = True
        meter.add(mask, flow.update(frame_of(picture, step)), NOTHING)
    assert meter.consistency.mean is not None
    assert meter.consistency.mean > 0.95


def test_a_mask_that_stays_behind_is_not() -> None:
    meter, flow = ConsistencyMeter(), BackwardFlow()
    for step in range(4):
        meter.add(moved(0)[1], flow.update(frame_of(moved(step)[0], step)), NOTHING)
    assert meter.consistency.mean is not None
    assert meter.consistency.mean < 0.85


@pytest.mark.parametrize("seed", range(10))
def test_warping_fetches_each_place_from_where_it_was(seed: int) -> None:
    rng = np.random.default_rng(seed)
    before = rng.random((9, 13)) < 0.5
    flow = rng.integers(-3, 4, (9, 13, 2)).astype(np.float32)
    expected, known = np.zeros((2, 9, 13), np.bool_)
    for y in range(9):
        for x in range(13):
            there = (y + int(flow[y, x, 1]), x + int(flow[y, x, 0]))
            if 0 <= there[0] < 9 and 0 <= there[1] < 13:
                known[y, x], expected[y, x] = True, before[there]
    mask, inside = warped(before, flow)
    assert (mask == expected).all()
    assert (inside == known).all()


def test_fifteen_pixels_to_the_right_come_from_fifteen_to_the_left() -> None:
    before, after = moved(0)[1], moved(1)[1]
    flow = np.zeros((*SIZE, 2), np.float32)
    flow[..., 0], flow[..., 1] = -15, -4
    assert (warped(before, flow)[0] == after).all()


def test_empty_pairs_say_nothing_and_what_vanishes_counts_as_none() -> None:
    still = np.zeros((*SIZE, 2), np.float32)
    thing = moved(0)[1]
    meter = ConsistencyMeter()
    for mask in (NOTHING, NOTHING, thing, thing, NOTHING):
        meter.add(mask, still, NOTHING)
    assert meter.consistency == Consistency(1.0, 3)
    assert joined([meter.consistency, Consistency(1.0, 1)]).mean == 0.5
    assert Consistency().mean is None


def test_what_is_ignored_or_came_into_the_picture_is_left_out() -> None:
    left, whole = np.zeros((2, *SIZE), np.bool_)
    left[:, :20], whole[:, :] = True, True
    still = np.zeros((*SIZE, 2), np.float32)
    meter = ConsistencyMeter()
    meter.add(left, None, NOTHING)
    meter.add(whole, still, ~left)
    assert meter.consistency == Consistency(1.0, 1)
    going = still.copy()
    going[..., 0] = 20 - SIZE[1]
    meter = ConsistencyMeter()
    meter.add(left, None, NOTHING)
    meter.add(whole, going, NOTHING)
    assert meter.consistency == Consistency(1.0, 1)


def test_another_size_starts_anew() -> None:
    flow = BackwardFlow()
    assert flow.update(frame_of(texture(0, 90, 160))) is None
    assert flow.update(frame_of(texture(0, *SIZE))) is None
    assert flow.update(frame_of(texture(0, *SIZE))) is not None
