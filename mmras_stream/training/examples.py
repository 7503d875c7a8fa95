"""Reviewed pictures in memory, with what each place of them teaches."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from mmras_stream.errors import DataError
from mmras_stream.synthetic.cutouts import OUTLIER, Cutout
from mmras_stream.training.outliers import CLASSLESS, DOUBTFUL, GROUND, Labels
from mmras_stream.training.recipe import Reviewed
from mmras_stream.training.reviewed import ReviewedPicture, read_review
from mmras_stream.types import Image, Mask

RIM = 0.006
"""Of the width: how far around a region its outline is not trusted."""


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """What bears a verdict."""

    middle: tuple[float, float]
    """Column and row."""
    thing: Cutout


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A reviewed picture, made as small as crops need it: 768x432 takes 2 MB."""

    image: Image
    labels: Labels
    """Marks of `outliers`."""
    weights: npt.NDArray[np.float32]
    """(H, W), of the outlier loss."""
    horizon: float
    """As a share of the height."""
    accepted: tuple[Region, ...]
    rejected: tuple[Region, ...]


def load_examples(review: Reviewed, data: Path, *, widest: int) -> list[Example]:
    """Read the pictures of a review.

    Args:
        review: Where they are.
        data: Folder that its paths start from.
        widest: Pixels; wider pictures are made smaller.

    Raises:
        DataError: a file, picture or mask is not what it should be.
    """
    return [_example(picture, review, widest) for picture in read_review(review, data)]


def _example(picture: ReviewedPicture, review: Reviewed, widest: int) -> Example:
    image = _image(picture, review, widest)
    size = (image.shape[1], image.shape[0])
    accepted, rejected, unsure = (
        [_small(mask, size) for mask in masks]
        for masks in (picture.accepted, picture.rejected, picture.unsure)
    )
    labels = _road(size, review.horizon)
    weights = np.full(labels.shape, review.rest_weight, np.float32)
    for mask in rejected:
        labels[mask] = CLASSLESS
        weights[_widened(mask)] = review.rejected_weight
    for mask in (*unsure, *accepted):
        labels[_widened(mask)] = DOUBTFUL
    for mask in accepted:
        labels[mask] = OUTLIER
    return Example(
        image,
        labels,
        weights,
        review.horizon,
        accepted=tuple(_region(image, mask, OUTLIER) for mask in accepted),
        rejected=tuple(_region(image, mask, CLASSLESS) for mask in rejected),
    )


def _image(picture: ReviewedPicture, review: Reviewed, widest: int) -> Image:
    pixels = cv2.imread(str(picture.path))
    if pixels is None:
        raise DataError(f"review {review.name!r}: cannot read the picture {picture.path}")
    height, width = picture.size
    if pixels.shape[:2] != picture.size:
        raise DataError(
            f"review {review.name!r}: {picture.path} is {pixels.shape[1]}x{pixels.shape[0]}, "
            f"the file says {width}x{height}"
        )
    image = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    if width > widest:
        size = (widest, max(1, round(height * widest / width)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(image, np.uint8)


def _road(size: tuple[int, int], horizon: float) -> Labels:
    width, height = size
    labels = np.full((height, width), CLASSLESS, np.uint8)
    corners = [(width // 2, int(horizon * height)), (width, height), (0, height)]
    cv2.fillPoly(labels, [np.array(corners, np.int32)], (GROUND,))
    return labels


def _small(mask: Mask, size: tuple[int, int]) -> Mask:
    """Bring a mask to a size; however small it becomes, something is left."""
    share = np.asarray(
        cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA), np.float32
    )
    return np.asarray(share >= min(0.5, float(share.max())), np.bool_)


def _widened(mask: Mask) -> Mask:
    reach = max(1, round(RIM * mask.shape[1]))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel), np.bool_)


def _region(image: Image, mask: Mask, label: int) -> Region:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    place = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    middle = (float(columns.mean()), float(rows.mean()))
    return Region(middle, Cutout(image[place], mask[place].astype(np.float32), label))
