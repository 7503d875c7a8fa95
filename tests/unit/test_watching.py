"""Motion is found once per frame, and what does not belong together is told apart."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch

from mmras_stream.motion import Cut, Flow, Motion
from mmras_stream.protocols import MotionEstimator
from mmras_stream.temporal.lucas_kanade import LucasKanadeMotion, dense_flow
from mmras_stream.temporal.motion import DisMotion, HomographyMotion, NoMotion
from mmras_stream.temporal.watching import MotionWatch, thumbnail
from mmras_stream.types import Frame
from shaky_drive import frame_of, texture

Picture = npt.NDArray[np.uint8]


def street(seed: int = 0, *, left: int = 0, height: int = 360) -> Picture:
    whole = texture(400, 800, seed)[:height, 60 - left : 700 - left]
    return np.ascontiguousarray(whole.astype(np.uint8))


def followed(watch: MotionWatch, *pictures: Picture, milliseconds: int = 40) -> list[Motion]:
    return [
        watch.update(frame_of(picture, i, milliseconds=milliseconds))
        for i, picture in enumerate(pictures)
    ]


@pytest.mark.parametrize("estimator", [DisMotion(), HomographyMotion(), LucasKanadeMotion()])
def test_motion_is_found_both_ways(estimator: MotionEstimator) -> None:
    watch = MotionWatch(estimator)
    _, motion = followed(watch, street(), street(left=12))
    assert motion.cut is None
    assert motion.backward is not None
    assert motion.forward is not None
    assert motion.sure is not None
    pixels_per_cell = 640 / motion.backward.shape[1]
    middle = slice(30, 80), slice(20, 140)
    for flow, expected in ((motion.backward, -12), (motion.forward, 12)):
        x, y = (np.median(flow[middle][..., axis]) * pixels_per_cell for axis in (0, 1))
        assert (x, y) == pytest.approx((expected, 0), abs=0.6)
    assert motion.sure[middle].mean() > 0.95


def test_what_is_small_and_fast_is_followed() -> None:
    def crossing(left: int) -> Picture:
        picture = street() // 6 + 100
        picture[220:236, left : left + 16] = texture(16, 16, 3).astype(np.uint8)
        return picture

    _, motion = followed(MotionWatch(DisMotion()), crossing(300), crossing(310))
    assert motion.backward is not None
    pixels_per_cell = 640 // motion.backward.shape[1]
    rows, columns = (
        slice(start // pixels_per_cell, (start + 12) // pixels_per_cell) for start in (222, 312)
    )
    shifts = motion.backward[rows, columns, 0] * pixels_per_cell
    assert np.median(shifts) == pytest.approx(-10, abs=2)


@pytest.mark.parametrize(("gain", "cells"), [(1.0, 0.06), (0.5, 0.3)])
def test_lucas_kanade_follows_a_zoom_through_noise_and_other_light(
    gain: float, cells: float
) -> None:
    random = np.random.default_rng(0)
    zoom, middle = 1.03, np.array([320, 120])  # pixels, x and y
    matrix = np.column_stack([zoom * np.eye(2), (1 - zoom) * middle])
    before = street().astype(np.float32)
    now = cv2.warpAffine(before, matrix, (640, 360), borderMode=cv2.BORDER_REFLECT_101)
    now = gain * now + (1 - gain) * 200
    noisy = [
        np.clip(picture + random.normal(0, 4 * level, (360, 640)), 0, 255).astype(np.uint8)
        for picture, level in ((before, 1), (now, gain))
    ]
    _, motion = followed(MotionWatch(LucasKanadeMotion()), *noisy)
    assert motion.backward is not None
    y, x = 4 * np.mgrid[0:90, 0:160] + 1.5
    expected = (1 / zoom - 1) * (np.stack([x, y], axis=-1) - middle) / 4
    off = np.hypot(*np.moveaxis(motion.backward - expected, -1, 0))
    assert off[5:-5, 5:-5].mean() < cells


def test_lucas_kanade_takes_what_is_flat_along() -> None:
    before = street()
    before[160:220, 300:380] = 90
    _, motion = followed(MotionWatch(LucasKanadeMotion()), before, np.roll(before, 12, axis=1))
    assert motion.backward is not None
    pixels_per_cell = 640 / motion.backward.shape[1]
    flat = motion.backward[44:51, 82:94, 0] * pixels_per_cell
    assert np.median(flat) == pytest.approx(-12, abs=pixels_per_cell / 2)


def test_pictures_together_have_the_flow_of_each_alone() -> None:
    pictures = [thumbnail(frame_of(street(left=4 * i), i)) for i in range(3)]
    stack = torch.stack(pictures)[:, None].float()
    together = dense_flow(stack[:-1], stack[1:])
    alone = [dense_flow(stack[i : i + 1], stack[i + 1 : i + 2]) for i in range(2)]
    assert together.shape == (2, 2, 90, 160)
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-3, rtol=0)


def test_without_an_estimator_nothing_is_known_but_cuts() -> None:
    black_and_white = np.where(np.indices((360, 640))[1] % 2, 250, 5).astype(np.uint8)
    for watch in (MotionWatch(), MotionWatch(NoMotion())):
        first, second, third = followed(watch, street(), street(left=12), black_and_white)
        assert first.cut is Cut.START
        assert (second.cut, second.backward) == (None, None)
        assert third.cut is Cut.SCENE


def test_another_scene_is_a_cut_even_with_the_same_greys() -> None:
    watch = MotionWatch(DisMotion())
    motions = followed(watch, street(0), street(0, left=4), street(7), street(7, left=4))
    assert [motion.cut for motion in motions] == [Cut.START, None, Cut.SCENE, None]


def test_frames_far_apart_are_of_one_scene_though_nothing_matches() -> None:
    motions = followed(MotionWatch(DisMotion()), street(0), street(7), milliseconds=1000)
    assert (motions[1].cut, motions[1].backward, motions[1].sure) == (None, None, None)


def test_a_long_time_without_frames_is_a_cut_unless_all_are_far_apart() -> None:
    for frame_seconds, cut in ((0.04, Cut.GAP), (10.0, None)):
        watch = MotionWatch(DisMotion(), frame_seconds=frame_seconds)
        assert followed(watch, street(), street(), milliseconds=10_000)[1].cut is cut


def test_time_that_goes_backwards_and_another_size_are_cuts_and_noted() -> None:
    watch = MotionWatch(DisMotion())
    late = replace(frame_of(street(), 0), pts=5000)
    assert watch.update(late).cut is Cut.START
    assert watch.update(frame_of(street(left=4), 1)).cut is Cut.BACKWARDS
    assert watch.update(frame_of(street(height=300), 2)).cut is Cut.SIZE
    assert watch.warnings == (
        "1 step back in time, where things and scores begin anew (first at 0.04 s)",
        "1 change of the picture's size, where things and scores begin anew (first at 0.08 s)",
    )


def test_a_picture_that_repeats_has_no_motion_and_a_frozen_one_is_noted() -> None:
    watch = MotionWatch(DisMotion())
    moving = [street(left=4 * i) for i in range(3)]
    motions = followed(watch, *moving, *[moving[-1]] * 30)
    assert all(motion.cut is None for motion in motions[1:])
    assert motions[-1].backward is not None
    assert not motions[-1].backward.any()
    assert watch.warnings == (
        "30 frames that repeat the one before (first at 0.12 s)",
        "the picture stands still for 1.2 s (from 0.08 s)",
    )


def test_black_frames_are_a_scene_of_their_own_and_noted() -> None:
    watch = MotionWatch(DisMotion())
    black = np.full((360, 640), 16, np.uint8)
    motions = followed(watch, street(), black, street(left=4))
    assert [motion.cut for motion in motions] == [Cut.START, Cut.SCENE, Cut.SCENE]
    assert watch.warnings == ("1 frame without a picture, all black (first at 0.04 s)",)


class Failing:
    """Gives no numbers."""

    def flow(self, source: torch.Tensor, target: torch.Tensor) -> Flow:
        del target
        return np.full((*source.shape, 2), np.nan, np.float32)


def test_motion_that_is_no_number_is_left_out_and_noted() -> None:
    watch = MotionWatch(Failing())
    motions = followed(watch, street(), street(left=4))
    assert (motions[1].cut, motions[1].backward, motions[1].sure) == (None, None, None)
    assert watch.warnings == (
        "2 estimates of motion gave no number and were left out (first at 0.04 s)",
    )


def test_one_frame_alone_is_noted() -> None:
    watch = MotionWatch(DisMotion())
    followed(watch, street())
    assert watch.warnings == ("there is one frame only, so nothing could be followed over time",)


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 700), (700, 3), (16, 24)])
def test_a_tiny_picture_is_followed(size: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 255, size).astype(np.uint8) for _ in range(3)]
    for estimator in (DisMotion(), HomographyMotion(), LucasKanadeMotion()):
        assert len(followed(MotionWatch(estimator), *pictures)) == 3


def test_ten_bits_look_like_eight() -> None:
    frame = frame_of(street(), 0)
    luma, *_ = frame.planes
    planes = (luma.short() * 4, *frame.planes[1:])
    deep = replace(frame, planes=planes, pixel_format=replace(frame.pixel_format, bits=10))
    difference = thumbnail(deep).int() - thumbnail(frame).int()
    assert difference.abs().max() <= 1


def test_the_thumbnail_is_small_and_of_the_pictures_shape() -> None:
    sizes = ((720, 1280), (180, 320)), ((360, 640), (180, 320)), ((640, 90), (320, 45))
    for size, shape in sizes:
        plane = torch.zeros(*size, dtype=torch.uint8)
        made = Frame(0, 0, Fraction(1), (plane, plane, plane), frame_of(street(), 0).pixel_format)
        assert tuple(thumbnail(made).shape) == shape
