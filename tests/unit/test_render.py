"""An overlay shows what was found, and leaves the frame itself alone."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from mmras_stream.regions.components import find_regions
from mmras_stream.render.colormap import AT_THRESHOLD, ScoreScale, heat_paint, track_colour, yuv
from mmras_stream.render.overlay import draw_overlay
from mmras_stream.render.timeline_strip import Instant
from mmras_stream.types import AnomalyMap, ColourMatrix, Frame, FrameResult, Guess, PixelFormat
from mmras_stream.video.colour import rgb_to_yuv_matrix
from mmras_stream.video.yuv420 import Bytes, to_yuv420, yuv420_format

BT601 = PixelFormat(ColourMatrix.BT601, full_range=False)
SCALE = ScoreScale.around(0.5)


def _frame(
    height: int = 360,
    width: int = 640,
    *,
    pixel_format: PixelFormat = BT601,
    chroma: tuple[int, int] = (2, 2),
    levels: tuple[int, int, int] = (110, 128, 128),
) -> Frame:
    dtype = torch.uint8 if pixel_format.bits == 8 else torch.int16
    small = -(-height // chroma[0]), -(-width // chroma[1])
    y, u, v = (
        torch.full(size, level, dtype=dtype)
        for size, level in zip(((height, width), small, small), levels, strict=True)
    )
    return Frame(5, 150, Fraction(1, 30), (y, u, v), pixel_format)


def _result(frame: Frame, *boxes: tuple[int, int, int, int], score: float = 0.9) -> FrameResult:
    """Return a result with one region per box, in cells of 36 x 64."""
    scores = np.full((36, 64), 0.1, np.float32)
    for number, (x, y, width, height) in enumerate(boxes):
        scores[y : y + height, x : x + width] = score - 0.01 * number
    anomaly_map = AnomalyMap(frame.index, scores, frame.height, frame.width)
    regions = find_regions(anomaly_map, pts=frame.pts, threshold=0.5)
    return FrameResult(frame, anomaly_map, anomaly_map, regions, 0.5)


def _history(*scores: float) -> list[Instant]:
    return [Instant(0.1 * i, score, int(score > 0.5)) for i, score in enumerate(scores)]


def _unlike(frame: Frame, planes: tuple[Bytes, ...]) -> Bytes:
    return np.asarray(planes[0] != to_yuv420(frame)[0])


def test_the_frame_is_not_drawn_on() -> None:
    frame = _frame()
    before = [plane.clone() for plane in frame.planes]
    planes = draw_overlay(_result(frame, (20, 10, 6, 6)), SCALE, _history(0.1, 0.9))
    assert _unlike(frame, planes).any()
    assert all(torch.equal(a, b) for a, b in zip(before, frame.planes, strict=True))


def test_a_calm_frame_is_shown_as_it_is() -> None:
    frame = _frame()
    assert not _unlike(frame, draw_overlay(_result(frame), SCALE)).any()


def test_heat_lies_on_the_region_and_not_far_from_it() -> None:
    frame = _frame()
    changed = _unlike(frame, draw_overlay(_result(frame, (20, 10, 6, 6)), SCALE))
    assert changed[110:150, 210:250].all()
    assert not changed[:, 300:].any()
    assert not changed[200:].any()


def test_opacity_grows_with_the_score() -> None:
    paint = heat_paint(BT601)
    assert (paint[0, :85] == 255).all()
    assert paint[0, AT_THRESHOLD] < 200
    assert (np.diff(paint[0].astype(int)) <= 0).all()


def test_an_outline_has_the_colour_of_its_track() -> None:
    frame = _frame()
    y, u, v = draw_overlay(_result(frame, (20, 10, 6, 6)), SCALE)
    x, top, _, height = _result(frame, (20, 10, 6, 6)).proposals[0].bbox_xywh
    expected = yuv(track_colour(None), BT601)
    row = top + height // 2
    assert abs(int(y[row, x]) - expected[0]) < 20
    np.testing.assert_allclose([u[row // 2, x // 2], v[row // 2, x // 2]], expected[1:], atol=3)


@pytest.mark.parametrize("corner", [(0, 0), (58, 0), (0, 30), (58, 30), (29, 31)])
def test_labels_stay_in_the_picture_and_above_the_strip(corner: tuple[int, int]) -> None:
    frame = _frame()
    planes = draw_overlay(_result(frame, (*corner, 6, 5)), SCALE, _history(0.2))
    label = planes[0] == yuv(track_colour(None), BT601)[0]
    rows, columns = np.nonzero(label)
    assert label.sum() > 300
    assert rows.max() < 360 - 28
    assert columns.max() - columns.min() < 130


def test_labels_do_not_cover_each_other() -> None:
    frame = _frame()
    alone = draw_overlay(_result(frame, (20, 10, 2, 3)), SCALE)
    both = draw_overlay(_result(frame, (20, 10, 2, 3), (24, 10, 2, 3)), SCALE)
    colour = yuv(track_colour(None), BT601)[0]
    assert (both[0] == colour).sum() > 1.7 * (alone[0] == colour).sum()


def test_a_label_shows_the_likeliest_word() -> None:
    plain = _labelled()
    assert (_labelled("cow", "sheep") != plain).any()
    assert (_labelled("cow", "sheep") == _labelled("cow")).all()
    assert (_labelled("vélo") == _labelled("velo")).all()
    assert (_labelled("汽车") == plain).all()


def _labelled(*words: str) -> Bytes:
    result = _result(_frame(), (20, 10, 6, 6))
    guesses = tuple(Guess(word, 0.5) for word in words)
    return draw_overlay(_with(result, guesses=guesses), SCALE)[0]


def _with(result: FrameResult, **changes: Any) -> FrameResult:  # any field of a proposal
    return replace(result, proposals=tuple(replace(p, **changes) for p in result.proposals))


def test_what_is_suppressed_has_a_thin_grey_line_and_no_label() -> None:
    frame = _frame(720, 1280, levels=(40, 128, 128))
    result = _result(frame, (20, 10, 6, 6))
    found = draw_overlay(result, SCALE)
    kept = draw_overlay(_with(result, looks_known=Guess("car", 0.9)), SCALE)
    bare = draw_overlay(replace(result, proposals=()), SCALE)
    x, top, width, height = result.proposals[0].bbox_xywh
    outside = np.ones(kept[0].shape, bool)
    outside[top - 2 : top + height + 2, x - 2 : x + width + 2] = False
    assert (kept[0] == bare[0])[outside].all()
    assert not (found[0] == bare[0])[outside].all()
    row, inside = top + height // 2, slice(x, x + width // 2)
    drawn = [int((planes[0] != bare[0])[row, inside].sum()) for planes in (kept, found)]
    assert 1 <= drawn[0] < drawn[1]
    assert kept[1][row // 2, x // 2] == kept[2][row // 2, x // 2] == 128


def test_the_strip_tells_scores_and_proposals_apart() -> None:
    frame = _frame()
    calm = draw_overlay(_result(frame), SCALE, _history(*[0.2] * 200))
    alarm = draw_overlay(_result(frame), SCALE, _history(*[0.2] * 100, *[0.9] * 100))
    assert not _unlike(frame, calm)[: 360 - 28].any()
    assert _unlike(frame, calm)[360 - 28 :].mean() > 0.9
    differs = calm[2][-14:] != alarm[2][-14:]
    assert differs.any()
    # 10 s of 20 are shown, and the alarm began 10 s ago
    assert (alarm[0][:, -40] != calm[0][:, -40]).any()


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (3, 5), (40, 60), (97, 121), (720, 1280)])
def test_every_size_is_drawn_on_even_planes(size: tuple[int, int]) -> None:
    frame = _frame(*size)
    planes = draw_overlay(_result(frame, (20, 10, 20, 20)), SCALE, _history(0.2, 0.9))
    height, width = (side + side % 2 for side in size)
    assert [p.shape for p in planes] == [(height, width)] + [(height // 2, width // 2)] * 2


def test_scores_outside_0_to_1_have_a_scale_too() -> None:
    scores = np.array([[-7.0, 2.5], [3.0, 9.0]], np.float32)
    scale = ScoreScale.around(2.5).including(scores)
    assert scale == ScoreScale(-7.0, 2.5, 9.0)
    assert scale.index(scores).tolist() == [[1, AT_THRESHOLD], [137, 255]]


@pytest.mark.parametrize("chroma", [(2, 2), (1, 2), (1, 1), (1, 4), (4, 4)])
@pytest.mark.parametrize("size", [(24, 40), (25, 41), (2, 3)])
def test_any_subsampling_becomes_420(chroma: tuple[int, int], size: tuple[int, int]) -> None:
    frame = _frame(*size, chroma=chroma, levels=(90, 70, 200))
    y, u, v = to_yuv420(frame)
    assert y.shape == (size[0] + size[0] % 2, size[1] + size[1] % 2)
    assert u.shape == v.shape == (y.shape[0] // 2, y.shape[1] // 2)
    assert {int(p.min()) for p in (y, u, v)} == {int(p.max()) for p in (y, u, v)} == {90, 70, 200}


@pytest.mark.parametrize(
    ("pixel_format", "levels", "expected"),
    [
        (
            PixelFormat(ColourMatrix.BT709, full_range=False, bits=10),
            (64, 512, 960),
            (16, 128, 240),
        ),
        (PixelFormat(ColourMatrix.BT601, full_range=True), (0, 128, 255), (16, 128, 240)),
        (PixelFormat(ColourMatrix.BT601, full_range=True, bits=10), (1023, 0, 512), (235, 16, 128)),
        (PixelFormat(ColourMatrix.RGB, full_range=True), (255, 255, 255), (235, 128, 128)),
        (PixelFormat(ColourMatrix.RGB, full_range=True, bits=12), (0, 0, 0), (16, 128, 128)),
    ],
)
def test_levels_become_8_bit_limited_range(
    pixel_format: PixelFormat, levels: tuple[int, int, int], expected: tuple[int, int, int]
) -> None:
    planes = to_yuv420(_frame(8, 8, pixel_format=pixel_format, chroma=(1, 1), levels=levels))
    np.testing.assert_allclose([int(plane[0, 0]) for plane in planes], expected, atol=1)


def test_red_stays_red() -> None:
    frame = _frame(
        8, 8, pixel_format=PixelFormat(ColourMatrix.RGB, full_range=True), chroma=(1, 1),
        levels=(255, 0, 0),
    )  # fmt: skip
    matrix, offset = rgb_to_yuv_matrix(yuv420_format(frame))
    expected = matrix @ np.array([255, 0, 0]) + offset
    np.testing.assert_allclose([p[0, 0] for p in to_yuv420(frame)], expected, atol=1)
