"""Decode video files with decord, for comparison with pipelines that are built on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mmras_stream.errors import PluginError, VideoError
from mmras_stream.settings import VideoSettings
from mmras_stream.types import FrameBatch, VideoInfo
from mmras_stream.video import headers
from mmras_stream.video.batching import Picture, batches
from mmras_stream.video.clock import Clock
from mmras_stream.video.colour import RGB
from mmras_stream.video.defects import Defects
from mmras_stream.video.opening import shown
from mmras_stream.video.planes import Upright, upright
from mmras_stream.video.sampling import select
from mmras_stream.video.source import Source

_PLAUSIBLE_SECONDS = 1e8
"""Where a file stores no presentation times decord returns garbage far beyond this."""


class _Reader(Protocol):
    """The part of `decord.VideoReader` that is used."""

    def __len__(self) -> int: ...
    def next(self) -> _Array: ...
    def skip_frames(self, count: int) -> None: ...
    def get_frame_timestamp(self, indices: range) -> npt.NDArray[np.float32]: ...


class _Array(Protocol):
    def asnumpy(self) -> npt.NDArray[np.uint8]: ...


class DecordDecoder:
    """Sequential reading with decord 0.6, the last release, which knows no GPU in its wheel.

    The header is read with PyAV, because decord tells neither time base nor aspect ratio.
    decord's own limits: pictures come as RGB, so each costs a conversion; its times are float32
    and become exact ticks only while they are short (two minutes at 90 kHz); a corrupt
    stretch is filled with copies of the frame before, without a word; times of AVI files are
    counted from the frame rate; and its memory grows with the length of the file.

    Raises:
        PluginError: decord is not installed.
        VideoError: the file cannot be read, or is of a kind that decord is known to garble.
    """

    def __init__(self, path: Path | str, settings: VideoSettings) -> None:
        self._path = path
        self._settings = settings
        self._defects = Defects()
        self._closed = False
        _decord()
        with closing(Source(path)) as source:
            self._upright, info, self._start_pts = _describe(source, path)
        self._reader: _Reader | None = self._open()
        self._info = replace(info, frame_count=len(self._reader))

    @property
    def info(self) -> VideoInfo:
        return self._info

    @property
    def warnings(self) -> tuple[str, ...]:
        return self._defects.sentences()

    def __iter__(self) -> Iterator[FrameBatch]:
        if self._closed:
            raise VideoError(f"the decoder of {shown(self._path)} is closed")
        reader, self._reader = self._reader or self._open(), None
        time_base = self.info.time_base
        times = list(enumerate(self._times(reader)))

        def since_first(frame: tuple[int, int]) -> float:
            return float((frame[1] - times[0][1]) * time_base)

        chosen = list(select(times, self._settings, since_first))
        pictures = self._pictures(reader, chosen)
        return batches(pictures, time_base=time_base, batch_size=self._settings.batch_size)

    def close(self) -> None:
        self._closed = True
        self._reader = None

    def _open(self) -> _Reader:
        decord = _decord()
        try:
            reader: _Reader = decord.VideoReader(str(self._path), ctx=decord.cpu(0), num_threads=1)
        except (RuntimeError, decord.DECORDError) as error:
            raise VideoError(f"decord cannot open {shown(self._path)}") from error
        return reader

    def _times(self, reader: _Reader) -> Iterator[int]:
        info = self.info
        self._defects = Defects()
        clock = Clock(time_base=info.time_base, frame_rate=info.frame_rate, defects=self._defects)
        for start, _ in reader.get_frame_timestamp(range(len(reader))):
            known = abs(start) < _PLAUSIBLE_SECONDS
            pts = self._start_pts + round(float(start) / info.time_base) if known else None
            yield clock.tick(pts, None)

    def _pictures(self, reader: _Reader, chosen: list[tuple[int, int]]) -> Iterator[Picture]:
        decord = _decord()
        place = 0
        for index, pts in chosen:
            if self._closed:
                raise VideoError(f"the decoder of {shown(self._path)} was closed while it was read")
            try:
                if index > place:
                    reader.skip_frames(index - place)
                picture = reader.next().asnumpy()
            except (StopIteration, decord.DECORDError) as error:
                self._defects.note(f"decord stopped at frame {index}: {error or 'end of file'}")
                return
            place = index + 1
            red, green, blue = (np.ascontiguousarray(picture[..., c]) for c in range(3))
            yield Picture(index, pts, self._upright.apply((red, green, blue)), RGB)


def _decord() -> Any:  # noqa: ANN401 - decord has no types
    try:
        import decord
    except ImportError as error:
        raise PluginError(
            "the decoder 'decord' needs the package decord: pip install 'mmras-stream[decord]'"
        ) from error
    return decord


def _describe(source: Source, path: Path | str) -> tuple[Upright, VideoInfo, int]:
    container, stream, first = source.container, source.stream, source.first
    aspect = headers.sample_aspect_ratio(stream)
    turn = upright(first, aspect)
    if turn.transposed or container.format.name == "mpegts":
        what = "turned by 90 degrees" if turn.transposed else "in MPEG transport streams"
        raise VideoError(
            f"cannot open {shown(path)}: decord garbles videos {what}; use the decoder 'pyav'"
        )
    info = VideoInfo(
        uri=str(path),
        height=turn.height,
        width=turn.width,
        frame_rate=headers.frame_rate(stream),
        time_base=headers.time_base(stream),
        frame_count=None,
        duration_seconds=headers.duration_seconds(container, stream),
        rotation=turn.rotation,
        sample_aspect_ratio=aspect,
    )
    # decord turns pictures by 180 degrees itself, so only stretching is left to do.
    return Upright(turn.height, turn.width), info, first.pts or 0
