"""Labelled folders that quality is measured on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmras_stream.errors import DataError
from mmras_stream.pictures import SUFFIXES, is_picture


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture and its ground truth."""

    image: Path
    gt_mask: Path


def list_samples(folder: Path) -> list[Sample]:
    """Return the samples of a folder with `images/` and `labels_masks/`, sorted by name.

    Raises:
        DataError: a folder is missing or empty, or a picture has no mask.
    """
    images, masks = folder / "images", folder / "labels_masks"
    for part in (images, masks):
        if not part.is_dir():
            raise DataError(f"{folder} has no {part.name}/; it must hold images/ and labels_masks/")
    pictures = sorted(path for path in images.iterdir() if is_picture(path))
    if not pictures:
        raise DataError(f"{images} holds no picture ({', '.join(SUFFIXES)})")
    samples = [Sample(path, masks / f"{path.stem}.png") for path in pictures]
    for sample in samples:
        if not sample.gt_mask.is_file():
            raise DataError(f"{sample.image.name} has no mask at {sample.gt_mask}")
    return samples
