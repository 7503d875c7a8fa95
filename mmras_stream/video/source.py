"""Read one video file once, from its first decodable frame to its last."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path

import av
from av.codec.context import ThreadType
from av.packet import Packet
from av.stream import Discard
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from mmras_stream.errors import VideoError
from mmras_stream.video.defects import Defect, Defects
from mmras_stream.video.opening import open_video, shown, video_stream

_READ_ATTEMPTS = 64
"""Unreadable places in a row after which the rest of a file is given up."""

_MOST_THREADS = 4
"""More would only compete with the network."""


class Source:
    """An open file, its video stream and its frames in presentation order.

    Attributes:
        defects: grows while frames are taken.

    Raises:
        VideoError: the file cannot be opened, or no frame of it can be decoded.
    """

    def __init__(self, path: Path | str) -> None:
        self.closed = False
        self.defects = Defects()
        self.container = open_video(path)
        self._name = shown(path)
        self._decoding = self._decoded()
        try:
            self.stream = video_stream(self.container, path)
            self._prepare()
            self._peeked = [self._first_frame()]
        except BaseException:  # Ctrl-C too: nobody else holds the open file yet
            self.close()
            raise

    @property
    def first(self) -> VideoFrame:
        """The first frame, for as long as `frames` was not started."""
        return self._peeked[0]

    def frames(self) -> Iterator[VideoFrame]:
        """Yield all frames; to be called once."""
        while self._peeked:
            yield self._peeked.pop()
        yield from self._decoding

    def close(self) -> None:
        """Release the file; safe to call twice, but not while another thread reads."""
        if not self.closed:
            self.closed = True
            # The reader first: resumed on a closed container it would crash inside FFmpeg.
            self._decoding.close()
            self.container.close()

    def _prepare(self) -> None:
        context = self.stream.codec_context
        context.thread_type = ThreadType.AUTO
        context.thread_count = max(1, min(_MOST_THREADS, os.cpu_count() or 1))
        for stream in self.container.streams:
            if stream.index != self.stream.index:
                stream.discard = Discard.all

    def _first_frame(self) -> VideoFrame:
        frame = next(self._decoding, None)
        if frame is None:
            found = "; ".join(self.defects.sentences()) or "it holds no packets"
            raise VideoError(
                f"no frame of {self._name} can be decoded ({self.stream.codec_context.name}): "
                f"{found}"
            )
        return frame

    def _decoded(self) -> Generator[VideoFrame]:
        with closing(self._demuxed()) as packets:
            for packet in packets:
                try:
                    frames = self.stream.decode(packet)
                except av.error.FFmpegError:
                    self.defects.count(Defect.CORRUPT_PACKET)
                    continue
                for frame in frames:
                    if frame.is_corrupt:
                        self.defects.count(Defect.DAMAGED_FRAME)
                    yield frame

    def _demuxed(self) -> Generator[Packet[VideoStream] | None]:
        """Yield packets, then one that makes the decoder give up what it still holds."""
        failure = ""
        for _ in range(_READ_ATTEMPTS):
            try:
                yield from self.container.demux(self.stream)
            except av.error.FFmpegError as error:
                failure = error.strerror or "unknown error"
            else:
                return
        self.defects.note(f"reading stopped before the end of the file: {failure}")
        yield None
