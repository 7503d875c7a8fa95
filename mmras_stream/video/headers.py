"""What a container's header promises about its video."""

from __future__ import annotations

import re
from fractions import Fraction

import av
from av.container import InputContainer
from av.video.stream import VideoStream

_PLAUSIBLE_ASPECT = 8
"""Pixels more oblong than this are a broken header."""

_MATROSKA_DURATION = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")


def time_base(stream: VideoStream) -> Fraction:
    """Return seconds per tick; a microsecond where the header gives none."""
    return stream.time_base or Fraction(1, av.time_base)


def frame_rate(stream: VideoStream) -> Fraction:
    """Return the average number of frames per second, 0 if unknown."""
    return stream.average_rate or stream.guessed_rate or Fraction(0)


def sample_aspect_ratio(stream: VideoStream) -> Fraction:
    """Return width : height of one stored pixel; 1 where the header's makes no sense."""
    ratio = stream.sample_aspect_ratio or Fraction(1)
    plausible = Fraction(1, _PLAUSIBLE_ASPECT) <= ratio <= _PLAUSIBLE_ASPECT
    return Fraction(ratio) if plausible else Fraction(1)


def start_seconds(container: InputContainer, stream: VideoStream) -> float:
    """Return when the video starts on its own clock, 0 if unknown."""
    if stream.start_time is not None:
        return float(stream.start_time * time_base(stream))
    return (container.start_time or 0) / av.time_base


def duration_seconds(container: InputContainer, stream: VideoStream) -> float | None:
    """Return the length of the video, or of the whole file where only that is known."""
    length = _own_duration_seconds(container, stream)
    if length is None and container.duration is not None:
        return container.duration / av.time_base
    return length


def promised_seconds(container: InputContainer, stream: VideoStream) -> float | None:
    """Return the length of the video; None where it cannot be told from that of the sound."""
    is_alone = len(container.streams) == 1
    own = _own_duration_seconds(container, stream)
    return duration_seconds(container, stream) if is_alone else own


def frame_count(container: InputContainer, stream: VideoStream) -> int | None:
    """Return about how many frames will be shown."""
    length = duration_seconds(container, stream)
    estimate = round(length * frame_rate(stream)) if length else 0
    return exact_frame_count(container, stream) or stream.frames or estimate or None


def exact_frame_count(container: InputContainer, stream: VideoStream) -> int | None:
    """Return how many frames an intact file shows; only MP4 and MOV know."""
    if "mp4" not in container.format.name or not stream.frames:
        return None
    # Not `stream.frames`, which counts the frames that an edit list hides.
    return sum(not entry.is_discard for entry in stream.index_entries) or None


def _own_duration_seconds(container: InputContainer, stream: VideoStream) -> float | None:
    if container.format.name == "avi" and stream.frames and frame_rate(stream):
        # FFmpeg shortens the header's duration to fit the size of a truncated file.
        return float(stream.frames / frame_rate(stream))
    if stream.duration is not None:
        return float(stream.duration * time_base(stream))
    match = _MATROSKA_DURATION.match(stream.metadata.get("DURATION", ""))
    if match is None:
        return None
    hours, minutes, seconds = match.groups()
    end = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    return end - start_seconds(container, stream)
