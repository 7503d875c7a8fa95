"""Masks survive the trip through COCO's run lengths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask

from mmras_stream.regions.rle import decode, encode, encode_crop
from mmras_stream.types import Mask

SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9)


def _picture(size: tuple[int, int], *boxes: tuple[int, int, int, int]) -> Mask:
    mask = np.zeros(size, np.bool_)
    for x, y, width, height in boxes:
        mask[y : y + height, x : x + width] = True
    return mask


@pytest.mark.parametrize(
    "mask",
    [
        _picture((4, 5)),
        _picture((4, 5), (0, 0, 5, 4)),
        _picture((4, 5), (0, 0, 1, 1)),
        _picture((4, 5), (4, 3, 1, 1)),
        _picture((9, 9), (1, 1, 7, 7)) & ~_picture((9, 9), (3, 3, 2, 2)),
        _picture((9, 20), (0, 0, 3, 9), (15, 2, 5, 3)),
        _picture((1080, 1920), (100, 900, 700, 180)),
    ],
    ids=["empty", "full", "first pixel", "last pixel", "hole", "two parts", "1080p"],
)
def test_a_mask_comes_back_as_it_went(mask: Mask) -> None:
    rle = encode(mask)
    assert isinstance(rle.counts, str)
    assert rle.size == mask.shape
    np.testing.assert_array_equal(decode(rle), mask)


@settings(max_examples=200, deadline=None)
@given(hnp.arrays(np.bool_, SHAPES), st.integers(0, 3), st.integers(0, 3), SHAPES)
def test_a_crop_is_encoded_as_its_whole_picture_is(
    crop: Mask, top: int, left: int, margin: tuple[int, ...]
) -> None:
    rows, columns = crop.shape
    size = (top + rows + margin[0] - 1, left + columns + margin[1] - 1)
    whole = np.zeros(size, np.bool_)
    whole[top : top + rows, left : left + columns] = crop
    assert encode_crop(crop, top=top, left=left, size=size) == encode(whole)


def test_a_crop_that_leaves_the_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="leaves a picture"):
        encode_crop(np.ones((3, 3), np.bool_), top=2, left=0, size=(4, 4))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@settings(max_examples=100, deadline=None)
@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=70)))
def test_decoding_agrees_with_pycocotools(mask: Mask) -> None:
    rle = encode(mask)
    theirs = coco_mask.decode({"size": list(rle.size), "counts": rle.counts})
    np.testing.assert_array_equal(decode(rle), theirs)
