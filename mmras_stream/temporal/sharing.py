"""Cut a region into which two things have melted."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from mmras_stream.regions.place import Place
from mmras_stream.types import Mask

APART = 0.5
"""Share of the smaller of two places that they have in common at most, to be told apart."""

INSIDE = 0.4
"""Share of a place that lies in the region at least, to be in it: regions reach less far than
things. With 0.3 things change their ids more often, with 0.5 fewer are told apart."""

LEFT = 0.1
"""Share of a region that is left at least for a thing of which nothing else is known."""


def shared_out(region: Place, one: Place, other: Place | None) -> tuple[Place, Place] | None:
    """Cut the part of one thing out of a region, and return it and what is left for the other.

    Args:
        region: As it was found.
        one: Where a thing is known to be.
        other: The same of another thing, which gets each pixel that is nearer to it. None if that
            is unknown: it gets whatever the first does not cover.

    Returns:
        Both parts, without empty margins; together they are the region. None if it does not hold
        both things, or if they cannot be told apart.
    """
    inside = one.within(region)
    if not _holds(region, inside, one):
        return None
    if other is None:
        own = inside
        if np.count_nonzero(region.mask & ~own) < LEFT * region.area:
            return None
    else:
        beside = other.within(region)
        common = np.count_nonzero(inside & beside)
        if not _holds(region, beside, other) or common > APART * min(one.area, other.area):
            return None
        own = _distances(inside) < _distances(beside)
    first, second = (
        Place(region.mask & mask, region.left, region.top).tight() for mask in (own, ~own)
    )
    return None if first is None or second is None else (first, second)


def _holds(region: Place, inside: Mask, place: Place) -> bool:
    """Tell whether a place, of which a part lies in the crop of a region, lies in the region."""
    shared = np.count_nonzero(inside & region.mask)
    return bool(shared and shared >= INSIDE * place.area)


def _distances(mask: Mask) -> npt.NDArray[np.float32]:
    """Return the pixels from each place to the nearest one in a mask, which is not empty."""
    outside = (~mask).view(np.uint8)
    return np.asarray(cv2.distanceTransform(outside, cv2.DIST_L2, 3), np.float32)
