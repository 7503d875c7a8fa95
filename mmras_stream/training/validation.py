"""Pictures with pasted things that training never saw, to measure on while training."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import cv2
import numpy as np

from mmras_stream.errors import DataError
from mmras_stream.synthetic.cutouts import OUTLIER
from mmras_stream.training.data import CropSource
from mmras_stream.training.outliers import DOUBTFUL, IGNORE, Labels
from mmras_stream.training.recipe import Recipe

PICTURES = 200


def write_validation_set(
    recipe: Recipe, data: Path, folder: Path, *, pictures: int = PICTURES
) -> Generator[Path, None, None]:
    """Fill a folder with `images/` and `labels_masks/`, the same pictures on every call.

    They show the sources of the recipe that are kept for validation, with the cut-outs and the
    kinds of things that are held out.  `mmras-stream evaluate` reads the folder.

    Yields:
        Each picture when it has been written.

    Raises:
        DataError: the folder holds something already.
    """
    if folder.exists() and any(folder.iterdir()):
        raise DataError(f"{folder} is not empty; give a new folder for the validation pictures")
    crops = CropSource(recipe, data, validation=True)
    for part in ("images", "labels_masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for number in range(pictures):
        whole = crops.compose(number)
        path = folder / "images" / f"{number:04d}.png"
        cv2.imwrite(str(path), cv2.cvtColor(whole.image, cv2.COLOR_RGB2BGR))
        mask = folder / "labels_masks" / path.name
        cv2.imwrite(str(mask), _gt_mask(whole.labels))
        yield path


def _gt_mask(labels: Labels) -> Labels:
    mask: Labels = (labels == OUTLIER).astype(np.uint8)
    mask[(labels == IGNORE) | (labels == DOUBTFUL)] = 255
    return mask
