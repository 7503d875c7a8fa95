"""Read the planes of a decoded frame, upright and with square pixels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import SideData, Type
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, VideoReformatter

from mmras_stream.types import ColourMatrix, PixelFormat
from mmras_stream.video.batching import Plane, Planes

_DIRECT = re.compile(r"(?:(yuvj?)a?4\d\dp|(gbr)a?p|(gray)|(nv12|nv21))(?:(9|10|12|14)le)?")
"""FFmpeg's names of the pixel formats whose planes are read as they are."""

_MATRICES = {
    0: ColourMatrix.RGB,
    1: ColourMatrix.BT709,
    4: ColourMatrix.BT601,
    5: ColourMatrix.BT601,
    6: ColourMatrix.BT601,
    7: ColourMatrix.BT709,  # SMPTE 240M, which differs from it by less than one level in fifty
    9: ColourMatrix.BT2020,
    10: ColourMatrix.BT2020,
}
"""By FFmpeg's AVColorSpace, which PyAV gives as a number."""

_SUBSAMPLED = {(2, 2): "yuv420p", (2, 1): "yuv422p"}
_DEEP_BITS = 12
"""What formats with more bits than fit an int16 are brought to."""


class PlaneReader:
    """Reads frames of any pixel format; one per video, since it reuses one converter."""

    def __init__(self) -> None:
        # A new one for each frame costs twice the time, and memory for as long as frames live.
        self._reformatter = VideoReformatter()

    def read(self, frame: VideoFrame) -> tuple[Planes, PixelFormat]:
        """Return the planes, which point into the frame's own buffers where they can."""
        layout = _layout(frame.format.name)
        if layout is None:
            name = _nearest(frame.format)
            frame = self._reformatter.reformat(frame, format=name, threads=1)
            layout = cast("_Layout", _layout(name))
        return layout.read(frame), _pixel_format(frame, layout)


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the planes of a pixel format lie in memory."""

    kind: str
    """`yuv`, `yuvj` (full range), `gbr`, `gray`, `nv12` or `nv21`."""
    bits: int

    def read(self, frame: VideoFrame) -> Planes:
        first, *others = (self._lines(plane) for plane in frame.planes[:3])
        y = first[:, : frame.width]
        if self.kind == "gray":
            half = (-(-frame.height // 2), -(-frame.width // 2))
            neutral = np.full_like(y, 1 << (self.bits - 1), shape=half)
            return y, neutral, neutral
        width = frame.planes[1].width
        if self.kind in ("nv12", "nv21"):
            u, v = others[0][:, : 2 * width : 2], others[0][:, 1 : 2 * width : 2]
            return (y, u, v) if self.kind == "nv12" else (y, v, u)
        second, third = (plane[:, :width] for plane in others)
        return (third, y, second) if self.kind == "gbr" else (y, second, third)

    def _lines(self, plane: VideoPlane) -> Plane:
        """View a plane's memory; lines are padded, and may be stored from the bottom up."""
        memory = memoryview(plane)
        dtype: type[np.uint8 | np.int16] = np.uint8 if self.bits == 8 else np.int16
        lines: Plane = np.frombuffer(memory, np.dtype(dtype)).reshape(plane.height, -1)
        return lines if plane.line_size > 0 else lines[::-1]


@lru_cache
def _layout(name: str) -> _Layout | None:
    match = _DIRECT.fullmatch(name)
    if match is None:
        return None
    kind = next(group for group in match.groups()[:4] if group)
    return _Layout(kind, int(match[5] or 8))


def _nearest(format_: VideoFormat) -> str:
    """Return a planar format that loses as little as possible."""
    deep = f"{_DEEP_BITS}le" if max(c.bits for c in format_.components) > 8 else ""
    if format_.is_rgb or format_.has_palette:
        return f"gbrp{deep}"
    side = 16
    steps = (side // format_.chroma_width(side), side // format_.chroma_height(side))
    return _SUBSAMPLED.get(steps, "yuv444p") + deep


def _pixel_format(frame: VideoFrame, layout: _Layout) -> PixelFormat:
    if layout.kind == "gbr":
        return PixelFormat(ColourMatrix.RGB, full_range=True, bits=layout.bits)
    matrix = _MATRICES.get(frame.colorspace)
    if matrix is None or matrix is ColourMatrix.RGB:
        is_high_definition = frame.height > 576 or frame.width >= 1280
        matrix = ColourMatrix.BT709 if is_high_definition else ColourMatrix.BT601
    unspecified = frame.color_range == ColorRange.UNSPECIFIED
    full_range = frame.color_range == ColorRange.JPEG or (
        unspecified and layout.kind in ("yuvj", "gray")
    )
    return PixelFormat(matrix, full_range=full_range, bits=layout.bits)


@dataclass(frozen=True, slots=True)
class Upright:
    """Turns stored planes into an upright picture of a fixed size, with square pixels."""

    stored_height: int
    """Of luma, before turning and after stretching to square pixels."""
    stored_width: int
    transposed: bool = False
    flip_rows: bool = False
    flip_columns: bool = False

    @property
    def height(self) -> int:
        """Pixels of the upright picture."""
        return self.stored_width if self.transposed else self.stored_height

    @property
    def width(self) -> int:
        """Pixels of the upright picture."""
        return self.stored_height if self.transposed else self.stored_width

    @property
    def rotation(self) -> int:
        """Degrees clockwise."""
        if self.transposed:
            return 90 if self.flip_columns else 270
        return 180 if self.flip_columns and self.flip_rows else 0

    def apply(self, planes: Planes) -> Planes:
        """Return new planes, or the same where nothing has to be done."""
        height, width = planes[0].shape
        y, u, v = (self._turned(self._sized(plane, height, width)) for plane in planes)
        return y, u, v

    def _sized(self, plane: Plane, height: int, width: int) -> Plane:
        if (height, width) == (self.stored_height, self.stored_width):
            return plane
        rows = -(-self.stored_height // -(-height // plane.shape[0]))
        columns = -(-self.stored_width // -(-width // plane.shape[1]))
        smaller = rows * columns < plane.size
        interpolation = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        return cast("Plane", cv2.resize(plane, (columns, rows), interpolation=interpolation))

    def _turned(self, plane: Plane) -> Plane:
        turned = plane.T if self.transposed else plane
        rows = slice(None, None, -1 if self.flip_rows else 1)
        columns = slice(None, None, -1 if self.flip_columns else 1)
        return turned[rows, columns]


def upright(frame: VideoFrame, sample_aspect_ratio: Fraction) -> Upright:
    """Read off a video's first frame how its pictures have to be turned and stretched."""
    width = frame.width
    if sample_aspect_ratio != 1:
        # Even, so that halved chroma planes cover exactly the picture.
        width = max(2, 2 * round(frame.width * sample_aspect_ratio / 2))
    matrix = _display_matrix(frame)
    (xx, xy), (yx, yy) = matrix
    if abs(xx) >= abs(xy):
        return Upright(frame.height, width, flip_rows=yy < 0, flip_columns=xx < 0)
    return Upright(frame.height, width, transposed=True, flip_rows=yx < 0, flip_columns=xy < 0)


def _display_matrix(frame: VideoFrame) -> npt.NDArray[np.float64]:
    """Return ((xx, xy), (yx, yy)): the shown place of a stored pixel is this times (x, y)."""
    try:
        # PyAV's stub calls it a TypedDict, which it is not.
        stored = bytes(cast("Mapping[Type, SideData]", frame.side_data)[Type.DISPLAYMATRIX])
    except KeyError:
        return np.eye(2)
    except ValueError:  # PyAV does not know the type of some other side data, as of stereo video
        angle = -np.deg2rad(frame.rotation)
        return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.frombuffer(stored, np.int32).reshape(3, 3)[:2, :2].T.astype(np.float64)
