"""A track says when a thing was seen, how strange it was and whether it comes nearer."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from mmras_stream.regions.ground import placed
from mmras_stream.regions.rle import encode
from mmras_stream.tracks import TrackLog
from mmras_stream.types import Mask, Moment, Proposal, Rle

NOTHING = Rle((1, 1), "01")


def seen(
    log: TrackLog,
    index: int,
    *,
    side: float = 10.0,
    score: float = 0.5,
    on_road: float | None = None,
    overlap: float | None = None,
) -> None:
    area = max(1, round(side**2))
    thing = Proposal(
        index, index, (0, 0, 1, 1), area, NOTHING, score, 7, on_road=on_road, overlap=overlap
    )
    log.add(Moment(index, index, Fraction(1, 25)), thing)


def test_a_track_spans_first_to_last_sight_and_keeps_the_peak() -> None:
    log = TrackLog()
    for index, score in ((50, 0.6), (51, 0.9), (75, 0.7)):
        seen(log, index, score=score)
    (track,) = log.tracks()
    assert (track.track_id, track.frames, len(log)) == (7, 3, 1)
    assert (track.first_frame_index, track.last_frame_index) == (50, 75)
    assert (track.first_seconds, track.last_seconds) == (2.0, 3.0)
    assert track.peak_score == 0.9
    assert (track.on_road, track.stability) == (None, None)


def test_growth_is_the_inverse_of_the_time_to_contact() -> None:
    coming, standing = TrackLog(), TrackLog()
    for index in range(25):
        distance = 50 - 0.4 * index  # metres, at 10 m/s: contact 4.52 s after the middle
        seen(coming, index, side=5000 / distance)
        seen(standing, index)
    assert coming.tracks()[0].growth_per_second == pytest.approx(1 / 4.52, rel=0.02)
    assert standing.tracks()[0].growth_per_second == 0


def test_growth_is_unknown_after_one_sight() -> None:
    log = TrackLog()
    seen(log, 0)
    assert log.tracks()[0].growth_per_second is None


def test_road_and_stability_are_means_of_what_is_known() -> None:
    log = TrackLog()
    seen(log, 0, on_road=0.5)
    seen(log, 1, on_road=1.0, overlap=0.6)
    seen(log, 2, overlap=0.8)
    (track,) = log.tracks()
    assert track.on_road == pytest.approx(0.75)
    assert track.stability == pytest.approx(0.7)


def _standing(left: int, top: int) -> Proposal:
    mask: Mask = np.zeros((90, 160), np.bool_)
    mask[top : top + 20, left : left + 20] = True
    return Proposal(0, 0, (left, top, 20, 20), 400, encode(mask), 0.9)


def test_a_thing_on_the_road_is_told_from_one_beside_it_and_one_above() -> None:
    road: Mask = np.zeros((9, 16), np.bool_)
    road[4:, 5:11] = True
    on, beside, above, edge = placed(
        [_standing(70, 50), _standing(10, 50), _standing(70, 5), _standing(95, 50)], road
    )
    assert (on.on_road, beside.on_road, above.on_road) == (1.0, 0.0, 0.0)
    assert edge.on_road is not None
    assert 0.2 < edge.on_road < 0.8


def test_a_thing_that_leaves_no_ground_to_see_has_no_place() -> None:
    whole = Proposal(0, 0, (0, 0, 160, 90), 160 * 90, encode(np.ones((90, 160), np.bool_)), 0.9)
    assert placed([whole], np.ones((9, 16), np.bool_))[0].on_road is None
