"""Draw on the three planes of a picture as if they were one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from mmras_stream.render.colormap import Colour, Paint, yuv
from mmras_stream.types import Frame
from mmras_stream.video.yuv420 import Bytes, to_yuv420, yuv420_format

Outline: TypeAlias = npt.NDArray[np.int32]
"""(points, 1, 2) of x and y, as `cv2.findContours` gives them."""

_FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in luma pixels."""

    x: int
    y: int
    width: int
    height: int

    def overlaps(self, other: Box) -> bool:
        """Tell whether the two share a pixel."""
        return (
            self.x < other.x + other.width
            and other.x < self.x + self.width
            and self.y < other.y + other.height
            and other.y < self.y + self.height
        )


class Canvas:
    """A copy of a frame, in 8-bit 4:2:0; what is drawn changes the copy only."""

    def __init__(self, frame: Frame) -> None:
        self.planes = to_yuv420(frame)
        self.pixel_format = yuv420_format(frame)
        self.height, self.width = self.planes[0].shape
        self.unit = max(1.0, min(self.height / 360, self.width / 480))
        """Pixels of what would be one pixel at 640x360."""

    def blend(self, index: Bytes, paint: Paint, box: Box | None = None) -> None:
        """Lay paint over a box, or over everything; `index` is enlarged to it smoothly.

        Args:
            index: (h, w), which paint lies where.
            paint: By index.
            box: Even numbers.
        """
        kept, *painted = (cv2.LUT(index, row) for row in paint)
        for plane, paint_plane in zip(self.planes, painted, strict=True):
            region = _region(plane, box, self.height // plane.shape[0])
            size = region.shape[::-1]
            cv2.multiply(region, _resized(kept, size), dst=region, scale=1 / 255)
            cv2.add(region, _resized(paint_plane, size), dst=region)

    def outline(self, outlines: Sequence[Outline], colour: Colour, *, thickness: int) -> None:
        """Draw closed lines."""
        levels = yuv(colour, self.pixel_format)
        cv2.polylines(self.planes[0], outlines, True, levels[0], thickness, cv2.LINE_AA)  # noqa: FBT003 - cv2's own
        # In quarters of a chroma pixel, whose centre lies between two luma pixels.
        halved = [2 * outline - 1 for outline in outlines]
        for plane, level in zip(self.planes[1:], levels[1:], strict=True):
            thin = max(1, (thickness + 1) // 2)
            cv2.polylines(plane, halved, True, level, thin, cv2.LINE_8, 2)  # noqa: FBT003 - cv2's own

    def fill(self, box: Box, colour: Colour) -> None:
        """Fill a box."""
        for plane, level in zip(self.planes, yuv(colour, self.pixel_format), strict=True):
            _region(plane, box, self.height // plane.shape[0])[:] = level

    def text(self, text: str, x: int, y: int, *, level: int, size: float) -> None:
        """Write with the lower left corner at a place; the colour below it stays.

        Args:
            text: ASCII.
            x: Luma pixels.
            y: Luma pixels.
            level: Luma, 16 is black and 235 white.
            size: As a share of the font's own size, about 22 pixels.
        """
        weight = max(1, round(1.8 * size))
        cv2.putText(self.planes[0], text, (x, y), _FONT, size, level, weight, cv2.LINE_AA)


def text_size(text: str, size: float) -> tuple[int, int]:
    """Return the width and height of a text in luma pixels, without what hangs below it."""
    (width, height), _ = cv2.getTextSize(text, _FONT, size, max(1, round(1.8 * size)))
    return width, height


def _region(plane: Bytes, box: Box | None, step: int) -> Bytes:
    if box is None:
        return plane
    rows = slice(box.y // step, -(-(box.y + box.height) // step))
    return plane[rows, box.x // step : -(-(box.x + box.width) // step)]


def _resized(plane: cv2.typing.MatLike, size: tuple[int, ...]) -> cv2.typing.MatLike:
    if plane.shape == size[::-1]:
        return plane
    return cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR)
