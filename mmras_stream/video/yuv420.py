"""Bring pictures to what every player decodes: 8 bit, 4:2:0, limited range, even sides."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from mmras_stream.types import ColourMatrix, Frame, PixelFormat
from mmras_stream.video.colour import rgb_to_yuv_matrix

if TYPE_CHECKING:
    from mmras_stream.video.batching import Plane

Bytes: TypeAlias = npt.NDArray[np.uint8]
"""(height, width)."""

Planes420: TypeAlias = tuple[Bytes, Bytes, Bytes]
"""Luma with even sides, and two chroma planes of half its height and width."""


def to_yuv420(frame: Frame) -> Planes420:
    """Return planes of `yuv420_format`, copied; odd sides grow by repeating the last line."""
    first, second, third = (_limited(frame, place) for place in range(3))
    if frame.pixel_format.matrix is ColourMatrix.RGB:
        affine = np.column_stack(rgb_to_yuv_matrix(yuv420_format(frame)))
        yuv = cv2.transform(cv2.merge([first, second, third]), affine)
        first, second, third = (np.asarray(plane, np.uint8) for plane in cv2.split(yuv))
    half_height, half_width = -(-frame.height // 2), -(-frame.width // 2)
    return (
        _fitted(first, 2 * half_height, 2 * half_width),
        _fitted(second, half_height, half_width),
        _fitted(third, half_height, half_width),
    )


def yuv420_format(frame: Frame) -> PixelFormat:
    """Return what the planes from `to_yuv420` mean; RGB takes the matrix usual for its size."""
    matrix = frame.pixel_format.matrix
    if matrix is ColourMatrix.RGB:
        is_high_definition = frame.height > 576 or frame.width >= 1280
        matrix = ColourMatrix.BT709 if is_high_definition else ColourMatrix.BT601
    return PixelFormat(matrix, full_range=False)


def _limited(frame: Frame, place: int) -> Bytes:
    """Copy a plane with 8 bits; YUV comes in limited range, RGB in full."""
    plane: Plane = frame.planes[place].cpu().numpy()
    pixel_format = frame.pixel_format
    peak, step = 2**pixel_format.bits - 1, 2 ** (pixel_format.bits - 8)
    scale, shift = 1 / step, 0.0
    if pixel_format.matrix is ColourMatrix.RGB:
        scale = 255 / peak
    elif pixel_format.full_range:
        scale = (224 if place else 219) / peak
        shift = 128 - 128 * step * scale if place else 16.0
    if (scale, shift) == (1, 0):
        return np.array(plane, np.uint8, order="C")
    return np.asarray(cv2.convertScaleAbs(plane, alpha=scale, beta=shift), np.uint8)


def _fitted(plane: Bytes, height: int, width: int) -> Bytes:
    """Bring a plane to a size; a side that lacks a line or two gets its last one again."""
    rows = height * max(1, round(plane.shape[0] / height)) - plane.shape[0]
    columns = width * max(1, round(plane.shape[1] / width)) - plane.shape[1]
    if rows > 0 or columns > 0:
        bottom, right = max(0, rows), max(0, columns)
        plane = np.asarray(
            cv2.copyMakeBorder(plane, 0, bottom, 0, right, cv2.BORDER_REPLICATE), np.uint8
        )
    if plane.shape == (height, width):
        return plane
    return np.asarray(cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
