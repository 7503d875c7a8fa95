"""Decode video files on the CPU with FFmpeg, through PyAV."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from av.video.frame import VideoFrame

from mmras_stream.errors import VideoError
from mmras_stream.settings import VideoSettings
from mmras_stream.types import FrameBatch, VideoInfo
from mmras_stream.video import headers
from mmras_stream.video.batching import Picture, batches
from mmras_stream.video.clock import Clock
from mmras_stream.video.defects import Defect, Defects
from mmras_stream.video.opening import shown
from mmras_stream.video.planes import PlaneReader, Upright, upright
from mmras_stream.video.sampling import select
from mmras_stream.video.source import Source

_UNREMARKABLE_SHARE = 0.03
"""Part of the announced length that may be missing without a word, as rounding makes it."""
_UNREMARKABLE_FRAMES = 1.5


@dataclass(frozen=True, slots=True, eq=False)
class _Timed:
    index: int
    pts: int
    frame: VideoFrame


class PyAVDecoder:
    """The reference decoder: every container and codec of PyAV's FFmpeg, frame for frame.

    Frames are numbered and timed as a plain PyAV decode gives them, and pts are made strictly
    increasing where the file's are not. Iterating again starts from the beginning. `close` must
    not be called while another thread iterates.

    Raises:
        VideoError: the file cannot be opened, or no frame of it can be decoded.
    """

    def __init__(self, path: Path | str, settings: VideoSettings) -> None:
        self._path = path
        self._settings = settings
        self._source = Source(path)
        try:
            first = self._source.first
            self._stored_size = first.height, first.width
            self._upright, self._info = _describe(self._source, str(path))
        except BaseException:  # Ctrl-C too: nobody else holds the open file yet
            self.close()
            raise
        self._fresh = True

    @property
    def info(self) -> VideoInfo:
        return self._info

    @property
    def warnings(self) -> tuple[str, ...]:
        return self._source.defects.sentences()

    def __iter__(self) -> Iterator[FrameBatch]:
        if self._source.closed:
            raise VideoError(f"the decoder of {shown(self._path)} is closed")
        if not self._fresh:
            self._source.close()
            self._source = Source(self._path)
        self._fresh = False
        return self._batches(self._source)

    def close(self) -> None:
        self._source.close()

    def _batches(self, source: Source) -> Iterator[FrameBatch]:
        time_base = self.info.time_base
        timed = self._timed(source)
        first = next(timed)

        def since_first(frame: _Timed) -> float:
            return float((frame.pts - first.pts) * time_base)

        kept = select(itertools.chain([first], timed), self._settings, since_first)
        pictures = self._pictures(kept, source.defects)
        return batches(pictures, time_base=time_base, batch_size=self._settings.batch_size)

    def _timed(self, source: Source) -> Iterator[_Timed]:
        info, defects = self.info, source.defects
        clock = Clock(time_base=info.time_base, frame_rate=info.frame_rate, defects=defects)
        for index, frame in enumerate(source.frames()):
            last = _Timed(index, clock.tick(frame.pts, frame.dts), frame)
            yield last
        if source.closed:
            raise VideoError(f"the decoder of {shown(self._path)} was closed while it was read")
        _note_missing_frames(source, last, info)

    def _pictures(self, frames: Iterable[_Timed], defects: Defects) -> Iterator[Picture]:
        reader = PlaneReader()
        for timed in frames:
            planes, pixel_format = reader.read(timed.frame)
            if (timed.frame.height, timed.frame.width) != self._stored_size:
                defects.count(Defect.RESIZED_FRAME)
            yield Picture(timed.index, timed.pts, self._upright.apply(planes), pixel_format)


def _describe(source: Source, uri: str) -> tuple[Upright, VideoInfo]:
    container, stream = source.container, source.stream
    aspect = headers.sample_aspect_ratio(stream)
    turn = upright(source.first, aspect)
    info = VideoInfo(
        uri=uri,
        height=turn.height,
        width=turn.width,
        frame_rate=headers.frame_rate(stream),
        time_base=headers.time_base(stream),
        frame_count=headers.frame_count(container, stream),
        duration_seconds=headers.duration_seconds(container, stream),
        rotation=turn.rotation,
        sample_aspect_ratio=aspect,
    )
    return turn, info


def _note_missing_frames(source: Source, last: _Timed, info: VideoInfo) -> None:
    """Compare what was decoded with what the header promised."""
    container, stream = source.container, source.stream
    decoded = last.index + 1
    exact = headers.exact_frame_count(container, stream)
    length = headers.promised_seconds(container, stream) or 0.0
    period = float(1 / info.frame_rate) if info.frame_rate else 0.0
    end = float((last.pts + (last.frame.duration or 0)) * info.time_base)
    missing = headers.start_seconds(container, stream) + length - end
    if missing > max(_UNREMARKABLE_FRAMES * period, _UNREMARKABLE_SHARE * length):
        count = exact or round(length * info.frame_rate)
        source.defects.note(
            f"the file ends early: {decoded} of about {count} frames decoded "
            f"({missing / length:.0%} missing)"
        )
    elif exact and decoded < exact:
        source.defects.note(f"{exact - decoded} of {exact} frames could not be decoded")
