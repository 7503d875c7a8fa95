"""Between the planes of a decoder and red, green and blue."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
import torch

from mmras_stream.types import ColourMatrix, Frame, FrameBatch, Image, PixelFormat

Affine: TypeAlias = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
"""A (3, 3) matrix and a (3,) offset: `out = matrix @ planes + offset`."""

RGB = PixelFormat(ColourMatrix.RGB, full_range=True)
"""Of pictures whose planes are red, green and blue in 8 bits."""

_LUMA_WEIGHTS = {
    ColourMatrix.BT601: (0.299, 0.114),
    ColourMatrix.BT709: (0.2126, 0.0722),
    ColourMatrix.BT2020: (0.2627, 0.0593),
}
"""Share of red and of blue in luma: Recommendations ITU-R BT.601-7, BT.709-6, BT.2020-2."""

_CV2_FORMAT = PixelFormat(ColourMatrix.BT601, full_range=False)
"""The only one that OpenCV's quick conversion knows."""


def to_rgb(frame: Frame) -> Image:
    """Return the picture in colour at its own size; chroma is enlarged bilinearly."""
    y, u, v = (plane.cpu().numpy() for plane in frame.planes)
    if frame.pixel_format == _CV2_FORMAT and _is_420_even(y, u):
        return np.asarray(
            cv2.cvtColorTwoPlane(y, cv2.merge([u, v]), cv2.COLOR_YUV2RGB_NV12), np.uint8
        )
    size = (frame.width, frame.height)
    u, v = (_enlarged(plane, size) for plane in (u, v))
    if frame.pixel_format == RGB:
        return np.asarray(cv2.merge([y, u, v]), np.uint8)
    matrix, offset = yuv_to_rgb_matrix(frame.pixel_format)
    rgb = cv2.transform(cv2.merge([y, u, v]), np.column_stack([matrix, offset]))
    return np.asarray(rgb if rgb.dtype == np.uint8 else np.clip(rgb, 0, 255), np.uint8)


def rgb_batch(image: Image, *, index: int = 0, tick: Fraction = Fraction(1)) -> FrameBatch:
    """Return one picture (H, W, 3) as networks take it, shown `index` ticks into a drive."""
    planes = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[:, None]
    return FrameBatch((index,), (index,), tick, (planes[0], planes[1], planes[2]), RGB)


@cache
def yuv_to_rgb_matrix(pixel_format: PixelFormat) -> Affine:
    """Return the affine map from raw plane values to RGB in 0..255, unclipped.

    The arrays are shared between callers and therefore read-only.
    """
    scale, zero = _normalisation(pixel_format)
    matrix = _unit_matrix(pixel_format.matrix) * scale * 255
    return _frozen(matrix, -matrix @ zero)


@cache
def rgb_to_yuv_matrix(pixel_format: PixelFormat) -> Affine:
    """Return the inverse of `yuv_to_rgb_matrix`, for drawing on planes."""
    scale, zero = _normalisation(pixel_format)
    matrix = _unit_matrix(pixel_format.matrix) * scale * 255
    return _frozen(np.asarray(np.linalg.inv(matrix), np.float64), zero)


def _normalisation(
    pixel_format: PixelFormat,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return `scale` and `zero` so that `(raw - zero) * scale` is 0..1, or -0.5..0.5 for chroma."""
    peak = 2**pixel_format.bits - 1
    middle = 2 ** (pixel_format.bits - 1)
    step = 2 ** (pixel_format.bits - 8)
    is_rgb = pixel_format.matrix is ColourMatrix.RGB
    black = 0 if pixel_format.full_range else 16 * step
    luma = 1 / (peak if pixel_format.full_range else 219 * step)
    chroma = 1 / (peak if pixel_format.full_range else 224 * step)
    if is_rgb:
        return np.full(3, luma), np.full(3, float(black))
    return np.array([luma, chroma, chroma]), np.array([black, middle, middle], np.float64)


def _unit_matrix(matrix: ColourMatrix) -> npt.NDArray[np.float64]:
    """Return the matrix from luma in 0..1 and chroma in -0.5..0.5 to RGB in 0..1."""
    if matrix is ColourMatrix.RGB:
        return np.eye(3)
    red, blue = _LUMA_WEIGHTS[matrix]
    green = 1 - red - blue
    from_v, from_u = 2 * (1 - red), 2 * (1 - blue)
    return np.array(
        [
            [1, 0, from_v],
            [1, -from_u * blue / green, -from_v * red / green],
            [1, from_u, 0],
        ]
    )


def _frozen(matrix: npt.NDArray[np.float64], offset: npt.NDArray[np.float64]) -> Affine:
    affine = matrix.astype(np.float32), offset.astype(np.float32)
    for array in affine:
        array.flags.writeable = False
    return affine


def _is_420_even(y: npt.NDArray[np.uint8], u: npt.NDArray[np.uint8]) -> bool:
    return y.shape == (2 * u.shape[0], 2 * u.shape[1])


def _enlarged(plane: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    if plane.shape == size[::-1]:
        return plane
    return cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]  # cv2 forgets the dtype
