"""COCO files as labelling tools export them, and the pictures that they mean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mmras_stream.errors import DataError
from mmras_stream.pictures import is_picture

Annotation = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ListedPicture:
    """A picture as a COCO file has it."""

    file_name: str
    size: tuple[int, int]
    """Height and width."""
    annotations: tuple[Annotation, ...]


@dataclass(frozen=True, slots=True)
class CocoFile:
    """What is read of a file."""

    path: Path
    pictures: tuple[ListedPicture, ...]
    categories: Mapping[object, str]
    """Id -> name."""


def read_coco_file(path: Path) -> CocoFile:
    """Read pictures, annotations and categories.

    Raises:
        DataError: it cannot be read, is no COCO file, or has an annotation without a picture.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        categories = {one["id"]: str(one["name"]) for one in content.get("categories", ())}
        annotations: dict[object, list[Annotation]] = {one["id"]: [] for one in content["images"]}
        for annotation in content["annotations"]:
            if annotation["image_id"] not in annotations:
                raise DataError(
                    f"{path}: annotation {annotation.get('id')} belongs to the picture "
                    f"{annotation['image_id']}, which the file does not list"
                )
            annotations[annotation["image_id"]].append(annotation)
        pictures = tuple(
            ListedPicture(
                str(one["file_name"]),
                (int(one["height"]), int(one["width"])),
                tuple(annotations[one["id"]]),
            )
            for one in content["images"]
        )
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{path} is no COCO file of images and annotations: {error!r}") from error
    if not pictures:
        raise DataError(f"{path} lists no pictures")
    return CocoFile(path, pictures, categories)


class PictureFolder:
    """Finds pictures by the names that files of labels give them.

    Tools put other folders before a name, or leave them out: what ends most alike is meant.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._by_name: dict[str, list[Path]] = {}
        for path in sorted(folder.rglob("*")):
            if is_picture(path):
                self._by_name.setdefault(path.name, []).append(path)

    def find(self, file_name: str) -> Path:
        """Return the path of a picture.

        Raises:
            DataError: there is none, or several fit equally well.
        """
        wanted = PurePosixPath(file_name.replace("\\", "/"))
        if (self._folder / wanted).is_file():
            return self._folder / wanted
        candidates = self._by_name.get(wanted.name, [])
        alike = [_shared_end(wanted.parts, path.parts) for path in candidates]
        best = [path for path, n in zip(candidates, alike, strict=True) if n == max(alike)]
        if not best:
            raise DataError(
                f"no picture {file_name} in {self._folder}; give the folder that holds the "
                "pictures, as in --images FOLDER"
            )
        if len(best) > 1:
            raise DataError(
                f"{file_name} may be {best[0]} or {best[1]}; give --images a folder that holds "
                "only one of them, or review one drive at a time"
            )
        return best[0]

    def find_any(self, file_name: str) -> Path | None:
        """Return the same, or None where no picture has this name, in whatever folder."""
        known = PurePosixPath(file_name.replace("\\", "/")).name in self._by_name
        return self.find(file_name) if known else None

    def find_whole(self, file_name: str) -> Path | None:
        """Return the picture whose path ends in all of the name, or None."""
        parts = PurePosixPath(file_name.replace("\\", "/")).parts
        for path in self._by_name.get(parts[-1], []):
            if path.parts[-len(parts) :] == parts:
                return path
        return None


def _shared_end(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    count = 0
    for mine, theirs in zip(reversed(one), reversed(other), strict=False):
        if mine != theirs:
            break
        count += 1
    return count
