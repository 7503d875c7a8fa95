"""Fit masks to the edges that the picture shows: a network's maps are coarser than pictures."""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from mmras_stream.regions.place import Place
from mmras_stream.types import Frame, Mask

PER_CELL = 1.5
"""Nats for the thing for each cell into the mask, and against it for each cell out of it."""

MOST_TOLD = 2.0
"""Nats that a colour says for or against, at most: a mask is sure where its border is far. GrabCut
(Rother, Kolmogorov and Blake 2004), in which colours say all, cuts a thing now larger, now smaller:
on 24 drives things then change between found and missed 241 times, 191 times with this."""

REACH = MOST_TOLD / PER_CELL
"""Cells from the border of a mask to its outline, at most."""

MARGIN = 3.0
"""Cells around a mask whose colours tell what a thing stands before."""

NOISE = 6.0
"""Levels of 255 by which a colour spreads at least: what compression leaves of a plain area."""

CALM = 3
"""Pixels of a side of the square over which what colours say is averaged, against specks."""

LONGEST = 160
"""Pixels of the longer side of what is looked at, at most; what is larger is shrunk."""

FEWEST = 16
"""Pixels inside and around a mask that tell of colours."""

LEAST_KEPT = 0.4
"""Share of a mask's area that its outline has at least, lest the picture be taken to show no thing
there."""

_Floats: TypeAlias = npt.NDArray[np.float32]


def outlined(place: Place, frame: Frame, *, cell: float) -> Place:
    """Return a mask brought to the edges of the picture, or itself where these tell nothing.

    A pixel near the border of the mask belongs to the thing if its colour is rather one from
    inside the mask than one from around it, each taken to be normally distributed (quadratic
    discriminant analysis), and the more so the further inside it lies.

    Args:
        place: As it was cut out of a map; not empty.
        frame: Whose picture it is.
        cell: Pixels from one cell of the map to the next.
    """
    area, mask = _window(place, frame, round(MARGIN * cell))
    inwards = _inwards(mask) / np.float32(cell)
    size = _size(mask)
    small = cv2.resize(inwards, size, interpolation=cv2.INTER_AREA)
    inside, around = small > 0, small < -REACH
    if min(np.count_nonzero(inside), np.count_nonzero(around)) < FEWEST:
        return place
    colours = _colours(frame, area, size)
    told = _log_density(colours, colours[inside]) - _log_density(colours, colours[around])
    told = cv2.blur(np.clip(told, -MOST_TOLD, MOST_TOLD), (CALM, CALM))
    told = cv2.resize(told, mask.shape[::-1], interpolation=cv2.INTER_LINEAR)
    own = _without_specks(told + PER_CELL * inwards > 0, cell * cell)
    if np.count_nonzero(own) < LEAST_KEPT * place.area:
        return place
    return Place(own, area[1].start, area[0].start).tight() or place


def _window(place: Place, frame: Frame, margin: int) -> tuple[tuple[slice, slice], Mask]:
    """Return rows and columns of the frame around a mask, and the mask over them."""
    height, width = place.mask.shape
    rows = slice(max(0, place.top - margin), min(frame.height, place.top + height + margin))
    columns = slice(max(0, place.left - margin), min(frame.width, place.left + width + margin))
    mask: Mask = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.bool_)
    return (rows, columns), place.within(Place(mask, columns.start, rows.start))


def _inwards(mask: Mask) -> _Floats:
    """Return how many pixels each place lies inside the mask; negative outside."""
    inside, outside = (
        cv2.distanceTransform(side.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3)
        for side in (mask, ~mask)
    )
    return np.asarray(inside - outside, np.float32)


def _without_specks(mask: Mask, least: float) -> Mask:
    """Return a mask without its pieces that are smaller than so many pixels."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    kept = stats[:, cv2.CC_STAT_AREA] >= least
    kept[0] = False  # what is not mask
    return np.asarray(kept[labels], np.bool_)


def _size(mask: Mask) -> tuple[int, int]:
    """Return the width and height in which the colours over a mask are looked at."""
    share = min(1.0, LONGEST / max(mask.shape))
    height, width = (max(1, round(share * side)) for side in mask.shape)
    return width, height


def _colours(frame: Frame, area: tuple[slice, slice], size: tuple[int, int]) -> _Floats:
    """Return a part of a picture, (height, width, 3), in its own colour space, 0..255."""
    planes = []
    for plane in frame.planes:
        # an odd side of the picture is halved upwards
        tall, wide = -(-frame.height // plane.shape[0]), -(-frame.width // plane.shape[1])
        rows, columns = (
            slice(part.start // step, -(-part.stop // step))
            for part, step in zip(area, (tall, wide), strict=True)
        )
        values = plane[rows, columns].cpu().numpy().astype(np.float32)
        way = cv2.INTER_AREA if values.shape[0] > size[1] else cv2.INTER_LINEAR
        planes.append(cv2.resize(values, size, interpolation=way))
    return np.dstack(planes) / np.float32(1 << (frame.pixel_format.bits - 8))


def _log_density(colours: _Floats, known: _Floats) -> _Floats:
    """Return the log density of colours, (height, width, 3), but for a constant.

    It is that of the normal distribution that others, (N, 3), have.
    """
    spread = np.cov(known, rowvar=False) + NOISE**2 * np.eye(3)
    whitening = np.linalg.inv(np.linalg.cholesky(spread)).T.astype(np.float32)
    apart = (colours - known.mean(axis=0)) @ whitening
    density = np.log(whitening.diagonal()).sum() - 0.5 * np.square(apart).sum(axis=-1)
    return np.asarray(density, np.float32)
