"""Read which pixels of a picture are strange."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from mmras_stream.errors import DataError
from mmras_stream.evaluation.pixel import ANOMALY, IGNORE, Labels
from mmras_stream.regions.segmentation import decode_segmentation

ALSO_ANOMALY = 2
"""What RoadAnomaly writes for an anomaly."""


@dataclass(frozen=True, slots=True)
class CocoPicture:
    """A picture of a COCO file, with its annotations as they stand there."""

    file_name: str
    height: int
    width: int
    annotations: tuple[Mapping[str, object], ...]


def read_labels(path: Path, size: tuple[int, int]) -> Labels:
    """Read a mask of 0 ordinary, 1 or 2 anomaly, 255 ignored; 2 becomes 1.

    Raises:
        DataError: it cannot be read, has another size or another label.
    """
    mask = read_picture(path, cv2.IMREAD_UNCHANGED)
    if mask.ndim != 2:
        raise DataError(f"{path} has {mask.shape[2]} channels; a mask of labels has one")
    if mask.shape != size:
        raise DataError(
            f"{path} is {mask.shape[1]}x{mask.shape[0]}, its picture is {size[1]}x{size[0]}; "
            "they must be equal"
        )
    seen = np.flatnonzero(np.bincount(mask.ravel(), minlength=256))
    odd = sorted(set(seen.tolist()) - {0, ANOMALY, ALSO_ANOMALY, IGNORE})
    if odd:
        shown = ", ".join(str(value) for value in odd[:5])
        raise DataError(f"{path} holds the label {shown}; labels are 0, 1, 2 and 255")
    return np.where(mask == ALSO_ANOMALY, np.uint8(ANOMALY), mask)


def read_picture(path: Path, how: int) -> npt.NDArray[np.uint8]:
    """Read a picture of 8 bits, in OpenCV's order of channels.

    Raises:
        DataError: it is none.
    """
    picture = cv2.imread(str(path), how)
    if picture is None or picture.dtype != np.uint8:
        raise DataError(f"cannot read {path} as a picture of 8 bits")
    return np.asarray(picture, np.uint8)


def read_coco(path: Path) -> tuple[CocoPicture, ...]:
    """Read the pictures of a COCO file, by file name.

    Raises:
        DataError: it cannot be read or is no COCO file.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        annotations: dict[object, list[Mapping[str, object]]] = {}
        for annotation in content["annotations"]:
            annotations.setdefault(annotation["image_id"], []).append(annotation)
        pictures = [
            CocoPicture(
                str(image["file_name"]),
                int(image["height"]),
                int(image["width"]),
                tuple(annotations.get(image["id"], ())),
            )
            for image in content["images"]
        ]
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path} is no COCO file of images and annotations: {error!r}") from error
    return tuple(sorted(pictures, key=lambda picture: picture.file_name))


def coco_labels(path: Path, picture: CocoPicture, size: tuple[int, int]) -> Labels:
    """Draw the annotations of a picture; those of crowds (`iscrowd`) are ignored regions.

    Args:
        path: The COCO file, for messages.
        picture: From `read_coco`.
        size: Height and width of the picture itself.

    Raises:
        DataError: the sizes differ, or an annotation has no mask that can be drawn.
    """
    if (picture.height, picture.width) != size:
        raise DataError(
            f"{path} says that {picture.file_name} is {picture.width}x{picture.height}, "
            f"it is {size[1]}x{size[0]}"
        )
    labels = np.zeros(size, np.uint8)
    for is_crowd, label in ((True, IGNORE), (False, ANOMALY)):  # what is sure comes last
        for annotation in picture.annotations:
            if bool(annotation.get("iscrowd")) is is_crowd:
                labels[annotation_mask(path, annotation, size)] = label
    return labels


def annotation_mask(
    path: Path, annotation: Mapping[str, object], size: tuple[int, int]
) -> npt.NDArray[np.bool_]:
    """Draw one annotation.

    Args:
        path: The COCO file, for messages.
        annotation: With a polygon or run lengths, compressed or not, as `segmentation`.
        size: Height and width of its picture.

    Raises:
        DataError: it has no mask of that size.
    """
    whose = f"{path}: annotation {annotation.get('id')}"
    return decode_segmentation(annotation.get("segmentation"), size, of=whose)
