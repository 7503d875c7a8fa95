"""Copy the sound of a source beside its pictures, packet by packet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Discard

from mmras_stream.errors import VideoError
from mmras_stream.video.opening import open_video


class Sound:
    """The best audio stream of a file, copied into an MP4 file without being decoded.

    Where that is impossible there is simply no sound, and `warnings` says why. It reads the
    source through a file handle of its own, only as far as `advance` asks.
    """

    def __init__(self, source: Path) -> None:
        self.warnings: list[str] = []
        self._opened = ExitStack()
        self._stream: AudioStream | None = None
        self._target: tuple[OutputContainer, AudioStream] | None = None
        self._packets: Iterator[Packet[AudioStream]] = iter(())
        self._next: Packet[AudioStream] | None = None
        self._last_dts: int | None = None
        self._shift = Fraction(0)
        try:
            container = self._opened.enter_context(open_video(source))
        except VideoError as error:
            self.warnings.append(f"without sound: {error}")
        else:
            self._select(container)

    @property
    def sample_rate(self) -> int:
        """Ticks per second of the copy; 1 where there is no sound."""
        return 1 if self._stream is None else self._stream.rate

    def attach(self, output: OutputContainer) -> None:
        """Add a stream for the copy to a file whose header is not written yet."""
        if self._stream is None:
            return
        codec = self._stream.codec_context.codec.canonical_name
        if codec in output.supported_codecs:
            self._target = output, output.add_stream_from_template(self._stream)
        else:
            self.warnings.append(f"without sound: an MP4 file cannot hold {codec}")

    def start(self, *, begin: Fraction | None, shift: Fraction) -> None:
        """Drop what is heard before `begin`, and move the rest `shift` seconds earlier."""
        self._shift = shift
        if self._target is not None:
            self._read_next()
        while begin is not None and self._next is not None and _seconds(self._next) < begin:
            self._read_next()

    def advance(self, until: Fraction) -> None:
        """Copy what begins before `until`, in seconds of the source.

        Raises:
            av.error.FFmpegError: the copy cannot be written.
        """
        while self._next is not None and _seconds(self._next) < until:
            self._copy(self._next)
            self._read_next()

    def close(self) -> None:
        """Release the source; safe to call twice."""
        self._next = None
        self._opened.close()

    def _select(self, container: InputContainer) -> None:
        stream = container.streams.best("audio")
        if not isinstance(stream, AudioStream):
            return
        if stream.codec_context is None:
            self.warnings.append("without sound: its codec is unknown")
            return
        for other in container.streams:
            if other.index != stream.index:
                other.discard = Discard.all
        self._stream = stream
        self._packets = container.demux(stream)

    def _read_next(self) -> None:
        try:
            self._next = next(self._storable(), None)
        except av.error.FFmpegError as error:
            self._next = None
            self.warnings.append(f"the sound ends early: {error.strerror or error}")

    def _storable(self) -> Iterator[Packet[AudioStream]]:
        """Yield packets with a time later than that of the one before; MP4 takes no others."""
        for packet in self._packets:
            packet.dts = packet.pts if packet.dts is None else packet.dts
            if packet.dts is None or (self._last_dts is not None and packet.dts <= self._last_dts):
                continue
            self._last_dts = packet.dts
            yield packet

    def _copy(self, packet: Packet[AudioStream]) -> None:
        assert self._target is not None
        assert packet.dts is not None
        output, stream = self._target
        shift = round(self._shift / packet.time_base)
        packet.dts -= shift
        packet.pts = packet.dts if packet.pts is None else packet.pts - shift
        packet.stream = stream
        output.mux(packet)


def _seconds(packet: Packet[AudioStream]) -> Fraction:
    assert packet.dts is not None
    return packet.dts * packet.time_base
