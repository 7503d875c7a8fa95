"""Small reviewed pictures, as labelling tools export them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from mmras_stream.types import Mask

HEIGHT, WIDTH = 72, 128


def square(left: int, top: int, side: int = 20, *, hole: int = 0) -> Mask:
    """Return the mask of a square, perhaps with a square hole in its middle."""
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[top : top + side, left : left + side] = True
    margin = (side - hole) // 2
    mask[top + margin : top + margin + hole, left + margin : left + margin + hole] = False
    return mask


def compressed(mask: Mask) -> dict[str, Any]:
    """Return runs as text, as our own files have them."""
    coded = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return {"size": list(mask.shape), "counts": coded["counts"].decode()}


def runs(mask: Mask) -> dict[str, Any]:
    """Return runs as numbers, as CVAT writes them."""
    flat = np.concatenate(([0], mask.T.ravel().astype(np.int8), [0]))
    edges = np.flatnonzero(np.diff(flat))
    counts = np.diff(np.concatenate(([0], edges, [mask.size])))
    return {"size": list(mask.shape), "counts": counts.tolist()}


def annotation(segmentation: object, *, image: int = 1, **more: object) -> dict[str, Any]:
    """Return an annotation of the category `anomaly`, if no other is given."""
    return {"image_id": image, "category_id": 1, "segmentation": segmentation, **more}


def write_pictures(folder: Path, *names: str) -> None:
    """Write grey pictures with a blue square at (10, 40) and a red one at (80, 40)."""
    for name in names:
        picture = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
        picture[square(10, 40)] = (200, 40, 40)
        picture[square(80, 40)] = (40, 40, 200)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), picture)


def write_coco(
    path: Path, annotations: list[dict[str, Any]], names: tuple[str, ...] = ("000001.jpg",)
) -> Path:
    """Write a file of pictures numbered from 1, and annotations numbered from 1."""
    categories = ["anomaly", "rejected", "unsure", "False_Positive"]
    images = [
        {"id": number, "file_name": name, "height": HEIGHT, "width": WIDTH}
        for number, name in enumerate(names, start=1)
    ]
    content = {
        "images": images,
        "annotations": [{"id": n, **one} for n, one in enumerate(annotations, start=1)],
        "categories": [{"id": n, "name": name} for n, name in enumerate(categories, start=1)],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path
