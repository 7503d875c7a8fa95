"""Masks as COCO's compressed run lengths, by pycocotools."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

from mmras_stream.types import Mask, Rle


def encode(mask: Mask) -> Rle:
    """Return the runs of a whole picture's mask.

    >>> encode(np.ones((2, 3), np.bool_))
    Rle(size=(2, 3), counts='06')
    """
    height, width = mask.shape
    coded = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return Rle((height, width), coded["counts"].decode("ascii"))


def encode_crop(mask: Mask, *, top: int, left: int, size: tuple[int, int]) -> Rle:
    """Return what `encode` gives for a picture of `size` that is empty around a crop.

    The picture itself is never built, so the cost is that of the crop.
    """
    height, width = size
    rows, columns = mask.shape
    if top < 0 or left < 0 or top + rows > height or left + columns > width:
        raise ValueError(f"a crop of {mask.shape} at ({top}, {left}) leaves a picture of {size}")
    padded = np.zeros((columns, rows + 2), np.int8)
    padded[:, 1:-1] = mask.T
    edges = np.diff(padded, axis=1)
    begins, ends = (_places(edges == kind, top, left, height) for kind in (1, -1))
    apart = begins[1:] != ends[:-1]  # a run that reaches the bottom may go on in the next column
    bounds = np.empty((2, 1 + np.count_nonzero(apart) if begins.size else 0), np.int64)
    if begins.size:
        bounds[0] = begins[np.concatenate(([True], apart))]
        bounds[1] = ends[np.concatenate((apart, [True]))]
    counts = np.diff(bounds.T.ravel(), prepend=0, append=height * width)
    runs = counts[:-1] if counts[-1] == 0 else counts
    coded = coco_mask.frPyObjects({"size": [height, width], "counts": runs.tolist()}, height, width)
    return Rle((height, width), coded["counts"].decode("ascii"))


def decode(rle: Rle) -> Mask:
    """Return the mask of the whole picture.

    >>> decode(Rle((2, 3), "06")).tolist()
    [[True, True, True], [True, True, True]]
    """
    height, width = rle.size
    runs = _runs(rle.counts)
    inside = np.arange(runs.size) % 2 == 1
    return np.repeat(inside, runs).reshape(width, height).T


def sample(rle: Rle, rows: npt.NDArray[np.integer], columns: npt.NDArray[np.integer]) -> Mask:
    """Return the mask on a lattice, (rows, columns), without building the picture.

    >>> sample(encode(np.eye(4, dtype=np.bool_)), np.array([1, 2]), np.array([1, 3])).tolist()
    [[True, False], [False, False]]
    """
    ends = np.cumsum(_runs(rle.counts))
    places = columns[None, :] * rle.size[0] + rows[:, None]
    inside: Mask = np.searchsorted(ends, places, side="right") % 2 == 1
    return inside


def union(parts: Sequence[Rle]) -> Rle:
    """Return the mask that holds all of the parts.

    >>> union([Rle((1, 3), "012"), Rle((1, 3), "21")]) == encode(np.array([[1, 0, 1]], np.bool_))
    True
    """
    coded = [{"size": list(part.size), "counts": part.counts} for part in parts]
    return Rle(parts[0].size, coco_mask.merge(coded)["counts"].decode("ascii"))


def _runs(counts: str) -> npt.NDArray[np.int64]:
    """Unpack run lengths; pycocotools' own `decode` costs ten times as much.

    A number is a chain of characters from "0" on, five bits in each, the lowest first; bit 6
    says that more follow, and bit 5 of the last is the sign. From the fourth number on it is the
    difference from the last but one.
    """
    codes = np.frombuffer(counts.encode("ascii"), np.uint8).astype(np.int64) - 48
    last = codes & 0x20 == 0
    begins = np.flatnonzero(np.concatenate(([True], last[:-1])))
    places = np.arange(codes.size) - np.repeat(begins, np.diff(begins, append=codes.size))
    numbers = np.add.reduceat((codes & 0x1F) << (5 * places), begins)
    negative = codes[last] & 0x10 != 0
    numbers -= np.where(negative, 1 << (5 * (places[last] + 1)), 0)
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers


def _places(
    edges: npt.NDArray[np.bool_], top: int, left: int, height: int
) -> npt.NDArray[np.int64]:
    """Return column-major places in the picture of edges in a transposed crop."""
    columns, rows = np.nonzero(edges)
    return (left + columns) * height + top + rows
