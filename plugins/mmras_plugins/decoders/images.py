"""Read a folder of pictures as if it were a video of one frame per second."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from mmras_stream.errors import VideoError
from mmras_stream.pictures import SUFFIXES, is_picture
from mmras_stream.settings import VideoSettings
from mmras_stream.types import FrameBatch, VideoInfo
from mmras_stream.video.batching import Picture, Planes, batches
from mmras_stream.video.colour import RGB
from mmras_stream.video.defects import Defect, Defects
from mmras_stream.video.opening import shown
from mmras_stream.video.planes import Upright
from mmras_stream.video.sampling import select

_TICKS_PER_PICTURE = 1000
_TIME_BASE = Fraction(1, 1000)


class ImagesDecoder:
    """Pictures in natural order (2 before 10), upright by their EXIF, as RGB planes.

    A frame's index is the picture's place in that order, unreadable ones included. All are
    brought to the size of the first.

    Args:
        path: a folder, a pattern such as `drive/*.png`, or one picture.
        settings: seconds count pictures, since each lasts one second.

    Raises:
        VideoError: there is no picture, or none that can be read.
    """

    def __init__(self, path: Path | str, settings: VideoSettings) -> None:
        self._settings = settings
        self._name = shown(path)
        self._files = _find(path)
        self._defects = Defects()
        self._closed = False
        height, width = self._first_size()
        self._upright = Upright(height, width)
        self._info = VideoInfo(
            uri=str(path),
            height=height,
            width=width,
            frame_rate=1 / (_TICKS_PER_PICTURE * _TIME_BASE),
            time_base=_TIME_BASE,
            frame_count=len(self._files),
            duration_seconds=float(len(self._files) * _TICKS_PER_PICTURE * _TIME_BASE),
        )

    @property
    def info(self) -> VideoInfo:
        return self._info

    @property
    def warnings(self) -> tuple[str, ...]:
        return self._defects.sentences()

    def __iter__(self) -> Iterator[FrameBatch]:
        if self._closed:
            raise VideoError(f"the decoder of {self._name} is closed")
        self._defects = Defects()
        chosen = select(
            range(len(self._files)),
            self._settings,
            lambda index: float(index * _TICKS_PER_PICTURE * _TIME_BASE),
        )
        batch_size = self._settings.batch_size
        return batches(self._pictures(chosen), time_base=_TIME_BASE, batch_size=batch_size)

    def close(self) -> None:
        self._closed = True

    def _first_size(self) -> tuple[int, int]:
        for file in self._files:
            planes = _read(file)
            if planes is not None:
                height, width = planes[0].shape
                return height, width
        raise VideoError(f"none of the {len(self._files)} pictures of {self._name} can be read")

    def _pictures(self, indices: Iterable[int]) -> Iterator[Picture]:
        for index in indices:
            file = self._files[index]
            planes = _read(file)
            if planes is None:
                self._defects.count(Defect.UNREADABLE_PICTURE, shown(file.name))
                continue
            if planes[0].shape != (self._upright.height, self._upright.width):
                self._defects.count(Defect.RESIZED_FRAME, shown(file.name))
            yield Picture(index, index * _TICKS_PER_PICTURE, self._upright.apply(planes), RGB)


def _find(path: Path | str) -> list[Path]:
    folder = Path(path)
    if folder.is_dir():
        files = [file for file in folder.iterdir() if is_picture(file)]
    elif folder.is_file():
        files = [folder]
    else:
        files = [file for file in map(Path, glob.glob(str(path))) if is_picture(file)]  # noqa: PTH207 - Path.glob takes no absolute pattern
    if not files:
        raise VideoError(f"{shown(path)} holds no pictures; {', '.join(SUFFIXES)} are read")
    return sorted(files, key=_natural)


def _natural(file: Path) -> tuple[list[tuple[int, str]], str]:
    parts = re.split(r"([0-9]+)", str(file).casefold())
    keys = [(int(part), "") if i % 2 else (0, part) for i, part in enumerate(parts)]
    return keys, str(file)


def _read(file: Path) -> Planes | None:
    """Return red, green and blue; None where the file is no picture."""
    try:
        data = np.fromfile(file, np.uint8)
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except (OSError, cv2.error):
        return None
    if picture is None:
        return None
    blue, green, red = (np.asarray(plane, np.uint8) for plane in cv2.split(picture))
    return red, green, blue
