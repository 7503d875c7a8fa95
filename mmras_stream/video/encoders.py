"""Which encoder compresses a video, and how it is told to be quick."""

from __future__ import annotations

import os
from difflib import get_close_matches
from fractions import Fraction

import av
from av.codec import Codec
from av.container import OutputContainer
from av.video.stream import VideoStream

from mmras_stream.errors import VideoError
from mmras_stream.types import ColourMatrix, PixelFormat

# Without B-frames pictures leave in the order they came, so their times can be any.
# Of x264's presets, superfast takes 0.6 of veryfast's time and holds no pictures back.
_OPTIONS: dict[str, dict[str, str]] = {
    "libx264": {"preset": "superfast", "crf": "23", "bf": "0"},
    "libx265": {"preset": "superfast", "crf": "26", "x265-params": "bframes=0:log-level=error"},
    "libsvtav1": {"preset": "9", "crf": "35"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "33", "b:v": "0"},
    "h264_nvenc": {"preset": "p4", "cq": "23", "bf": "0"},
    "hevc_nvenc": {"preset": "p4", "cq": "26", "bf": "0"},
    "av1_nvenc": {"preset": "p4", "cq": "32", "bf": "0"},
}

_SMALLEST = {"libx265": 64}
"""Least height and width; x265 writes past the end of its memory with less."""

_SECONDS_BETWEEN_KEY_FRAMES = 4
"""A player that jumps has to decode from the key frame before."""

USUAL_RATE = Fraction(25)
"""Frames per second assumed where the source does not say."""

_COLOUR_TAGS = {
    ColourMatrix.BT601: (6, 6, 6),
    ColourMatrix.BT709: (1, 1, 1),
    ColourMatrix.BT2020: (9, 14, 9),
}
"""Numbers of primaries, transfer and matrix as in Recommendation ITU-T H.273."""

_LIMITED_RANGE = 1


def require_encoder(encoder: str) -> None:
    """Check that there is an encoder of that name whose output fits MP4.

    Raises:
        VideoError: there is none.
    """
    with av.open(os.devnull, "w", format="mp4") as output:
        _codec(output, encoder)


def add_video_stream(
    output: OutputContainer,
    encoder: str,
    *,
    size: tuple[int, int],
    timescale: int,
    frame_rate: Fraction,
    pixel_format: PixelFormat,
    crf: int | None = None,
) -> VideoStream:
    """Add a stream of 8-bit 4:2:0 pictures and start its encoder.

    Args:
        output: An MP4 file.
        encoder: PyAV's name of it.
        size: (height, width), both even.
        timescale: Ticks per second.
        frame_rate: Average, or 0.
        pixel_format: 8 bit and limited range; players are told its matrix.
        crf: Quality of encoders that have a constant rate factor, lower is better; None is good
            enough to watch.

    Raises:
        VideoError: PyAV has no such encoder, it does not fit MP4, or it does not start.
    """
    codec = _codec(output, encoder)
    least = _SMALLEST.get(codec.name, 2)
    if min(size) < least:
        raise VideoError(
            f"{encoder} takes no pictures below {least}x{least}, got {size[1]}x{size[0]}; "
            "libx264 takes any"
        )
    rate = frame_rate or USUAL_RATE
    options = dict(_OPTIONS.get(codec.name, {}))
    if crf is not None and "crf" in options:
        options["crf"] = str(crf)
    try:
        stream = output.add_stream(encoder, rate=rate, options=options)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = size
        stream.pix_fmt = _pixel_format_name(codec)
        stream.time_base = Fraction(1, timescale)
        context = stream.codec_context
        context.time_base = Fraction(1, timescale)
        context.gop_size = max(1, round(rate * _SECONDS_BETWEEN_KEY_FRAMES))
        context.color_range = _LIMITED_RANGE
        tags = _COLOUR_TAGS[pixel_format.matrix]
        context.color_primaries, context.color_trc, context.colorspace = tags
        context.open()
    except (av.error.FFmpegError, OSError, ValueError) as error:
        height, width = size
        reason = getattr(error, "strerror", None) or str(error)
        raise VideoError(
            f"the encoder {encoder!r} does not start for {width}x{height} pictures: {reason}; "
            "libx264 needs no special hardware"
        ) from error
    return stream


def _codec(output: OutputContainer, encoder: str) -> Codec:
    try:
        codec = Codec(encoder, "w")
    except ValueError:
        codec = None
    fitting = output.supported_codecs
    if codec is None or codec.type != "video":
        raise VideoError(f"no video encoder called {encoder!r}; {_guess(encoder, fitting)}")
    if codec.name not in fitting:
        raise VideoError(f"an MP4 file cannot hold what {encoder!r} writes; libx264 would work")
    return codec


def _guess(encoder: str, fitting: set[str]) -> str:
    video = sorted(name for name in fitting if _is_video_encoder(name))
    close = get_close_matches(encoder, video, n=3)
    return f"did you mean {' or '.join(map(repr, close))}?" if close else "libx264 would work"


def _is_video_encoder(name: str) -> bool:
    try:
        codec = Codec(name, "w")
    except ValueError:
        return False
    return codec.name == name and codec.type == "video"


def _pixel_format_name(codec: Codec) -> str:
    known = [form.name for form in codec.video_formats or ()]
    return "nv12" if "nv12" in known and "yuv420p" not in known else "yuv420p"
