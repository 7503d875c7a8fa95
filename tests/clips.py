"""Small clips for tests, written with PyAV and damaged by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream

QUIET = {"libx265": {"x265-params": "log-level=none:pools=1:frame-threads=1:bframes=2:keyint=10"}}
"""Options without which an encoder writes to the terminal."""


@dataclass(frozen=True, slots=True)
class Clip:
    """What to write; every frame is a smooth picture, brighter than the one before."""

    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    frames: int = 24
    height: int = 48
    width: int = 64
    frame_rate: Fraction = Fraction(25)
    pts: Sequence[int] | None = None
    """Milliseconds, for a variable frame rate."""
    b_frames: int = 2
    key_every: int = 10
    rotation: int = 0
    """Degrees clockwise by which a player has to turn the picture."""
    mirrored: bool = False
    sample_aspect_ratio: Fraction = Fraction(1)
    colour: tuple[int, int] | None = None
    """FFmpeg's numbers of the matrix (AVColorSpace) and of the range (AVColorRange)."""
    audio_seconds: float = 0
    options: tuple[tuple[str, str], ...] = ()


def picture(index: int, height: int, width: int, *, frames: int = 24) -> npt.NDArray[np.uint8]:
    """Return a smooth RGB picture whose brightness tells its index."""
    y, x = np.mgrid[0:height, 0:width]
    level = 40 + 140 * index / max(frames - 1, 1)
    red = level + 30 * x / max(width - 1, 1)
    green = level + 30 * y / max(height - 1, 1)
    blue = np.full_like(red, level)
    return np.stack([red, green, blue], axis=-1).round().astype(np.uint8)


def write(path: Path, clip: Clip) -> Path:
    """Encode the clip; the container follows from the suffix of the path."""
    with av.open(str(path), "w") as container:
        stream = _stream(container, clip)
        audio = (
            container.add_stream("aac", rate=8000, layout="mono") if clip.audio_seconds else None
        )
        for index in range(clip.frames):
            container.mux(stream.encode(_frame(clip, index)))
        container.mux(stream.encode())
        if audio is not None:
            samples = np.zeros((1, int(8000 * clip.audio_seconds)), np.float32)
            sound = av.AudioFrame.from_ndarray(samples, "fltp", "mono")
            sound.sample_rate = 8000
            fifo = av.AudioFifo()
            fifo.write(sound)
            while (piece := fifo.read(1024, partial=True)) is not None:
                container.mux(audio.encode(piece))
            container.mux(audio.encode())
    return path


def _stream(container: av.container.OutputContainer, clip: Clip) -> VideoStream:
    options = {**QUIET.get(clip.codec, {}), **dict(clip.options)}
    stream = container.add_stream(clip.codec, rate=clip.frame_rate, options=options)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, clip.pixel_format
    context = stream.codec_context
    context.thread_count = 1
    context.gop_size = clip.key_every
    if clip.codec in ("libx264", "mpeg4"):
        context.max_b_frames = clip.b_frames
    if clip.pts is not None:
        context.time_base = Fraction(1, 1000)
    if clip.sample_aspect_ratio != 1:
        context.sample_aspect_ratio = clip.sample_aspect_ratio
    if clip.colour is not None:
        context.colorspace, context.color_range = clip.colour
    if clip.rotation or clip.mirrored:
        stream.set_display_rotation(-clip.rotation, hflip=clip.mirrored)
    return stream


def _frame(clip: Clip, index: int) -> av.VideoFrame:
    rgb = picture(index, clip.height, clip.width, frames=clip.frames)
    matrix, range_ = clip.colour or (6, 1)
    frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(
        format=clip.pixel_format,
        dst_colorspace=Colorspace.ITU709 if matrix == 1 else Colorspace.ITU601,
        dst_color_range=ColorRange(range_),
    )
    frame.pts = index if clip.pts is None else clip.pts[index]
    frame.time_base = 1 / clip.frame_rate if clip.pts is None else Fraction(1, 1000)
    return frame


def truncated(path: Path, *, share: float) -> Path:
    """Cut a file after a share of its bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def find_box(data: bytes, name: bytes) -> tuple[int, int]:
    """Return where the payload of an MP4 box starts and ends; the first of that name."""
    at = data.index(name)
    size = int.from_bytes(data[at - 4 : at])
    return at + 4, at - 4 + size
