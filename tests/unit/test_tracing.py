"""Masks are carried along by texture, and given up where it is gone."""

from __future__ import annotations

import numpy as np
import pytest

from mmras_stream.regions.place import Place
from mmras_stream.temporal.tracing import MaskTrace
from mmras_stream.types import Mask
from moving_thing import Moving, agreement


def drawn(place: Place, moving: Moving) -> Mask:
    mask = np.zeros((moving.height, moving.width), np.bool_)
    height, width = place.mask.shape
    mask[place.top : place.top + height, place.left : place.left + width] = place.mask
    return mask


@pytest.mark.parametrize(
    "moving",
    [
        Moving(),
        Moving(side=20, growth=1.03, speed=(1.5, 0.8)),
        Moving(side=90, growth=0.97, start=(200, 120), speed=(-2.5, 0)),
        Moving(side=60, start=(300, 250), height=540, width=1280),
    ],
)
def test_a_mask_follows_its_thing_forth_and_back(moving: Moving) -> None:
    last = 24
    for indices in (range(last + 1), range(last, -1, -1)):
        trace = MaskTrace(moving.proposal(indices[0]), moving.frame(indices[0]))
        for index in indices[1:]:
            place = trace.follow(moving.frame(index))
            assert place is not None, index
            assert agreement(drawn(place, moving), moving.mask(index)) > 0.6, index


def test_a_mask_is_followed_to_where_its_thing_is_far_away_and_small() -> None:
    moving = Moving(side=9, growth=1.04, start=(150, 100), speed=(1.2, 0.7))
    last = 50
    trace = MaskTrace(moving.proposal(last), moving.frame(last))
    for index in range(last - 1, -1, -1):
        place = trace.follow(moving.frame(index))
        assert place is not None, index
        assert agreement(drawn(place, moving), moving.mask(index)) > 0.7, index


def test_a_thing_that_is_gone_is_lost() -> None:
    moving = Moving(speed=(0, 0))
    trace = MaskTrace(moving.proposal(0), moving.frame(0))
    assert trace.follow(moving.frame(1)) is not None
    assert trace.follow(moving.frame(2, without=True)) is None


def test_a_thing_that_leaves_the_picture_is_lost_with_its_last_part() -> None:
    moving = Moving(start=(20, 100), speed=(-3, 0))
    trace = MaskTrace(moving.proposal(0), moving.frame(0))
    areas = []
    for index in range(1, 20):
        place = trace.follow(moving.frame(index))
        if place is None:
            break
        areas.append(int(place.mask.sum()))
    assert 3 <= len(areas) < 19
    assert areas == sorted(areas, reverse=True)


def test_nothing_can_be_followed_where_there_is_no_texture() -> None:
    moving = Moving()
    flat = moving.frame(0)
    flat.planes[0][:] = 90
    assert MaskTrace(moving.proposal(0), flat).follow(flat) is None
