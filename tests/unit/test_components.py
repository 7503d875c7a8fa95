"""Regions are the connected parts of a map, measured exactly in frame pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from mmras_stream.regions.components import find_regions
from mmras_stream.regions.rle import decode
from mmras_stream.types import AnomalyMap, Mask, Proposal, ScoreMap

SIZES = [((6, 8), (30, 40)), ((6, 9), (20, 24)), ((7, 5), (31, 23)), ((5, 6), (5, 6))]


def _map(rows: list[str], *, scale: int = 4, low: float = 0.1, high: float = 0.9) -> AnomalyMap:
    scores = np.array([[high if c == "#" else low for c in row] for row in rows], np.float32)
    height, width = scores.shape
    return AnomalyMap(7, scores, height * scale, width * scale)


def _find(anomaly_map: AnomalyMap, *, min_area: int | None = 1) -> tuple[Proposal, ...]:
    return find_regions(anomaly_map, pts=70, threshold=0.5, min_area=min_area)


def _whole(scores: ScoreMap, size: tuple[int, int]) -> ScoreMap:
    enlarged = cv2.resize(scores, size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(enlarged, np.float32)


def test_a_calm_map_has_no_regions() -> None:
    assert _find(_map(["....", "...."])) == ()


def _hysteresis(anomaly_map: AnomalyMap, *, min_area: int = 1) -> tuple[Proposal, ...]:
    return find_regions(anomaly_map, pts=70, threshold=0.5, faint_threshold=0.4, min_area=min_area)


def test_faint_regions_are_found_beside_the_strong() -> None:
    anomaly_map = _map(["..........", ".###...##.", ".###...##.", ".........."], high=0.45)
    anomaly_map.scores[1:3, 2] = 0.9
    found = _hysteresis(anomaly_map)
    assert [p.score for p in found] == pytest.approx([0.9, 0.45])
    assert found == (*_find(anomaly_map), found[1]), "0.75 of 0.9 is above both thresholds"
    assert found[1].bbox_xywh[0] > 20


def test_what_is_strong_in_patches_is_one_region_as_far_as_it_is_faint() -> None:
    anomaly_map = _map(["........", ".######.", ".######.", "........"], high=0.45)
    anomaly_map.scores[1:3, [1, 6]] = 0.55
    assert len(_find(anomaly_map)) == 2
    (whole,) = _hysteresis(anomaly_map)
    assert whole.score == pytest.approx(0.55)
    assert whole.bbox_xywh[2] > 20


def test_a_score_must_be_reached_by_as_many_cells_as_the_smallest_region_has() -> None:
    anomaly_map = _map(["......", ".####.", ".####.", "......"], high=0.45)
    anomaly_map.scores[1, 1:4] = 0.7, 0.8, 0.9
    assert [_hysteresis(anomaly_map, min_area=n * 16)[0].score for n in (1, 2, 3, 4)] == (
        pytest.approx([0.9, 0.8, 0.7, 0.45])
    )


def test_a_score_equal_to_the_threshold_is_not_above_it() -> None:
    assert _find(_map(["....", ".##."], high=0.5)) == ()


def test_a_region_carries_frame_time_and_highest_score() -> None:
    anomaly_map = _map(["......", ".####.", ".####.", "......"])
    anomaly_map.scores[2, 3] = 0.95
    (region,) = _find(anomaly_map)
    assert (region.frame_index, region.pts, region.track_id) == (7, 70, None)
    assert region.score == pytest.approx(0.95)


def test_a_hole_stays_a_hole() -> None:
    (region,) = _find(_map(["#####", "#...#", "#...#", "#...#", "#####"]))
    mask = decode(region.rle)
    assert not mask[10, 10]
    assert region.bbox_xywh == (0, 0, 20, 20)


def test_regions_may_touch_every_border() -> None:
    found = _find(_map(["##....##", "........", "........", "##....##"]))
    corners = {(p.bbox_xywh[0] == 0, p.bbox_xywh[1] == 0) for p in found}
    ends = {(p.bbox_xywh[0] + p.bbox_xywh[2], p.bbox_xywh[1] + p.bbox_xywh[3]) for p in found}
    assert len(found) == len(corners) == 4
    assert (32, 16) in ends


def test_cells_that_touch_at_a_corner_are_one_region() -> None:
    assert len(_find(_map(["#...", ".#..", "....", "...#"]))) == 2


@pytest.mark.parametrize("rows", [["##.##"] * 3, ["##.##", "##.#.", "##..."]])
def test_close_regions_stay_separate(rows: list[str]) -> None:
    left, right = (decode(p.rle) for p in _find(_map(rows, low=0.49)))
    assert not (left & right).any()


def test_regions_below_the_minimum_area_are_dropped() -> None:
    anomaly_map = _map(["#.....", "......", "...###", "...###"])
    small, large = sorted(p.area for p in _find(anomaly_map))
    assert [p.area for p in _find(anomaly_map, min_area=large)] == [large]
    assert _find(anomaly_map, min_area=large + 1) == ()
    assert [p.area for p in _find(anomaly_map, min_area=None)] == [large]
    assert small < 4 * 16 <= large


def test_the_strangest_region_comes_first() -> None:
    anomaly_map = _map(["##..##", "##..##", "......", "##...."])
    anomaly_map.scores[0, 5] = 0.99
    scores = [p.score for p in _find(anomaly_map)]
    assert scores[0] == pytest.approx(0.99)
    assert [p.bbox_xywh[1] for p in _find(anomaly_map)][1:] == [0, 12]


def test_one_pixel_is_a_region_where_the_map_is_as_fine_as_the_frame() -> None:
    (region,) = _find(_map(["....", "..#.", "...."], scale=1))
    assert (region.bbox_xywh, region.area) == ((2, 1, 1, 1), 1)


def test_a_frame_smaller_than_its_map_is_no_trouble() -> None:
    scores = np.full((4, 6), 0.9, np.float32)
    (region,) = find_regions(AnomalyMap(0, scores, 1, 1), pts=0, threshold=0.5)
    assert (region.bbox_xywh, region.area) == ((0, 0, 1, 1), 1)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_score_that_is_not_a_number_is_refused_by_frame(bad: float) -> None:
    anomaly_map = _map(["....", "...."])
    anomaly_map.scores[1, 1] = bad
    with pytest.raises(ValueError, match="frame 7"):
        _find(anomaly_map)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(SIZES), st.floats(0.2, 0.9))
def test_regions_partition_the_enlarged_map(
    seed: int, sizes: tuple[tuple[int, int], tuple[int, int]], threshold: float
) -> None:
    """Together they are the slow answer: the whole map enlarged, then cut."""
    grid, size = sizes
    scores = np.random.default_rng(seed).random(grid, np.float32)
    found = find_regions(AnomalyMap(0, scores, *size), pts=0, threshold=threshold, min_area=1)
    together = sum((decode(p.rle).astype(int) for p in found), np.zeros(size, int))
    assert together.max() <= 1
    enlarged = _whole(scores, size)
    clear = np.abs(enlarged - threshold) > 1e-5
    np.testing.assert_array_equal(together[clear] == 1, (enlarged > threshold)[clear])
    for region in found:
        _assert_measured_exactly(region, decode(region.rle))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(SIZES), st.floats(0.4, 0.9))
def test_with_two_thresholds_regions_lie_between_and_share_nothing(
    seed: int, sizes: tuple[tuple[int, int], tuple[int, int]], threshold: float
) -> None:
    grid, size = sizes
    scores = np.random.default_rng(seed).random(grid, np.float32)
    faint = 0.6 * threshold
    found = find_regions(
        AnomalyMap(0, scores, *size), pts=0, threshold=threshold, faint_threshold=faint, min_area=1
    )
    together = sum((decode(p.rle).astype(int) for p in found), np.zeros(size, int))
    assert together.max() <= 1
    enlarged = _whole(scores, size)
    assert together[enlarged > threshold + 1e-5].all()
    assert not together[enlarged < faint - 1e-5].any()
    for region in found:
        _assert_measured_exactly(region, decode(region.rle))


def _assert_measured_exactly(region: Proposal, mask: Mask) -> None:
    coded = {"size": list(region.rle.size), "counts": region.rle.counts}
    assert region.area == int(mask.sum()) == int(coco_mask.area(coded))
    assert list(region.bbox_xywh) == coco_mask.toBbox(coded).tolist()
