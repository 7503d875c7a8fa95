"""Reviewed pictures: which regions of them are strange, which were wrongly proposed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmras_stream.errors import DataError
from mmras_stream.regions.segmentation import decode_segmentation
from mmras_stream.training.coco_pictures import (
    Annotation,
    CocoFile,
    ListedPicture,
    PictureFolder,
    read_coco_file,
)
from mmras_stream.training.recipe import Reviewed
from mmras_stream.training.verdicts import Verdict, is_retraced, verdict_of
from mmras_stream.types import Mask

STILL_THERE = 0.25
"""Share of a proposal that annotations of the review must cover, else it was taken away."""

SAME_BOX = 0.5
"""Intersection over union of boxes from which an annotation without a mask is a proposal."""


@dataclass(frozen=True, slots=True, eq=False)
class _Proposed:
    mask: Mask
    is_retraced: bool


@dataclass(frozen=True, slots=True, eq=False)
class ReviewedPicture:
    """A picture that a person looked at; masks are of its size, one to a region."""

    path: Path
    size: tuple[int, int]
    """Height and width, as the file says."""
    accepted: tuple[Mask, ...]
    rejected: tuple[Mask, ...]
    unsure: tuple[Mask, ...]


def read_review(reviewed: Reviewed, data: Path) -> Iterator[ReviewedPicture]:
    """Read what became of the proposals, picture by picture.

    A proposal is rejected by its category, by an attribute (see `verdict_of`), or, where the file
    from before the review is known, by having been taken away. Whatever else bears an annotation
    is accepted. `iscrowd` says nothing: CVAT sets it for every mask. Pictures that the reviewed
    file does not list were not looked at. A mask with the attribute `retraced` is rough, and
    of what the network did not find strange: kept it is unsure, taken away it is no rejection.

    Args:
        reviewed: The files.
        data: Folder that their paths start from.

    Raises:
        DataError: a file, picture or mask is not what it should be, or nothing is accepted and
            nothing rejected.
    """
    folder = data / reviewed.images
    if not folder.is_dir():
        raise DataError(f"review {reviewed.name!r}: no folder {folder}")
    pictures = PictureFolder(folder)
    file = read_coco_file(data / reviewed.coco)
    listed = _located([file], pictures.find)
    befores = [read_coco_file(data / path) for path in reviewed.proposals]
    # of several drives, frames have equal numbers: only whole names tell whose they are
    find = pictures.find_whole if len(befores) > 1 else pictures.find_any
    proposed = _located(befores, find)
    if befores and not proposed.keys() & listed.keys():
        raise DataError(f"{befores[0].path} and {file.path} have no picture in common")
    taught = False
    for path, (_, picture) in listed.items():
        before = _proposed(*proposed[path], picture) if path in proposed else []
        judged = _judged(file, picture, path, before)
        taught |= bool(judged.accepted or judged.rejected)
        yield judged
    if not taught:
        raise DataError(
            f"{file.path} accepts nothing and rejects nothing; if proposals were deleted, give "
            "the file from before the review, as in --proposals keyframes.coco.json"
        )


def _located(
    files: Sequence[CocoFile], find: Callable[[str], Path | None]
) -> dict[Path, tuple[CocoFile, ListedPicture]]:
    located: dict[Path, tuple[CocoFile, ListedPicture]] = {}
    for file in files:
        for listed in file.pictures:
            path = find(listed.file_name)
            if path in located:
                _, other = located[path]
                raise DataError(
                    f"{file.path}: {other.file_name} and {listed.file_name} are both {path}"
                )
            if path is not None:
                located[path] = file, listed
    return located


def _proposed(file: CocoFile, before: ListedPicture, now: ListedPicture) -> list[_Proposed]:
    if before.size != now.size:
        raise DataError(
            f"{file.path} says that {before.file_name} is {before.size[1]}x{before.size[0]}, the "
            f"reviewed file {now.size[1]}x{now.size[0]}"
        )
    return [
        _Proposed(
            decode_segmentation(one.get("segmentation"), now.size, of=_name(file, one)),
            is_retraced(one, of=_name(file, one)),
        )
        for one in before.annotations
    ]


def _judged(
    file: CocoFile, listed: ListedPicture, path: Path, before: Sequence[_Proposed]
) -> ReviewedPicture:
    found: dict[Verdict, list[Mask]] = {verdict: [] for verdict in Verdict}
    for one in listed.annotations:
        category = file.categories.get(one.get("category_id"), "")
        verdict = verdict_of(one, category, of=_name(file, one))
        if is_retraced(one, of=_name(file, one)):
            verdict = Verdict.UNSURE
        found[verdict].append(_mask(file, one, listed.size, before))
    annotated = _union([mask for masks in found.values() for mask in masks], listed.size)
    kept = _union(found[Verdict.ACCEPTED] + found[Verdict.UNSURE], listed.size)
    seen = [one.mask for one in before if not one.is_retraced]
    taken_away = [m for m in seen if (m & annotated).sum() < STILL_THERE * m.sum()]
    return ReviewedPicture(
        path,
        listed.size,
        accepted=_filled(found[Verdict.ACCEPTED]),
        rejected=_filled(mask & ~kept for mask in found[Verdict.REJECTED] + taken_away),
        unsure=_filled(found[Verdict.UNSURE]),
    )


def _mask(
    file: CocoFile, annotation: Annotation, size: tuple[int, int], before: Sequence[_Proposed]
) -> Mask:
    """Draw an annotation; one that has only a box gets the mask of the proposal that lies there."""
    if annotation.get("segmentation"):
        return decode_segmentation(annotation["segmentation"], size, of=_name(file, annotation))
    box = _box_of(annotation)
    overlaps = [_box_overlap(box, one.mask) for one in before] if box else []
    if not overlaps or max(overlaps) < SAME_BOX:
        raise DataError(
            f"{_name(file, annotation)} has no mask; export masks or polygons, or give the file "
            "from before the review with --proposals"
        )
    return before[int(np.argmax(overlaps))].mask


def _box_of(annotation: Mapping[str, object]) -> tuple[float, float, float, float] | None:
    box = annotation.get("bbox")
    if not isinstance(box, list) or [type(value) in (int, float) for value in box] != [True] * 4:
        return None
    x, y, width, height = box
    return x, y, x + width, y + height


def _box_overlap(box: tuple[float, float, float, float], mask: Mask) -> float:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return 0.0
    other = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    across = min(box[2], other[2]) - max(box[0], other[0])
    down = min(box[3], other[3]) - max(box[1], other[1])
    shared = max(0.0, across) * max(0.0, down)
    areas = sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (box, other))
    return float(shared / max(areas - shared, 1e-9))


def _union(masks: Sequence[Mask], size: tuple[int, int]) -> Mask:
    union: Mask = np.zeros(size, np.bool_)
    for mask in masks:
        union |= mask
    return union


def _filled(masks: Iterable[Mask]) -> tuple[Mask, ...]:
    return tuple(mask for mask in masks if mask.any())


def _name(file: CocoFile, annotation: Annotation) -> str:
    return f"{file.path}: annotation {annotation.get('id')}"
