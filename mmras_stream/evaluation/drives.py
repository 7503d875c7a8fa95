"""Read what is strange in every frame of a drive."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from mmras_stream.errors import DataError
from mmras_stream.evaluation.datasets import DRIVES
from mmras_stream.evaluation.labels import annotation_mask
from mmras_stream.evaluation.pixel import ANOMALY, IGNORE, Labels
from mmras_stream.types import Frame, Mask

SUFFIX = ".coco.json"
"""Of the labels of a drive, in place of the suffix of its video."""

Annotation: TypeAlias = Mapping[str, Any]  # Any: JSON values


@dataclass(frozen=True, slots=True, eq=False)
class FrameTruth:
    """What is strange in one frame."""

    things: Mapping[int, Mask]
    """Track id -> its pixels, at least one; two things may share some."""
    ignored: Mask
    """Pixels that count neither way; none of a thing."""

    @property
    def labels(self) -> Labels:
        """Of each pixel: 1 strange, 0 ordinary, 255 ignored."""
        labels = np.where(self.ignored, np.uint8(IGNORE), np.uint8(0))
        for mask in self.things.values():
            labels[mask] = ANOMALY
        return labels


@dataclass(frozen=True, slots=True, eq=False)
class DriveTruth:
    """The labels of a whole drive: whatever frame is not annotated is ordinary."""

    path: Path
    height: int
    width: int
    length: int
    """Frames of the drive, from the first on, for which the labels speak."""
    frames: frozenset[int]
    """Numbers of the frames that the file lists."""
    pts: Mapping[int, int]
    """Frame -> presentation time stamp, where the file gives one."""
    annotations: Mapping[int, Sequence[Annotation]]
    """Frame -> what is annotated there."""

    def at(self, frame: Frame) -> FrameTruth:
        """Draw the annotations of one frame.

        Raises:
            DataError: the frame has another size, or an annotation no mask that can be drawn.
        """
        if (frame.height, frame.width) != (self.height, self.width):
            raise DataError(
                f"{self.path} labels frames of {self.width}x{self.height}, the drive's are "
                f"{frame.width}x{frame.height}; they must be equal"
            )
        size = (self.height, self.width)
        things: dict[int, Mask] = {}
        anything, ignored = np.zeros(size, np.bool_), np.zeros(size, np.bool_)
        for annotation in self.annotations.get(frame.index, ()):
            mask = annotation_mask(self.path, annotation, size)
            if _is_ignored(annotation):
                ignored |= mask
            elif mask.any():
                track_id = _track_id(self.path, annotation)
                things[track_id] = mask | things[track_id] if track_id in things else mask
                anything |= mask
        return FrameTruth(things, ignored & ~anything)

    @property
    def holds_things(self) -> bool:
        """Tell whether anything is annotated that is not ignored."""
        return any(not _is_ignored(a) for frame in self.annotations.values() for a in frame)


@dataclass(frozen=True, slots=True, eq=False)
class LabelledDrive:
    """A video and its labels."""

    name: str
    video: Path
    truth: DriveTruth


def open_drives(path: Path, *, gt: Path | None = None) -> tuple[LabelledDrive, ...]:
    """Find a drive and its labels, or all drives of a folder, by name.

    Args:
        path: A video, or a folder of videos `NAME.mp4`, each with `NAME.coco.json`.
        gt: Labels of the one video; None takes those that lie beside it.

    Raises:
        DataError: a drive has no labels, they cannot be used, or all of them are empty.
    """
    if not path.exists():
        raise DataError(f"there is nothing at {path}")
    if path.is_dir() and gt is not None:
        raise DataError(f"{path} is a folder, whose drives have their labels beside them; no --gt")
    videos = [path] if path.is_file() else sorted(_videos(path))
    if not videos:
        raise DataError(f"{path} holds no drive ({', '.join(DRIVES)})")
    drives = []
    for video in videos:
        labels = gt or video.with_name(video.stem + SUFFIX)
        if not labels.is_file():
            raise DataError(f"the drive {video.name} has no labels at {labels}; say where, by --gt")
        drives.append(LabelledDrive(video.stem, video, read_truth(labels)))
    if not any(drive.truth.holds_things for drive in drives):
        which = drives[0].truth.path if len(drives) == 1 else path
        raise DataError(
            f"{which}: nothing strange is annotated, so nothing can be found or missed; measure "
            "ordinary drives in a folder together with others"
        )
    return tuple(drives)


def read_truth(path: Path) -> DriveTruth:
    """Read a COCO file of one drive, as `annotate` writes it.

    An image needs `frame_index` (or `frame_id`), an annotation `track_id`, or `iscrowd` or
    `ignore` where its area shall count neither way. Several annotations of one track in one
    frame are one thing. `videos[0].length` says how many frames the labels speak for; without it
    they end with the last image.

    Raises:
        DataError: it cannot be read, or is no such file.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        truth = _truth(path, content)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{path} is no COCO file of a drive's frames: {error!r}") from error
    for of_frame in truth.annotations.values():
        for annotation in of_frame:
            if not _is_ignored(annotation):
                _track_id(path, annotation)
    return truth


def _truth(path: Path, content: Mapping[str, Any]) -> DriveTruth:  # Any: JSON values
    images, videos = content["images"], content.get("videos") or [{}]
    if not images:
        raise DataError(f"{path} lists no frame")
    if len(videos) > 1:
        raise DataError(f"{path} labels {len(videos)} drives; write a file for each")
    numbers = {image["id"]: _number(path, image) for image in images}
    frames = frozenset(numbers.values())
    sizes = {(int(image["height"]), int(image["width"])) for image in images}
    if len(sizes) > 1:
        raise DataError(f"{path} lists frames of {len(sizes)} sizes; a drive has one")
    length = int(videos[0].get("length") or max(frames) + 1)
    if max(frames) >= length:
        raise DataError(
            f"{path} lists frame {max(frames)} of a drive of {length} frames; label every frame, "
            "counted from 0"
        )
    annotations: dict[int, list[Annotation]] = {}
    for annotation in content["annotations"]:
        annotations.setdefault(numbers[annotation["image_id"]], []).append(annotation)
    pts = {numbers[image["id"]]: int(image["pts"]) for image in images if "pts" in image}
    return DriveTruth(path, *next(iter(sizes)), length, frames, pts, annotations)


def _number(path: Path, image: Mapping[str, Any]) -> int:  # Any: JSON values
    number = image.get("frame_index", image.get("frame_id"))
    if number is None:
        raise DataError(f"{path}: image {image['id']} has no frame_index, counted from 0")
    return int(number)


def _is_ignored(annotation: Annotation) -> bool:
    return bool(annotation.get("iscrowd") or annotation.get("ignore"))


def _track_id(path: Path, annotation: Annotation) -> int:
    """Return which thing an annotation shows; labelling tools keep that among the attributes."""
    attributes = annotation.get("attributes") or {}
    number = annotation.get("track_id", attributes.get("track_id"))
    if number is None:
        raise DataError(
            f"{path}: annotation {annotation.get('id')} has no track_id; give each thing one "
            "number throughout the drive"
        )
    return int(number)


def _videos(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if file.suffix.lower() in DRIVES]
