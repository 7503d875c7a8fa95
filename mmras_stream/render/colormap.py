"""Colours for scores and for tracks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mmras_stream.types import PixelFormat, ScoreMap
from mmras_stream.video.colour import rgb_to_yuv_matrix
from mmras_stream.video.yuv420 import Bytes

Colour: TypeAlias = tuple[int, int, int]
"""Red, green, blue, 0..255."""

Paint: TypeAlias = npt.NDArray[np.uint8]
"""(4, 256): what is kept of a picture, and the Y, U and V that are added, by index."""

AT_THRESHOLD = 128
"""Index of a score that equals the threshold; 1 and 255 are the ends of the scale."""

# Okabe and Ito's and IBM's colours: told apart by colour-blind people, and in grey by lightness.
_RAMP: tuple[tuple[float, Colour, float], ...] = (
    (0.0, (255, 190, 40), 0.0),
    (0.7, (255, 190, 40), 0.0),
    (1.0, (255, 176, 0), 0.30),
    (1.35, (254, 97, 0), 0.45),
    (2.0, (220, 20, 110), 0.60),
)
"""(0 the lowest score, 1 the threshold, 2 the highest; colour; opacity)."""

_TRACKS: tuple[Colour, ...] = (
    (86, 220, 255),
    (140, 255, 120),
    (255, 240, 90),
    (235, 160, 255),
    (255, 255, 255),
    (120, 170, 255),
)


@dataclass(frozen=True, slots=True)
class ScoreScale:
    """The range of scores that a picture shows, with the threshold in its middle."""

    low: float
    threshold: float
    high: float

    @classmethod
    def around(cls, threshold: float) -> ScoreScale:
        """Return 0..1 where the threshold lies there, else one unit to either side."""
        if 0 < threshold < 1:
            return cls(0.0, threshold, 1.0)
        return cls(threshold - 1, threshold, threshold + 1)

    def including(self, scores: ScoreMap) -> ScoreScale:
        """Return a scale that these scores do not leave."""
        low, high = float(scores.min()), float(scores.max())
        if self.low <= low and high <= self.high:
            return self
        return replace(self, low=min(self.low, low), high=max(self.high, high))

    def index(self, scores: npt.NDArray[np.floating]) -> Bytes:
        """Return 1..255, straight from the lowest score to the threshold and on to the highest."""
        above = scores - np.float32(self.threshold)
        below = above * np.float32(127 / (self.threshold - self.low))
        above *= np.float32(127 / (self.high - self.threshold))
        level = np.clip(np.maximum(above, 0) + np.minimum(below, 0), -127, 127)
        return np.asarray(level + AT_THRESHOLD, np.uint8)


def track_colour(track_id: int | None) -> Colour:
    """Return the same colour for the same track, and another for the next."""
    return _TRACKS[((track_id or 1) - 1) % len(_TRACKS)]


@cache
def yuv(colour: Colour, pixel_format: PixelFormat) -> tuple[int, int, int]:
    """Return a colour as numbers in planes."""
    matrix, offset = rgb_to_yuv_matrix(pixel_format)
    values = matrix @ np.array(colour, np.float32) + offset
    y, u, v = (int(value) for value in np.clip(np.round(values), 0, 255))
    return y, u, v


@cache
def heat_paint(pixel_format: PixelFormat) -> Paint:
    """Return the paint of each score: none well below the threshold, amber to magenta above."""
    level = np.arange(256) / AT_THRESHOLD
    stops = [stop for stop, _, _ in _RAMP]
    opacity = np.interp(level, stops, [opacity for _, _, opacity in _RAMP])
    colours = [
        np.interp(level, stops, [colour[channel] for _, colour, _ in _RAMP]) for channel in range(3)
    ]
    return mixed(np.stack(colours), opacity, pixel_format)


def mixed(
    colours: npt.NDArray[np.float64], opacity: npt.NDArray[np.float64], pixel_format: PixelFormat
) -> Paint:
    """Return the paint for (3, n) colours of some opacity; the rest of 256 stays clear."""
    matrix, offset = rgb_to_yuv_matrix(pixel_format)
    paint = np.zeros((4, 256), np.uint8)
    paint[0] = 255
    count = opacity.size
    paint[0, :count] = np.round(255 * (1 - opacity))
    paint[1:, :count] = np.round(opacity * (matrix @ colours + offset[:, None]))
    paint.flags.writeable = False  # cached by the callers
    return paint
