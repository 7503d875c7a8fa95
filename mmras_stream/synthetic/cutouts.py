"""Things cut out of photographs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mmras_stream.errors import DataError
from mmras_stream.synthetic.look import Floats
from mmras_stream.types import Image

OUTLIER = 254
"""Marks strangeness in a label picture."""


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """A thing without its surroundings."""

    image: Image
    alpha: Floats
    """(height, width), 0..1."""
    label: int = OUTLIER


def load_cutouts(folder: Path) -> list[Cutout]:
    """Read every picture with an alpha channel, sorted by name, trimmed to what is opaque.

    Raises:
        DataError: the folder is missing or holds none.
    """
    if not folder.is_dir():
        raise DataError(f"no folder of cut-outs at {folder}; is the path right?")
    cutouts = []
    for path in sorted(folder.glob("*.png")):
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if picture is None or picture.ndim != 3 or picture.shape[2] != 4:
            continue
        alpha = picture[..., 3].astype(np.float32) / np.float32(255)
        rows, cols = np.nonzero(alpha > 0.5)
        if rows.size:
            box = np.s_[rows.min() : rows.max() + 1, cols.min() : cols.max() + 1]
            image = cv2.cvtColor(picture[box][..., :3], cv2.COLOR_BGR2RGB).astype(np.uint8)
            cutouts.append(Cutout(image, alpha[box]))
    if not cutouts:
        raise DataError(f"{folder} holds no PNG with an alpha channel, of which cut-outs are made")
    return cutouts
