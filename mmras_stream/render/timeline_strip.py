"""A strip along the bottom of a picture: the scores of the last seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from mmras_stream.render.canvas import Box, Canvas, text_size
from mmras_stream.render.colormap import AT_THRESHOLD, ScoreScale, mixed
from mmras_stream.types import PixelFormat
from mmras_stream.video.yuv420 import Bytes

WINDOW_SECONDS = 10.0
"""Time that a strip shows."""

_SHARE = 0.08
_LOWEST = 24
_SMALLEST_PICTURE = (96, 120)
"""(height, width) below which a strip would hide more than it shows."""

_GROUND, _CALM, _STRANGE, _LINE, _MARK = range(5)
_LOOKS = {
    _GROUND: ((14, 17, 22), 0.62),
    _CALM: ((150, 160, 172), 0.75),
    _STRANGE: ((254, 97, 0), 0.95),
    _LINE: ((255, 190, 40), 0.85),
    _MARK: ((220, 20, 110), 1.0),
}
"""Colour and opacity of what a strip is made of."""


@dataclass(frozen=True, slots=True)
class Instant:
    """What a strip remembers of a frame."""

    seconds: float
    score: float
    """Highest of the frame."""
    proposals: int


def strip_box(canvas: Canvas) -> Box | None:
    """Return where the strip goes; None on pictures too small for one."""
    if canvas.height < _SMALLEST_PICTURE[0] or canvas.width < _SMALLEST_PICTURE[1]:
        return None
    height = max(_LOWEST, 2 * round(_SHARE * canvas.height / 2))
    return Box(0, canvas.height - height, canvas.width, height)


def draw_strip(canvas: Canvas, history: Sequence[Instant], scale: ScoreScale) -> None:
    """Draw the scores up to the last instant of a history, whose time is written at the left.

    Grey is below the threshold, orange above it; the mark below tells where proposals were made.
    """
    box = strip_box(canvas)
    if box is None or not history:
        return
    clock = clock_text(history[-1].seconds)
    size = 0.45 * canvas.unit
    pad = round(6 * canvas.unit)
    _, height = text_size(clock, size)
    # The widest digits, so that the graph does not move as the time goes on.
    left = text_size("0" * len(clock), size)[0] + 2 * pad
    parts = np.full((box.height, box.width), _GROUND, np.uint8)
    parts[:, left : box.width - pad] = _graph(
        history, scale, box.height, max(0, box.width - pad - left), unit=canvas.unit
    )
    canvas.blend(parts, _paint(canvas.pixel_format), box)
    below = (box.height - height) // 2
    canvas.text(clock, pad, canvas.height - below, level=225, size=size)


def clock_text(seconds: float) -> str:
    """Return a time as people write it.

    >>> clock_text(65.25), clock_text(3665.0), clock_text(-0.5)
    ('1:05.2', '1:01:05.0', '-0:00.5')
    """
    tenths = int(abs(seconds) * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{'-' if seconds < 0 else ''}{start}:{rest // 10:02d}.{rest % 10}"


def _graph(
    history: Sequence[Instant], scale: ScoreScale, height: int, width: int, *, unit: float
) -> Bytes:
    """Return what each pixel belongs to; time runs to the right and ends at the right edge."""
    seconds = np.array([instant.seconds for instant in history])
    columns = seconds[-1] - WINDOW_SECONDS * (1 - (np.arange(width) + 1) / width)
    shown = np.searchsorted(seconds, columns, side="right") - 1
    levels = scale.index(np.array([instant.score for instant in history], np.float32))
    marked = np.array([instant.proposals > 0 for instant in history])
    past = shown < 0  # before the first frame
    margin, mark = round(3 * unit), 2 * round(unit)
    room = height - 2 * margin - mark
    rises = np.where(past, 0, levels[shown] * (room / 255)).astype(np.int32)
    above = (height - margin - mark - 1) - np.arange(height)[:, None]  # rows over the ground line
    line = round(AT_THRESHOLD * room / 255)
    parts = np.where((above >= 0) & (above < rises), _CALM, _GROUND).astype(np.uint8)
    parts[(above >= line) & (above < rises)] = _STRANGE
    parts[above[:, 0] == line] = np.where(rises > line, _STRANGE, _LINE)
    parts[(above < -1) & (above >= -1 - mark) & (marked[shown] & ~past)] = _MARK
    return parts


@cache
def _paint(pixel_format: PixelFormat) -> Bytes:
    colours = np.array([colour for colour, _ in _LOOKS.values()], np.float64).T
    return mixed(colours, np.array([opacity for _, opacity in _LOOKS.values()]), pixel_format)
