"""Small labelled sets, drawn for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

HEIGHT, WIDTH = 64, 96

Bytes = npt.NDArray[np.uint8]


def picture(seed: int = 0) -> Bytes:
    """Return a grey road with a bright box on it, in OpenCV's order of channels."""
    noise = np.random.default_rng(seed).integers(80, 110, (HEIGHT, WIDTH, 3), np.uint8)
    noise[20:40, 30:60] = (20, 200, 250)
    return noise


def mask(label: int = 1) -> Bytes:
    """Return the labels of such a picture; the top is ignored."""
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[20:40, 30:60] = label
    labels[:4] = 255
    return labels


def labelled_folder(folder: Path, count: int = 2, *, suffix: str = "", label: int = 1) -> Path:
    """Write `images/` and `labels_masks/` with pictures called 0, 1 and so on."""
    for part in ("images", "labels_masks"):
        (folder / part).mkdir(parents=True)
    for number in range(count):
        save(folder / "images" / f"{number}.jpg", picture(number))
        save(folder / "labels_masks" / f"{number}{suffix}.png", mask(label))
    return folder


def save(path: Path, pixels: Bytes) -> Path:
    """Write a picture."""
    assert cv2.imwrite(str(path), pixels)
    return path


def coco_file(path: Path, names: list[str], **annotation: Any) -> Path:  # Any: JSON values
    """Write a COCO file that names pictures and has one annotation, of the first."""
    images = [
        {"id": 7 + number, "file_name": name, "width": WIDTH, "height": HEIGHT}
        for number, name in enumerate(names)
    ]
    annotations = [{"id": 1, "image_id": 7, "category_id": 1, **annotation}]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": []}))
    return path
