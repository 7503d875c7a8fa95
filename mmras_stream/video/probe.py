"""Look into a video file without running anything on it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from statistics import median

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from mmras_stream.errors import VideoError
from mmras_stream.types import PixelFormat
from mmras_stream.video import headers
from mmras_stream.video.opening import open_video, video_stream
from mmras_stream.video.planes import PlaneReader, upright
from mmras_stream.video.source import Source

_SCANNED_PACKETS = 3000
_REORDERED_PACKETS = 32
"""At the end of a scan some times are still to come from packets that were not read."""

_TRIAL_FRAMES = 8

_IRREGULAR = 0.05
"""Share of the usual period by which an irregular one differs."""
_IRREGULAR_PERIODS = 0.01
"""Share of irregular periods that a constant frame rate may have: a dropped frame here or there."""


@dataclass(frozen=True, slots=True)
class AudioStream:
    """One sound track."""

    codec: str
    sample_rate: int
    channels: int


@dataclass(frozen=True, slots=True)
class Probe:
    """What is known about a video file after its header and first frames were read."""

    uri: str
    container: str
    """FFmpeg's name of the format; some formats share one."""
    codec: str
    profile: str | None
    pixel_format: str
    """FFmpeg's name of how pixels are stored."""
    bits: int
    height: int
    """Pixels of the upright picture with square pixels."""
    width: int
    coded_height: int
    """Pixels as stored."""
    coded_width: int
    rotation: int
    """Degrees clockwise from stored to upright."""
    sample_aspect_ratio: Fraction
    frame_rate: Fraction
    """Average; 0 if unknown."""
    variable_frame_rate: bool
    """Judged by the first packets."""
    time_base: Fraction
    """Seconds per tick."""
    first_pts_seconds: float | None
    duration_seconds: float | None
    frame_count: int | None
    """A hint from the header."""
    has_b_frames: bool
    colour: PixelFormat | None
    """None where nothing could be decoded."""
    audio: tuple[AudioStream, ...]
    decodes: bool
    """The first frames could be decoded."""
    error: str | None
    """Why not."""
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Trial:
    """What decoding the first frames told."""

    height: int
    width: int
    rotation: int = 0
    first_pts_seconds: float | None = None
    colour: PixelFormat | None = None
    error: str | None = None
    warnings: tuple[str, ...] = ()


def probe(path: Path | str) -> Probe:
    """Read the header, the times of the first packets, and a few frames.

    Raises:
        VideoError: the file cannot be opened, has no video, or one that no decoder here reads.
    """
    with closing(open_video(path)) as container:
        stream = video_stream(container, path)
        context = stream.codec_context
        trial = _decode_some(path, stream)
        return Probe(
            uri=str(path),
            container=container.format.name,
            codec=context.codec.canonical_name,
            profile=context.profile,
            pixel_format=context.pix_fmt or "unknown",
            bits=context.format.components[0].bits if context.format else 8,
            height=trial.height,
            width=trial.width,
            coded_height=context.height,
            coded_width=context.width,
            rotation=trial.rotation,
            sample_aspect_ratio=headers.sample_aspect_ratio(stream),
            frame_rate=headers.frame_rate(stream),
            variable_frame_rate=_is_variable(_packet_times(container, stream)),
            time_base=headers.time_base(stream),
            first_pts_seconds=trial.first_pts_seconds,
            duration_seconds=headers.duration_seconds(container, stream),
            frame_count=headers.frame_count(container, stream),
            has_b_frames=bool(context.has_b_frames),
            colour=trial.colour,
            audio=_audio(container),
            decodes=trial.error is None,
            error=trial.error,
            warnings=trial.warnings,
        )


def _decode_some(path: Path | str, stream: VideoStream) -> _Trial:
    try:
        source = Source(path)
    except VideoError as error:
        context = stream.codec_context
        return _Trial(context.height, context.width, error=str(error))
    with closing(source):
        first = source.first
        turn = upright(first, headers.sample_aspect_ratio(source.stream))
        colour = PlaneReader().read(first)[1]
        pts = first.dts if first.pts is None else first.pts
        for _ in islice(source.frames(), _TRIAL_FRAMES):
            pass
        return _Trial(
            turn.height,
            turn.width,
            turn.rotation,
            None if pts is None else float(pts * headers.time_base(stream)),
            colour,
            warnings=source.defects.sentences(),
        )


def _packet_times(container: InputContainer, stream: VideoStream) -> list[int]:
    """Return the first presentation times in ascending order, in ticks."""
    times: list[int] = []
    try:
        for packet in islice(container.demux(stream), _SCANNED_PACKETS):
            time = packet.dts if packet.pts is None else packet.pts
            if time is not None and not packet.is_discard:
                times.append(time)
    except av.error.FFmpegError:
        pass  # what was read so far is enough to judge by
    times.sort()
    return times[:-_REORDERED_PACKETS] if len(times) == _SCANNED_PACKETS else times


def _is_variable(times: list[int]) -> bool:
    periods = [after - before for before, after in pairwise(times)]
    if not periods:
        return False
    usual = median(periods)
    # One tick either way is rounding, as in Matroska's milliseconds.
    odd = sum(abs(period - usual) > max(1, _IRREGULAR * usual) for period in periods)
    return odd > _IRREGULAR_PERIODS * len(periods)


def _audio(container: InputContainer) -> tuple[AudioStream, ...]:
    found = [stream for stream in container.streams.audio if stream.codec_context is not None]
    return tuple(
        AudioStream(
            stream.codec_context.codec.canonical_name,
            stream.codec_context.sample_rate,
            stream.codec_context.channels,
        )
        for stream in found
    )
