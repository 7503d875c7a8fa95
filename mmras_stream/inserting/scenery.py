"""What a clip shows around its road: where things may stand, and what never moves."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from mmras_stream.types import Image, Mask

_SMALL_WIDTH = 160
_SPACING_SECONDS = 0.12
_BLACK = 20.0
_HIGHEST_BONNET = 0.65
"""Of the height."""
_BONNET_STILLNESS = 0.75
_BONNET_EDGE = 1.7
"""Times the strength of the road's edges above it."""


@dataclass(frozen=True, slots=True, eq=False)
class Scenery:
    """Small pictures of some frames, and which pixels belong to the world outside."""

    small: dict[int, npt.NDArray[np.float32]]
    """Frame index -> (h, w, 3) RGB 0..255."""
    outside: Mask
    """(H, W), false on the bonnet and on black bars."""

    def is_road(self, index: int, x: float, y: float, goal: tuple[float, float]) -> bool:
        """Tell whether a spot (pixels of the clip) looks like the lane before the car."""
        picture = self.small[index]
        scale = picture.shape[1] / self.outside.shape[1]
        row, column = int(y * scale), int(x * scale)
        height, width = picture.shape[:2]
        if not (1 <= row < height - 1 and 2 <= column < width - 2):
            return False
        spot = np.median(picture[row - 1 : row + 2, column - 2 : column + 3], axis=(0, 1))
        middle = int(goal[0] * scale)
        below = int((0.45 * goal[1] + 0.4 * self.outside.shape[0]) * scale)
        lane = picture[below : below + height // 8, max(0, middle - 12) : middle + 13]
        usual = np.median(lane.reshape(-1, 3), axis=0)
        bright = float(usual.mean())
        apart = float(spot.mean()) - bright
        tint = np.abs((spot - spot.mean()) - (usual - bright)).max()
        darkest = -255.0 if bright < 50 else -0.3 * bright
        return bool(darkest < apart < max(18.0, 0.35 * bright) and tint < 16)


@dataclass(slots=True, eq=False)
class ScenerySketch:
    """Gathers a `Scenery` frame by frame."""

    frame_seconds: float
    _count: int = 0
    _seen: int = 0
    _sum: npt.NDArray[np.float64] | None = None
    _edges: npt.NDArray[np.float64] | None = None
    _highest: npt.NDArray[np.float32] | None = None
    _small: dict[int, npt.NDArray[np.float32]] = field(default_factory=dict)

    def add(self, image: Image) -> None:
        """Look at the next frame."""
        every = max(1, round(_SPACING_SECONDS / self.frame_seconds))
        if self._count % every == 0:
            height = round(_SMALL_WIDTH * image.shape[0] / image.shape[1])
            small = cv2.resize(image, (_SMALL_WIDTH, height), interpolation=cv2.INTER_AREA)
            self._small[self._count] = small.astype(np.float32)
            self._add_edges(np.asarray(small, np.uint8))
        self._count += 1

    def finish(self, size: tuple[int, int]) -> Scenery:
        """Return what was gathered, for frames of (height, width)."""
        assert self._sum is not None
        assert self._edges is not None
        assert self._highest is not None
        outside = np.ones(self._sum.shape, np.uint8)
        lit = self._highest > _BLACK
        outside[~lit.any(axis=1)] = 0
        outside[:, ~lit.any(axis=0)] = 0
        stillness = _gradient(self._sum / self._seen) / (self._edges / self._seen + 3.0)
        outside[_bonnet_row(stillness, self._edges / self._seen) :] = 0
        full = cv2.resize(outside, size[::-1], interpolation=cv2.INTER_NEAREST)
        return Scenery(self._small, full.astype(bool))

    def _add_edges(self, small: npt.NDArray[np.uint8]) -> None:
        grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.float64)
        if self._sum is None or self._edges is None or self._highest is None:
            self._sum, self._edges = np.zeros_like(grey), np.zeros_like(grey)
            self._highest = np.zeros(grey.shape, np.float32)
        self._seen += 1
        self._sum += grey
        self._edges += _gradient(grey)
        self._highest = np.maximum(self._highest, grey.astype(np.float32))


def _gradient(grey: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    across, down = cv2.Sobel(grey, cv2.CV_64F, 1, 0), cv2.Sobel(grey, cv2.CV_64F, 0, 1)
    return np.asarray(np.hypot(across, down))


def _bonnet_row(stillness: npt.NDArray[np.float64], edges: npt.NDArray[np.float64]) -> int:
    """Return the first row of the bonnet: a strong edge across the picture that stays in place.

    Where pictures are averaged, what moves blurs and what stands keeps its edges. A smooth road
    looks still too, but has no edge across.
    """
    still, strength = np.median(stillness, axis=1), np.median(edges, axis=1)
    height = len(still)
    for row in range(int(_HIGHEST_BONNET * height), height - 1):
        above = float(np.median(strength[row - 12 : row - 4]))
        if still[row] > _BONNET_STILLNESS and strength[row] > _BONNET_EDGE * above:
            return row - 1
    return height
