"""Open a video file as a plain local file, or say clearly why it cannot be."""

from __future__ import annotations

from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from mmras_stream.errors import VideoError

_NO_NETWORK = {"protocol_whitelist": "file"}
"""A playlist that poses as a recording must not make FFmpeg fetch what it names."""

_PLAYLISTS = {"concat", "dash", "hls", "imf"}

_GENERATE_PTS = 0x1
"""FFmpeg's AVFMT_FLAG_GENPTS, which PyAV sets."""

_HEAD_BYTES = 4096
_BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"}


def shown(path: Path | str) -> str:
    r"""Return a path that is safe to print: control characters are escaped.

    >>> shown("two\nlines.mp4")
    'two\\nlines.mp4'
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(path))


def open_video(path: Path | str) -> InputContainer:
    """Open a file whatever its name looks like to FFmpeg.

    Raises:
        VideoError: it is missing, is no regular file, or holds nothing that FFmpeg understands.
    """
    try:
        _require_regular_file(path)
        # "file:" stops FFmpeg from reading a protocol such as "concat:" out of the name.
        container = av.open(f"file:{path}", "r", options=_NO_NETWORK, metadata_errors="replace")
    except av.error.FFmpegError as error:
        reason = _diagnosis(Path(path)) or error.strerror or "unknown error"
        raise VideoError(f"cannot open {shown(path)}: {reason}") from error
    except OSError as error:
        raise VideoError(f"cannot open {shown(path)}: {error.strerror}") from error
    if container.format.name in _PLAYLISTS:
        container.close()
        raise VideoError(f"cannot open {shown(path)}: it is a playlist, not video")
    # FFmpeg would invent presentation times for AVI, and in the wrong order.
    container.flags &= ~_GENERATE_PTS
    return container


def video_stream(container: InputContainer, path: Path | str) -> VideoStream:
    """Return the video that FFmpeg would play; cover pictures of audio files do not count.

    Raises:
        VideoError: there is none, or the build has no decoder for it.
    """
    found = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not found:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise VideoError(f"{shown(path)} has no video stream, only {kinds}")
    best = container.streams.best("video")
    stream = best if isinstance(best, VideoStream) and best in found else found[0]
    if stream.codec_context is None:
        raise VideoError(
            f"{shown(path)}: this build of FFmpeg has no decoder for its video"
            "; convert it to H.264 first"
        )
    return stream


def _require_regular_file(path: Path | str) -> None:
    file = Path(path)
    if not file.exists():
        raise VideoError(f"cannot open {shown(path)}: no such file")
    if file.is_dir():
        raise VideoError(
            f"cannot open {shown(path)}: it is a folder; a folder of pictures needs the decoder "
            "'images'"
        )
    if not file.is_file():
        raise VideoError(f"cannot open {shown(path)}: it is not a regular file")


def _diagnosis(file: Path) -> str | None:
    """Say why FFmpeg refused a file, where a look at its bytes tells."""
    try:
        with file.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
            boxes = _box_names(file)
    except OSError as error:
        return error.strerror
    if not head:
        return "the file is empty"
    if boxes & _BOXES and b"moov" not in boxes:
        return (
            "its index (moov) is missing, so the recording was cut off before it was finished; "
            "a repair tool can rebuild it with the help of a sound file from the same camera"
        )
    if _is_text(head):
        return "it holds text, not video"
    return None


def _box_names(file: Path) -> set[bytes]:
    """Return the top-level boxes of an MP4 or MOV file; garbage gives garbage."""
    names: set[bytes] = set()
    end = file.stat().st_size
    with file.open("rb") as stream:
        at = 0
        while at + 8 <= end and len(names) < 16:
            stream.seek(at)
            header = stream.read(16)
            size = int.from_bytes(header[:4])
            names.add(header[4:8])
            if size == 1:
                size = int.from_bytes(header[8:16])
            if size < 8:
                break
            at += size
    return names


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # else the cut went through a character
            return False
        text = head[: error.start].decode("utf-8")
    return all(c.isprintable() or c.isspace() for c in text)
