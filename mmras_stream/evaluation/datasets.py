"""Labelled sets that quality is measured on, in the layouts they come in."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TypeAlias

from mmras_stream.errors import DataError
from mmras_stream.evaluation.labels import coco_labels, read_coco, read_labels
from mmras_stream.evaluation.pixel import Labels
from mmras_stream.pictures import SUFFIXES, is_picture

SEMANTIC = "_labels_semantic"
"""What SegmentMeIfYouCan adds to the names of its masks."""

DRIVES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".ts", ".webm")

Size: TypeAlias = tuple[int, int]
"""Height and width in pixels."""


class Layout(StrEnum):
    """How pictures and labels lie together."""

    VALIDATION = "validation"
    """`images/NAME.jpg` and `labels_masks/NAME.png`, as in the Validation_Dataset."""
    SMIYC = "smiyc"
    """`images/NAME.jpg` and `labels_masks/NAME_labels_semantic.png`: SegmentMeIfYouCan."""
    COCO = "coco"
    """Pictures in a folder and a COCO file, whose annotations are all anomalies."""
    DRIVE = "drive"
    """A video and masks named by frame number, 0-based, such as `cow_0120.png`."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture and its ground truth."""

    name: str
    """Of the picture, without its suffix; what exported files are called."""
    gt: Path
    """The file that holds the labels."""
    labels: Callable[[Size], Labels]
    """Reads the labels of a picture of a size: 1 anomaly, 0 ordinary, 255 ignored."""
    image: Path | None = None
    """None for a frame of a drive."""
    frame_index: int = 0
    """0-based number in the drive."""


@dataclass(frozen=True, slots=True)
class Split:
    """What is measured as a whole."""

    name: str
    layout: Layout
    samples: tuple[Sample, ...]
    """By name, or by frame."""
    drive: Path | None = None
    """The video, in the layout of that name."""


def open_split(path: Path, *, gt: Path | None = None, layout: str = "auto") -> Split:
    """Find the samples of a set.

    Args:
        path: A folder as `Layout` describes them, or a video.
        gt: A COCO file for the pictures of a folder, or a folder of masks for a video.
        layout: Name of a `Layout`; `auto` looks at what is there.

    Raises:
        DataError: nothing is there, a mask is missing, or layouts are mixed.
    """
    if layout != "auto" and layout not in set(Layout):
        raise DataError(f"no layout called {layout!r}; known: auto, {', '.join(Layout)}")
    if not path.exists():
        raise DataError(f"there is nothing at {path}")
    found = Layout(layout) if layout != "auto" else _detected(path, gt)
    if found is Layout.DRIVE:
        return _drive(path, gt)
    if found is Layout.COCO:
        if gt is None:
            raise DataError("the layout coco needs a file of labels, as in --gt labels.json")
        return Split(path.name, found, _coco_samples(path, gt))
    if gt is not None:
        raise DataError(f"--gt belongs to the layouts coco and drive, {path} has {found.value}")
    return Split(path.resolve().name, found, _masked_samples(path, found))


def _detected(path: Path, gt: Path | None) -> Layout:
    if path.is_file():
        return Layout.DRIVE
    if gt is not None and not gt.is_dir():
        return Layout.COCO
    drives = [file for file in path.iterdir() if file.suffix.lower() in DRIVES]
    if drives and (path / "images").is_dir():
        raise DataError(
            f"{path} mixes layouts: it holds images/ and the drive {drives[0].name}; "
            "give --layout validation, smiyc or drive"
        )
    if drives:
        return Layout.DRIVE
    _check_folders(path)
    masks = _pictures(path / "labels_masks")
    semantic = [mask for mask in masks if mask.stem.endswith(SEMANTIC)]
    plain = [mask for mask in masks if not re.search(r"_labels_semantic(_color)?$", mask.stem)]
    if semantic and plain:
        raise DataError(
            f"{path} mixes layouts: labels_masks/ holds {semantic[0].name}, as of "
            f"SegmentMeIfYouCan, and {plain[0].name}; give --layout smiyc or validation"
        )
    return Layout.SMIYC if semantic else Layout.VALIDATION


def _check_folders(folder: Path) -> None:
    for part in ("images", "labels_masks"):
        if not (folder / part).is_dir():
            raise DataError(
                f"{folder} has no {part}/; it must hold images/ and labels_masks/, or give "
                "labels with --gt"
            )


def _masked_samples(folder: Path, layout: Layout) -> tuple[Sample, ...]:
    _check_folders(folder)
    suffix = SEMANTIC if layout is Layout.SMIYC else ""
    pictures = _pictures(folder / "images")
    if not pictures:
        raise DataError(f"{folder / 'images'} holds no picture ({', '.join(SUFFIXES)})")
    if layout is Layout.SMIYC:
        # beside these lie the pictures of the test set, whose labels are not given away
        pictures = [one for one in pictures if one.stem.startswith("validation")] or pictures
    samples = []
    for picture in pictures:
        mask = folder / "labels_masks" / f"{picture.stem}{suffix}.png"
        if not mask.is_file():
            raise DataError(f"{picture.name} has no mask at {mask}")
        samples.append(Sample(picture.stem, mask, partial(read_labels, mask), picture))
    name, times = Counter(sample.name for sample in samples).most_common(1)[0]
    if times > 1:
        raise DataError(f"{folder / 'images'} holds {times} pictures called {name}")
    return tuple(samples)


def _coco_samples(folder: Path, gt: Path) -> tuple[Sample, ...]:
    samples = []
    for entry in read_coco(gt):
        picture = folder / entry.file_name
        if not picture.is_file():
            raise DataError(f"{gt} names the picture {entry.file_name}, which is not in {folder}")
        name = str(Path(entry.file_name).with_suffix("")).replace("/", "_")
        samples.append(Sample(name, gt, partial(coco_labels, gt, entry), picture))
    if not samples:
        raise DataError(f"{gt} names no picture")
    return tuple(samples)


def _drive(path: Path, gt: Path | None) -> Split:
    drive, masks = path, gt
    if path.is_dir():
        drives = sorted(file for file in path.iterdir() if file.suffix.lower() in DRIVES)
        if len(drives) != 1:
            raise DataError(f"{path} must hold one drive, it holds {len(drives)}")
        drive, masks = drives[0], gt or path / "labels_masks"
    if masks is None or not masks.is_dir():
        raise DataError(
            f"the drive {drive.name} needs a folder of masks named by frame number, "
            "as in --gt masks/"
        )
    samples = [_frame_sample(mask) for mask in _pictures(masks)]
    if not samples:
        raise DataError(f"{masks} holds no mask")
    by_frame: dict[int, Sample] = {}
    for sample in samples:
        other = by_frame.setdefault(sample.frame_index, sample)
        if other is not sample:
            raise DataError(f"{other.gt.name} and {sample.gt.name} are both of one frame")
    return Split(
        drive.stem, Layout.DRIVE, tuple(by_frame[index] for index in sorted(by_frame)), drive
    )


def _frame_sample(mask: Path) -> Sample:
    numbers = re.findall(r"\d+", mask.stem.removesuffix(SEMANTIC))
    if not numbers:
        raise DataError(f"{mask} has no frame number in its name, such as cow_0120.png")
    index = int(numbers[-1])
    return Sample(f"{index:06d}", mask, partial(read_labels, mask), frame_index=index)


def _pictures(folder: Path) -> Sequence[Path]:
    return sorted((file for file in folder.iterdir() if is_picture(file)), key=_natural)


def _natural(path: Path) -> tuple[tuple[bool, int, str], ...]:
    parts = re.findall(r"\d+|\D+", path.name)
    return tuple((part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts)
