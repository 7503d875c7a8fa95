"""A textured thing that moves and changes its size before a textured ground, and where it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from mmras_stream.regions.rle import encode
from mmras_stream.types import Frame, Mask, Proposal
from shaky_drive import frame_of, texture

SKIN = 48
"""Pixels of a side of its texture, about as large as it is drawn."""


@dataclass(frozen=True)
class Moving:
    """Draws frames of it."""

    side: float = 40.0
    """Pixels in frame 0."""
    growth: float = 1.0
    """Times from frame to frame."""
    start: tuple[float, float] = (120.0, 90.0)
    """Its centre in frame 0."""
    speed: tuple[float, float] = (2.0, 0.5)
    """Pixels from frame to frame."""
    height: int = 240
    width: int = 320

    def mask(self, index: int) -> Mask:
        """Return where it is: a disc."""
        x, y = self._centre(index)
        rows, columns = np.mgrid[: self.height, : self.width]
        return cast("Mask", np.hypot(columns - x, rows - y) <= self._side(index) / 2)

    def frame(self, index: int, *, without: bool = False) -> Frame:
        """Draw a frame; with the ground alone if so asked."""
        ground = texture(self.height, self.width, 3)
        if not without:
            mask = self.mask(index)
            ground[mask] = self._skin(index)[mask]
        return frame_of(ground.astype(np.uint8), index)

    def proposal(self, index: int, score: float = 0.9) -> Proposal:
        """Return a proposal of the part of it that is in the frame."""
        return proposal_of(self.mask(index), index, score)

    def _skin(self, index: int) -> npt.NDArray[np.float32]:
        x, y = self._centre(index)
        scale = self._side(index) / SKIN
        matrix = np.array([[scale, 0, x - scale * SKIN / 2], [0, scale, y - scale * SKIN / 2]])
        # made small before, since sampling it further apart would let it flicker
        skin = cv2.resize(255 - texture(200, 200, 8), (SKIN, SKIN), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.warpAffine(skin, matrix, (self.width, self.height)), np.float32)

    def _side(self, index: int) -> float:
        return self.side * self.growth**index

    def _centre(self, index: int) -> tuple[float, float]:
        return self.start[0] + index * self.speed[0], self.start[1] + index * self.speed[1]


def proposal_of(mask: Mask, index: int, score: float = 0.9) -> Proposal:
    """Return a proposal with a mask, of a drive of 25 frames a second."""
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    box, area = (left, top, width, height), int(mask.sum())
    return Proposal(index, 40 * index, box, area, encode(mask), score)


def agreement(one: Mask, other: Mask) -> float:
    """Return the intersection over union."""
    return float((one & other).sum() / (one | other).sum())
