"""The masks of COCO annotations, in each way that tools write them."""

from __future__ import annotations

import numpy as np
from pycocotools import mask as coco_mask

from mmras_stream.errors import DataError
from mmras_stream.types import Mask


def decode_segmentation(segmentation: object, size: tuple[int, int], *, of: str) -> Mask:
    """Draw a `segmentation`: polygons, or runs as a list of numbers or compressed to text.

    Args:
        segmentation: As it stands in the file.
        size: Height and width of the picture.
        of: Whose it is, for messages.

    Raises:
        DataError: it is none of these, or a mask of another size.
    """
    try:
        if isinstance(segmentation, list):
            polygons = [_polygon(points) for points in segmentation]
            coded = coco_mask.merge(coco_mask.frPyObjects(polygons, *size))
        elif isinstance(segmentation, dict) and isinstance(segmentation.get("counts"), list):
            coded = coco_mask.frPyObjects(segmentation, *segmentation["size"])
        else:
            coded = segmentation
        mask = np.asarray(coco_mask.decode(coded), np.bool_)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
        raise DataError(f"{of} has no polygon or RLE as segmentation") from error
    if mask.shape != size:
        raise DataError(
            f"{of} has a mask of {mask.shape[1]}x{mask.shape[0]}, "
            f"its picture is {size[1]}x{size[0]}"
        )
    return mask


def _polygon(points: object) -> list[float]:
    """Return x, y, x, y and so on; what is shorter than a triangle pycocotools takes for a box."""
    if not isinstance(points, list) or len(points) < 6 or len(points) % 2:
        raise ValueError
    return [float(value) for value in points]
