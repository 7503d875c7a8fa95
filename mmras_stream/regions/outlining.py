"""Fit masks to the edges that the picture shows: a network's maps are coarser than pictures."""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from mmras_stream.regions.place import Place
from mmras_stream.types import Frame, Mask

MARGIN = 3.0
"""Cells around a mask whose colours tell what a thing stands before."""

GROWTH = 1.0
"""Cells by which an outline may lie outside a mask, at most."""

CORE = 0.5
"""Cells from the border of a mask to where it surely shows the thing."""

LONGEST = 64
"""Pixels of the longer side of what is looked at, at most; what is larger is shrunk."""

LEAST_KEPT = 0.3
"""Share of a mask's area that its outline has at least, lest the picture be taken to show no thing
there."""

ROUNDS = 1
"""Of GrabCut; a second gains nothing on drives."""

THING = (cv2.GC_FGD, cv2.GC_PR_FGD)
"""Marks of what surely or probably is the thing."""

_Bytes: TypeAlias = npt.NDArray[np.uint8]


def outlined(place: Place, frame: Frame, *, cell: float) -> Place:
    """Return a mask brought to the edges of the picture, or itself where these tell nothing.

    By GrabCut (Rother, Kolmogorov and Blake 2004, doi 10.1145/1015706.1015720): colours inside and
    around the mask say which pixels near its border are whose.

    Args:
        place: As it was cut out of a map; not empty.
        frame: Whose picture it is.
        cell: Pixels from one cell of the map to the next.
    """
    area, mask = _window(place, frame, round(MARGIN * cell))
    marks = np.full(mask.shape, cv2.GC_BGD, np.uint8)
    marks[_grown(mask, round(GROWTH * cell))] = cv2.GC_PR_BGD
    marks[mask] = cv2.GC_PR_FGD
    marks[~_grown(~mask, round(CORE * cell))] = cv2.GC_FGD
    own = _segmented(_picture(frame, area), marks)
    if own is None or np.count_nonzero(own) < LEAST_KEPT * place.area:
        return place
    return Place(own, area[1].start, area[0].start).tight() or place


def _window(place: Place, frame: Frame, margin: int) -> tuple[tuple[slice, slice], Mask]:
    """Return rows and columns of the frame around a mask, and the mask over them."""
    height, width = place.mask.shape
    rows = slice(max(0, place.top - margin), min(frame.height, place.top + height + margin))
    columns = slice(max(0, place.left - margin), min(frame.width, place.left + width + margin))
    mask: Mask = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.bool_)
    return (rows, columns), place.within(Place(mask, columns.start, rows.start))


def _grown(mask: Mask, pixels: int) -> Mask:
    side = 2 * max(1, pixels) + 1
    return np.asarray(cv2.dilate(mask.view(np.uint8), np.ones((side, side)))).view(np.bool_)


def _picture(frame: Frame, area: tuple[slice, slice]) -> _Bytes:
    """Return a part of a picture, (height, width, 3), in its own colour space and 8 bits."""
    size = (area[1].stop - area[1].start, area[0].stop - area[0].start)
    planes = []
    for plane in frame.planes:
        # an odd side of the picture is halved upwards
        tall, wide = -(-frame.height // plane.shape[0]), -(-frame.width // plane.shape[1])
        rows, columns = (
            slice(part.start // step, -(-part.stop // step))
            for part, step in zip(area, (tall, wide), strict=True)
        )
        values = plane[rows, columns].cpu().numpy() >> (frame.pixel_format.bits - 8)
        planes.append(cv2.resize(values.astype(np.uint8), size, interpolation=cv2.INTER_LINEAR))
    return np.dstack(planes)


def _segmented(picture: _Bytes, marks: _Bytes) -> Mask | None:
    """Return what GrabCut takes for the thing; None where one of the two sides is not seen."""
    share = min(1.0, LONGEST / max(marks.shape))
    size = tuple(max(1, round(share * side)) for side in marks.shape[::-1])
    small = cv2.resize(marks, size, interpolation=cv2.INTER_NEAREST)
    if not (small == cv2.GC_BGD).any() or not np.isin(small, THING).any():
        return None
    looked_at = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    cv2.grabCut(looked_at, small, None, None, None, ROUNDS, cv2.GC_INIT_WITH_MASK)  # type: ignore[call-overload]  # no box, no colours known
    own = np.isin(small, THING).astype(np.float32)
    large = cv2.resize(own, marks.shape[::-1], interpolation=cv2.INTER_LINEAR) > 0.5
    mask: Mask = large & (marks != cv2.GC_BGD)
    return mask
