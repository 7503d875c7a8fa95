"""Gather single pictures into batches of one size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from mmras_stream.types import FrameBatch, PixelFormat

if TYPE_CHECKING:
    from torch import Tensor

Plane: TypeAlias = npt.NDArray[np.uint8 | np.int16]
"""(height, width)."""

Planes: TypeAlias = tuple[Plane, Plane, Plane]
"""Luma and two chroma planes, or red, green and blue."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One picture whose planes may point into a decoder's own buffers."""

    index: int
    pts: int
    planes: Planes
    pixel_format: PixelFormat


def batches(
    pictures: Iterable[Picture], *, time_base: Fraction, batch_size: int
) -> Iterator[FrameBatch]:
    """Copy pictures into batches; one that looks different from those before starts a new one.

    A picture is copied before the next one is asked for, so no decoder buffer outlives its turn.
    """
    filling: _Filling | None = None
    for picture in pictures:
        if filling is not None and not filling.takes(picture):
            yield filling.batch(time_base)
            filling = None
        if filling is None:
            filling = _Filling(picture, batch_size)
        filling.add(picture)
        if filling.full:
            yield filling.batch(time_base)
            filling = None
    if filling is not None:
        yield filling.batch(time_base)


class _Filling:
    """A batch that is not complete yet."""

    def __init__(self, picture: Picture, batch_size: int) -> None:
        import torch

        self._looks = _looks(picture)
        self._index: list[int] = []
        self._pts: list[int] = []
        self._size = batch_size
        self._tensors: list[Tensor] = []
        for plane in picture.planes:
            dtype = torch.uint8 if plane.dtype == np.uint8 else torch.int16
            self._tensors.append(torch.empty((batch_size, *plane.shape), dtype=dtype))
        self._arrays = [tensor.numpy() for tensor in self._tensors]

    @property
    def full(self) -> bool:
        return len(self._index) == self._size

    def takes(self, picture: Picture) -> bool:
        return _looks(picture) == self._looks

    def add(self, picture: Picture) -> None:
        for array, plane in zip(self._arrays, picture.planes, strict=True):
            np.copyto(array[len(self._index)], plane)
        self._index.append(picture.index)
        self._pts.append(picture.pts)

    def batch(self, time_base: Fraction) -> FrameBatch:
        count = len(self._index)
        y, u, v = (tensor[:count] for tensor in self._tensors)
        format_ = self._looks[0]
        return FrameBatch(tuple(self._index), tuple(self._pts), time_base, (y, u, v), format_)


def _looks(picture: Picture) -> tuple[PixelFormat, tuple[object, ...]]:
    return picture.pixel_format, tuple((plane.dtype, plane.shape) for plane in picture.planes)
