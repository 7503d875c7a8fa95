"""Which frames of a video are kept; the same rule for every decoder."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from mmras_stream.settings import VideoSettings

T = TypeVar("T")

_TOLERANCE_SECONDS = 1e-6
"""Settings are decimal and pts are binary fractions, so 0.1 s must match a frame at 1/10."""


def select(
    frames: Iterable[T], settings: VideoSettings, seconds: Callable[[T], float]
) -> Iterator[T]:
    """Yield the frames that the settings ask for, and stop at the first one past the end.

    Intervals and strides are counted from the first frame at or after `start_seconds`.

    Args:
        frames: in presentation order.
        settings: `start_seconds`, `end_seconds`, `every_seconds` and `stride` are used.
        seconds: time of a frame since the first one of the video.

    >>> list(select([0, 1, 2, 3, 4], VideoSettings(start_seconds=1, stride=2), float))
    [1, 3]
    """
    start = (settings.start_seconds or 0.0) - _TOLERANCE_SECONDS
    end = math.inf if settings.end_seconds is None else settings.end_seconds - _TOLERANCE_SECONDS
    due = 0
    seen = 0
    for frame in frames:
        now = seconds(frame)
        if now >= end:
            return
        if now < start:
            continue
        place = _interval(now - start, settings.every_seconds, seen)
        seen += 1
        if place < due:
            continue
        yield frame
        due = place + (settings.stride if settings.every_seconds is None else 1)


def _interval(since_start: float, every_seconds: float | None, seen: int) -> int:
    return seen if every_seconds is None else int(since_start / every_seconds)
