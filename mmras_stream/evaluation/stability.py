"""How steady masks are from frame to frame, once the camera's motion is taken out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from mmras_stream.types import Frame, Mask

FLOW_WIDTH = 480
"""Pixels at most of the pictures between which motion is measured."""

Flow: TypeAlias = npt.NDArray[np.float32]
"""(h, w, 2): what to add to x and to y of a place to find what was there in the frame before."""

_Grey: TypeAlias = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Consistency:
    """TC: intersection over union of each mask and the one before it, moved with the picture.

    Averaged over pairs of neighbouring frames of which one has a mask; of two empty ones nothing
    can be said. Liu et al. 2020, arXiv 2002.11433, of the strange class alone: that of the
    ordinary, nearly the whole picture, is near 1 whatever happens. It rewards what is constant,
    right or wrong, so it is to be read beside average precision.
    """

    total: float = 0.0
    pairs: int = 0

    @property
    def mean(self) -> float | None:
        """Share, 0..1; None without a pair."""
        return self.total / self.pairs if self.pairs else None

    def __add__(self, other: Consistency) -> Consistency:
        return Consistency(self.total + other.total, self.pairs + other.pairs)


class BackwardFlow:
    """Measures the motion of the picture from each frame back to the one before."""

    def __init__(self) -> None:
        self._method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._before: _Grey | None = None

    def update(self, frame: Frame) -> Flow | None:
        """Return the motion by dense inverse search; None for the first frame of a size.

        Kroeger et al. 2016, arXiv 1603.03590.
        """
        now, before = _grey(frame), self._before
        self._before = now
        if before is None or before.shape != now.shape:
            return None
        return np.asarray(self._method.calc(now, before, None), np.float32)  # type: ignore[call-overload]  # None: no first guess


class ConsistencyMeter:
    """Adds up the consistency of the masks of one drive."""

    def __init__(self) -> None:
        self.consistency = Consistency()
        self._before: Mask | None = None

    def add(self, mask: Mask, flow: Flow | None, ignored: Mask) -> None:
        """Compare a mask with the one before it.

        Args:
            mask: Of any size.
            flow: From `BackwardFlow`, of the same size; None where there is none.
            ignored: Pixels that are left out, of the same size.
        """
        before, self._before = self._before, mask
        if before is None or flow is None:
            return
        moved, inside = warped(before, flow)
        counts = inside & ~ignored
        either = (moved | mask) & counts
        if either.any():
            both = moved & mask & counts
            share = float(both.sum() / either.sum())
            self.consistency += Consistency(share, 1)


def joined(parts: Iterable[Consistency]) -> Consistency:
    """Return the consistency of several drives, each pair of frames with the same weight."""
    return sum(parts, Consistency())


def warped(before: Mask, flow: Flow) -> tuple[Mask, Mask]:
    """Move the mask of the frame before to where its content is now.

    Returns:
        The mask, and where it is known: what came into the picture has no past.
    """
    height, width = before.shape
    x = np.arange(width, dtype=np.float32)[None] + flow[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    inside: Mask = (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
    moved = cv2.remap(before.view(np.uint8), x, y, cv2.INTER_NEAREST)
    return np.asarray(moved, np.uint8).view(np.bool_) & inside, inside


def flow_size(height: int, width: int) -> tuple[int, int]:
    """Return the width and height of the pictures between which motion is measured."""
    if width <= FLOW_WIDTH:
        return width, height
    return FLOW_WIDTH, max(1, round(height * FLOW_WIDTH / width))


def _grey(frame: Frame) -> _Grey:
    """Return the first plane, luma (or red), in 8 bits and small."""
    plane = frame.planes[0].cpu().numpy()
    if frame.pixel_format.bits > 8:
        plane = (plane >> (frame.pixel_format.bits - 8)).astype(np.uint8)
    size = flow_size(frame.height, frame.width)
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.uint8)
