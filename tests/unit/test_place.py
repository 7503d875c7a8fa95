"""Masks in a part of a frame."""

from __future__ import annotations

import numpy as np
import pytest

from mmras_stream.regions.place import Place
from mmras_stream.regions.rle import encode
from mmras_stream.types import Mask, Proposal

PLACE = Place(np.ones((6, 8), np.bool_), 10, 20)


def region(left: int, top: int, width: int, height: int) -> Proposal:
    mask: Mask = np.zeros((40, 40), np.bool_)
    mask[top : top + height, left : left + width] = True
    return Proposal(0, 0, (left, top, width, height), width * height, encode(mask), 0.9)


@pytest.mark.parametrize(
    ("other", "shared"),
    [
        (region(0, 0, 40, 40), 48),
        (region(17, 25, 3, 3), 1),
        (region(18, 20, 3, 6), 0),  # side by side with it
        (region(7, 20, 3, 6), 0),
        (region(10, 26, 8, 3), 0),
        (region(10, 17, 8, 3), 0),
    ],
)
def test_a_place_meets_what_it_shares_pixels_with_and_loses_these(
    other: Proposal, shared: int
) -> None:
    assert PLACE.meets(other) == (shared > 0)
    assert PLACE.without(other).area == PLACE.area - shared


@pytest.mark.parametrize("left", [5, 8, 14, 30])
@pytest.mark.parametrize("top", [10, 18, 23, 35])
def test_a_place_is_seen_over_the_crop_of_another(left: int, top: int) -> None:
    other = Place(np.zeros((7, 9), np.bool_), left, top)
    whole: Mask = np.zeros((60, 60), np.bool_)
    whole[20:26, 10:18] = True
    assert (PLACE.within(other) == whole[top : top + 7, left : left + 9]).all()
