"""A region that holds two things is cut where they are known to be, and others stay whole."""

from __future__ import annotations

import numpy as np
import pytest

from mmras_stream.regions.place import Place
from mmras_stream.temporal.sharing import shared_out
from mmras_stream.types import Mask

SIZE = 60, 80


def box(left: int, top: int, width: int, height: int) -> Place:
    return Place(np.ones((height, width), np.bool_), left, top)


def drawn(place: Place) -> Mask:
    mask: Mask = np.zeros(SIZE, np.bool_)
    height, width = place.mask.shape
    mask[place.top : place.top + height, place.left : place.left + width] = place.mask
    return mask


def test_each_pixel_goes_to_the_nearer_place() -> None:
    region = box(10, 20, 40, 10)
    parts = shared_out(region, box(12, 18, 8, 10), box(40, 20, 14, 10))
    assert parts is not None
    one, other = parts
    assert not (drawn(one) & drawn(other)).any()
    assert (drawn(one) | drawn(other) == drawn(region)).all()
    assert (one.left, one.left + one.mask.shape[1]) == (10, 30), "up to the middle between them"


def test_a_thing_of_which_nothing_is_known_gets_what_is_left() -> None:
    region, one = box(10, 20, 40, 10), box(5, 18, 15, 14)
    parts = shared_out(region, one, None)
    assert parts is not None
    assert (drawn(parts[0]) == (drawn(region) & drawn(one))).all()
    assert (drawn(parts[1]) == (drawn(region) & ~drawn(one))).all()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (box(60, 20, 8, 8), box(12, 22, 8, 8)),  # lies elsewhere
        (box(12, 22, 8, 8), box(60, 20, 8, 8)),
        (box(12, 22, 8, 8), box(14, 22, 8, 8)),  # the same place
        (box(40, 0, 10, 30), box(12, 22, 8, 8)),  # mostly outside
        (box(8, 18, 41, 14), None),  # all of it
        (box(0, 0, 8, 8), None),
    ],
)
def test_other_regions_stay_whole(one: Place, other: Place | None) -> None:
    assert shared_out(box(10, 20, 40, 10), one, other) is None
