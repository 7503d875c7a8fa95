"""One physical thing has one id."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

import numpy as np
import pytest
import torch

from mmras_stream.motion import Cut, Flow, Motion
from mmras_stream.regions.components import find_regions
from mmras_stream.regions.rle import decode, encode
from mmras_stream.settings import ProposalSettings, TemporalSettings
from mmras_stream.temporal.motion import DisMotion
from mmras_stream.temporal.tracker import MotionTracker, SeenThing
from mmras_stream.temporal.watching import MotionWatch
from mmras_stream.types import AnomalyMap, Frame, Mask, Proposal
from shaky_drive import GREY, frame_of, texture

Box = tuple[int, int, int, int]

HEIGHT, WIDTH = 180, 320
UNKNOWN = Motion()
START = Motion(cut=Cut.START)
PLANE = torch.zeros(HEIGHT, WIDTH, dtype=torch.uint8)
AT_ONCE = TemporalSettings(min_duration_seconds=0.0)


def frame(milliseconds: int) -> Frame:
    return Frame(0, milliseconds, Fraction(1, 1000), (PLANE, PLANE, PLANE), GREY)


def region(box: Box, score: float = 0.9, on_road: float | None = None) -> Proposal:
    x, y, w, h = box
    mask: Mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[y : y + h, x : x + w] = True
    return Proposal(0, 0, box, w * h, encode(mask), score, on_road=on_road)


def new_tracker(
    settings: TemporalSettings = AT_ONCE,
    wanted: ProposalSettings | None = None,
    *,
    frame_seconds: float = 0.0,
) -> MotionTracker:
    return MotionTracker(
        settings, wanted or ProposalSettings(), threshold=0.5, frame_seconds=frame_seconds
    )


def ids(seen: Iterable[SeenThing]) -> list[int | None]:
    return [one.track_id for one in seen]


def follow(
    tracker: MotionTracker, frames: Sequence[Sequence[Proposal]], *, milliseconds: int = 40
) -> list[list[int | None]]:
    """Return the ids as they were known at once; only the first frame is a cut."""
    return [
        ids(tracker.update(frame(milliseconds * i), proposals, UNKNOWN if i else START))
        for i, proposals in enumerate(frames)
    ]


def test_a_thing_keeps_its_id_while_it_moves_and_grows() -> None:
    boxes = [(10 + 6 * i, 20 + 2 * i, 12 + i, 8 + i) for i in range(12)]
    assert follow(new_tracker(), [[region(box)] for box in boxes]) == [[1]] * 12


@pytest.mark.parametrize("size", [12, 16, 40])
def test_fifteen_pixels_a_frame_to_the_right_keep_the_id(size: int) -> None:
    boxes = [(10 + 15 * i, 60, size, size) for i in range(18)]
    assert follow(new_tracker(), [[region(box)] for box in boxes]) == [[1]] * 18


def test_small_things_keep_their_ids_while_the_camera_shakes() -> None:
    """Each jump is larger than the things and than the space between them."""
    random = np.random.default_rng(1)
    tracker, seen, place = new_tracker(), [], np.array([100, 80])
    for i in range(30):
        jump = random.integers(-12, 13, 2) if i else np.zeros(2, np.int64)
        place = place + jump
        forward: Flow = np.empty((45, 80, 2), np.float32)
        forward[:] = jump / 4  # cells of 4 pixels
        boxes: list[Box] = [(int(place[0]) + 14 * k, int(place[1]), 8, 8) for k in range(3)]
        motion = Motion(-forward, forward, np.ones((45, 80), np.bool_))
        seen.append(ids(tracker.update(frame(40 * i), [region(box) for box in boxes], motion)))
    assert seen == [[1, 2, 3]] * 30


def test_two_things_keep_apart_and_a_third_gets_a_new_id() -> None:
    boxes: list[Box] = [(10, 10, 20, 20), (120, 10, 20, 20)]
    first, swapped, third = follow(
        new_tracker(),
        [
            [region(box) for box in boxes],
            [region(box) for box in reversed(boxes)],
            [region((10, 140, 20, 20))],
        ],
    )
    assert (first, swapped, third) == ([1, 2], [2, 1], [3])


def test_two_things_in_one_region_do_not_take_turns() -> None:
    apart = [region((60, 80, 20, 20)), region((90, 80, 20, 20))]
    melted = [[region((60 + 5 * (i % 2), 80, 45, 20))] for i in range(8)]
    seen = follow(new_tracker(), [*[apart] * 4, *melted])
    assert len({tuple(ids) for ids in seen[4:]}) == 1


def crossing(index: int, *, speed: int = 5) -> list[Proposal]:
    """Two things on one line that meet, melt into one region and separate again."""
    scores = np.full((HEIGHT // 4, WIDTH // 4), 0.1, np.float32)
    for x in (20 + speed * index, 260 - speed * index):
        scores[18:24, x // 4 : x // 4 + 7] = 0.9
    regions = find_regions(AnomalyMap(0, scores, HEIGHT, WIDTH), pts=0, threshold=0.5)
    return sorted(regions, key=lambda p: p.bbox_xywh[0])


def test_two_things_that_cross_keep_their_ids() -> None:
    seen = follow(new_tracker(), [crossing(i) for i in range(48)])
    assert seen[0] == [1, 2]
    assert {len(one) for one in seen[22:26]} == {1}
    assert seen[-1] == [2, 1]
    assert {number for one in seen for number in one} == {1, 2}


@pytest.mark.parametrize("speed", [0, 4])
def test_half_a_second_out_of_sight_keeps_the_id(speed: int) -> None:
    hidden = range(15, 28)
    frames = [[] if i in hidden else [region((20 + speed * i, 60, 20, 20))] for i in range(40)]
    seen = follow(new_tracker(), frames)
    assert seen == [[] if i in hidden else [1] for i in range(40)]


def test_longer_out_of_sight_gives_a_new_id() -> None:
    tracker = new_tracker(TemporalSettings(min_duration_seconds=0.0, max_gap_seconds=0.4))
    box = (10, 10, 20, 20)
    seen = {
        time: ids(tracker.update(frame(time), [region(box)] if shown else [], UNKNOWN))
        for time, shown in [(0, 1), (200, 0), (350, 1), (550, 0), (700, 0), (800, 0), (900, 1)]
    }
    assert (seen[350], seen[900]) == ([1], [2])


def test_a_cut_ends_everything() -> None:
    tracker = new_tracker()
    tracker.update(frame(0), [region((10, 10, 20, 20))], START)
    scene = Motion(cut=Cut.SCENE)
    assert ids(tracker.update(frame(40), [region((10, 10, 20, 20))], scene)) == [2]


def test_a_thing_in_two_parts_is_one_proposal_for_a_while() -> None:
    whole, left, right = (
        region(box) for box in ((40, 40, 60, 24), (40, 40, 26, 24), (70, 40, 30, 24))
    )
    tracker = new_tracker(TemporalSettings(min_duration_seconds=0.0, max_gap_seconds=0.4))
    tracker.update(frame(0), [whole], UNKNOWN)
    (joined,) = tracker.update(frame(40), [left, right], UNKNOWN)
    assert joined.track_id == 1
    assert joined.proposal.bbox_xywh == whole.bbox_xywh
    assert joined.proposal.area == left.area + right.area
    assert (decode(joined.proposal.rle) == decode(left.rle) | decode(right.rle)).all()
    later = [ids(tracker.update(frame(40 * i), [left, right], UNKNOWN)) for i in range(2, 20)]
    assert later[0] == [1]
    assert sorted(map(int, filter(None, later[-1]))) == [1, 2]


def test_what_melted_and_drifts_apart_is_two_things() -> None:
    """A ball that rolls out from before a box, with which it was seen first."""
    box = region((40, 40, 30, 60))
    tracker = new_tracker(TemporalSettings(min_duration_seconds=0.0, max_gap_seconds=2.0))
    tracker.update(frame(0), [region((40, 40, 42, 60))], START)
    seen = [
        ids(tracker.update(frame(40 * i), [box, region((70 + 2 * i, 88, 12, 12))], UNKNOWN))
        for i in range(1, 25)
    ]
    assert seen[:18] == [[1]] * 18  # until three sizes of the ball lie between them
    assert seen[18:] == [[1, 2]] * 6


def test_what_is_faint_carries_a_thing_on_but_does_not_begin_one() -> None:
    strong, faint = region((40, 40, 20, 20), 0.7), region((40, 40, 20, 20), 0.45)
    assert follow(new_tracker(), [[faint], [faint], [strong], [faint]]) == [
        [None],
        [None],
        [1],
        [1],
    ]


def test_the_first_sights_of_a_thing_get_its_id_when_it_is_believed() -> None:
    tracker = new_tracker(TemporalSettings(min_duration_seconds=0.1), frame_seconds=0.04)
    scores = [0.45, 0.7, 0.7, 0.7]
    seen = [
        one
        for i, score in enumerate(scores)
        for one in tracker.update(frame(40 * i), [region((40, 40, 20, 20), score)], UNKNOWN)
    ]
    assert ids(seen) == [1, 1, 1, 1]
    assert [one.proposal.overlap for one in seen] == [None, 1, 1, 1]


def test_a_thing_seen_too_briefly_is_not_believed() -> None:
    tracker = new_tracker(TemporalSettings(min_duration_seconds=0.2), frame_seconds=0.05)
    seen = follow(tracker, [[region((10, 10, 20, 20))]] * 6, milliseconds=50)
    assert seen == [[None], [None], [None], [1], [1], [1]]


def test_flashes_add_up_only_to_the_time_they_were_seen() -> None:
    tracker = new_tracker(TemporalSettings(min_duration_seconds=0.2), frame_seconds=0.05)
    frames = [[region((10, 10, 20, 20))] if i % 3 == 0 else [] for i in range(12)]
    seen = follow(tracker, frames, milliseconds=50)
    assert [i for i, one in enumerate(seen) if one == [1]] == [9]


def test_a_flash_after_a_gap_in_time_does_not_stand_for_the_gap() -> None:
    tracker = new_tracker(TemporalSettings(min_duration_seconds=0.2), frame_seconds=0.05)
    tracker.update(frame(0), [], START)
    gap = Motion(cut=Cut.GAP)
    assert ids(tracker.update(frame(10_000), [region((10, 10, 20, 20))], gap)) == [None]


def test_one_sight_is_enough_where_frames_are_far_apart() -> None:
    tracker = new_tracker(TemporalSettings(), frame_seconds=2.0)
    thing = region((10, 10, 20, 20))
    seen = follow(tracker, [[thing], [thing], [], [thing]], milliseconds=2000)
    assert seen == [[1], [1], [], [1]]


@pytest.mark.parametrize(
    ("wanted", "believed"),
    [
        (ProposalSettings(), [1, 2]),
        (ProposalSettings(min_peak=0.8), [1, None]),
        (ProposalSettings(on_road=0.5), [None, 1]),
        (ProposalSettings(min_peak=0.8, on_road=0.5), [None, None]),
    ],
)
def test_things_can_be_left_out_by_peak_and_place(
    wanted: ProposalSettings, believed: list[int | None]
) -> None:
    things = [region((10, 10, 20, 20), 0.9, 0.2), region((120, 10, 20, 20), 0.7, 0.8)]
    assert follow(new_tracker(wanted=wanted), [things]) == [believed]


def test_a_real_picture_carries_a_small_thing_from_its_first_sight_on() -> None:
    """Its second place is out of reach of its first: only the motion inside it tells."""
    ground, skin = texture(HEIGHT, WIDTH, 0), texture(40, 40, 1)
    watch, tracker, seen = MotionWatch(DisMotion()), new_tracker(), []
    for i in range(8):
        x = 40 + 24 * i
        picture = ground.copy()
        picture[60:76, x : x + 16] = 255 - skin[:16, :16]
        shown = frame_of(picture.astype(np.uint8), i)
        motion = watch.update(shown)
        seen.append(ids(tracker.update(shown, [region((x, 60, 16, 16))], motion)))
    assert seen == [[1]] * 8
