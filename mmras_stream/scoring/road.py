"""Where a network sees the road."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmras_stream.types import Mask, SegmentationOutput

NAMES = ("drivable", "drivable area", "road")
"""Of classes that stand for it."""


def road_class(classes: Sequence[str]) -> int | None:
    """Return the number of the class that is the road; None where there is none.

    >>> road_class(["sky", "Road"]), road_class(["sky", "sidewalk"])
    (1, None)
    """
    plain = [name.lower().replace("_", " ").replace("-", " ") for name in classes]
    return next((plain.index(name) for name in NAMES if name in plain), None)


def road_masks(output: SegmentationOutput, road: int) -> list[Mask]:
    """Return for each frame where that class has the highest score, on the network's grid."""
    highest = output.class_scores.argmax(dim=1) == road
    return [np.asarray(mask, np.bool_) for mask in highest.cpu().numpy()]
