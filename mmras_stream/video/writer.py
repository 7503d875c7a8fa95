"""Encode pictures to an MP4 file that shows each at exactly its time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from mmras_stream.atomic import partial_path, publish, reported
from mmras_stream.types import PixelFormat
from mmras_stream.video.encoders import USUAL_RATE, add_video_stream
from mmras_stream.video.sound import Sound
from mmras_stream.video.yuv420 import Planes420

_FINEST = 10_000_000
"""Most ticks per second that are kept; the longest gap between frames is then 214 seconds."""

_SUBSTITUTE = 1_000_000
"""Ticks per second where the source has more than `_FINEST`: times are then rounded."""

_MOST_TICKS = 2**31 - 2
"""Between two frames, and per second of the file's clock; MP4 stores them in 32 bits."""


class VideoWriter:
    """Writes one video; it appears under its name when it is closed, and is readable then.

    The file counts time in the source's own ticks, so that every pts survives, and so does a
    start later than 0. MP4 knows no time before 0: a source that starts there is moved to 0.
    Time bases finer than 1e-7 s are rounded to microseconds.

    Args:
        path: Ends in .mp4.
        height: Pixels of the planes, even.
        width: Pixels of the planes, even.
        time_base: Seconds per tick of the pts that `write` is given.
        pixel_format: Of the planes: 8 bit, limited range.
        encoder: Any video encoder of PyAV whose output fits MP4.
        frame_rate: Average, or 0; a hint to the encoder.
        sound_from: File whose sound is copied as it is, up to the end of the last picture; see
            `close` for the rest.
        crf: Quality, see `add_video_stream`.
        start_pts: What becomes time 0, for a part of a drive; sound before it is left out.

    Raises:
        VideoError: there is no such encoder, or it does not take such pictures.
        OutputError: the file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        *,
        height: int,
        width: int,
        time_base: Fraction,
        pixel_format: PixelFormat,
        encoder: str = "libx264",
        frame_rate: Fraction = Fraction(0),
        sound_from: Path | None = None,
        start_pts: int | None = None,
        crf: int | None = None,
    ) -> None:
        self._path = path
        self._time_base = time_base
        self._begin = None if start_pts is None else start_pts * time_base
        self._ticks = _Ticks(time_base, start_pts, frame_rate or USUAL_RATE)
        self._started = False
        self._output: OutputContainer | None = None
        self._sound = None if sound_from is None else Sound(sound_from)
        with self._writing():
            self._output = _open_mp4(path, self._ticks.per_second, self._sound)
            self._stream: VideoStream = add_video_stream(
                self._output,
                encoder,
                size=(height, width),
                timescale=self._ticks.per_second,
                frame_rate=frame_rate,
                pixel_format=pixel_format,
                crf=crf,
            )
            if self._sound is not None:
                self._sound.attach(self._output)
            self._output.start_encoding()  # opens the file, so that what is wrong with it shows

    @property
    def warnings(self) -> tuple[str, ...]:
        """What could not be kept, one sentence each."""
        return (*self._ticks.warnings, *(self._sound.warnings if self._sound else ()))

    def write(self, planes: Planes420, pts: int) -> None:
        """Add a picture, later than the one before; its planes must not change afterwards.

        Raises:
            OutputError: the file cannot be written.
        """
        height, width = planes[0].shape
        frame = VideoFrame.from_dlpack(planes, format="yuv420p", width=width, height=height)
        frame.pts = self._ticks.at(pts)
        frame.time_base = Fraction(1, self._ticks.per_second)
        context = self._stream.codec_context
        frame.colorspace, frame.color_range = context.colorspace, context.color_range
        if context.pix_fmt != "yuv420p":
            frame = frame.reformat(format=context.pix_fmt)
        with self._writing():
            self._copy_sound(until=pts * self._time_base)
            self._mux(self._stream.encode(frame))
        self._started = True

    def close(self, *, all_sound: bool = False) -> None:
        """Finish the file and give it its name; without a picture there is none.

        Args:
            all_sound: Copy what is heard after the last picture too, as at the end of a drive.

        Raises:
            OutputError: it cannot be finished.
        """
        if self._output is None:
            return
        if not self._started:
            self._abandon()
            return
        with self._writing():
            self._copy_sound(until=_FOREVER if all_sound else self._ticks.source_end)
            self._mux(self._stream.encode(None))
            output, self._output = self._output, None
            output.close()
        if self._sound is not None:
            self._sound.close()
        publish(self._path)

    def _copy_sound(self, until: Fraction) -> None:
        if self._sound is None:
            return
        if not self._started:
            self._sound.start(begin=self._begin, shift=self._ticks.shift_seconds)
        self._sound.advance(until)

    def _mux(self, packets: Iterable[Packet[VideoStream]]) -> None:
        assert self._output is not None
        for packet in packets:
            packet.duration = self._ticks.step  # read of the last one only, which has no successor
            self._output.mux(packet)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Leave nothing behind where something fails, and say what it was."""
        try:
            with reported(self._path):
                try:
                    yield
                except av.error.FFmpegError as error:
                    # not all of FFmpeg's errors are OSErrors, such as those of its encoders
                    raise OSError(error.errno, error.strerror) from error
        except Exception:  # whatever it was is raised again, after cleaning up
            self._abandon()
            raise

    def _abandon(self) -> None:
        if self._output is not None:
            output, self._output = self._output, None
            with suppress(av.error.FFmpegError, OSError):
                output.close()
        if self._sound is not None:
            self._sound.close()
        with suppress(OSError):
            partial_path(self._path).unlink()


_FOREVER = Fraction(2**40)
"""Seconds; later than any sound."""


class _Ticks:
    """From the pts of a source to those of the file."""

    def __init__(self, time_base: Fraction, start_pts: int | None, rate: Fraction) -> None:
        exact = time_base.denominator <= _FINEST
        self.per_second = time_base.denominator if exact else _SUBSTITUTE
        self.warnings: list[str] = []
        self.step = max(1, round(self.per_second / rate))
        """Time from the last frame to the one before; a guess where there is none."""
        self._time_base = time_base
        self._start_pts = start_pts
        self._shift: int | None = None
        self._last: int | None = None
        self._last_pts = 0

    @property
    def shift_seconds(self) -> Fraction:
        """How much earlier the file shows what the source shows; known after the first frame."""
        return Fraction(self._shift or 0, self.per_second)

    @property
    def source_end(self) -> Fraction:
        """When the last frame ends, in seconds of the source."""
        return self._last_pts * self._time_base + Fraction(self.step, self.per_second)

    def at(self, pts: int) -> int:
        """Return the time of the next frame in the file."""
        ticks = self._of(pts)
        if self._shift is None:
            # MP4 has no time before 0
            self._shift = min(0, ticks) if self._start_pts is None else self._of(self._start_pts)
        ticks -= self._shift
        if self._last is not None:
            ticks = self._after(self._last, ticks)
            self.step = ticks - self._last
        self._last, self._last_pts = ticks, pts
        return ticks

    def _of(self, pts: int) -> int:
        return round(pts * self._time_base * self.per_second)

    def _after(self, last: int, ticks: int) -> int:
        gap = ticks - last
        if gap <= _MOST_TICKS:
            return max(ticks, last + 1)
        assert self._shift is not None
        self._shift += gap - _MOST_TICKS
        self.warnings.append(
            f"a gap of {gap / self.per_second:.0f} s in the video was shortened to "
            f"{_MOST_TICKS / self.per_second:.0f} s, the most an MP4 file holds"
        )
        return last + _MOST_TICKS


def _open_mp4(path: Path, timescale: int, sound: Sound | None) -> OutputContainer:
    # The file's own clock says when the streams start, so it has to tick with all of them.
    common = math.lcm(timescale, 1 if sound is None else sound.sample_rate)
    options = {
        "movflags": "+faststart",
        "video_track_timescale": str(timescale),
        "movie_timescale": str(common if common <= _MOST_TICKS else timescale),
    }
    # "file:" stops FFmpeg from reading a protocol such as "pipe:" out of the name.
    return av.open(f"file:{partial_path(path)}", "w", format="mp4", container_options=options)
