from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from clips import Clip, find_box, write
from mmras_stream.errors import VideoError
from mmras_stream.types import ColourMatrix, PixelFormat
from mmras_stream.video.probe import AudioStream, probe


def test_a_probe_tells_what_the_file_is(tmp_path: Path) -> None:
    clip = Clip(rotation=90, sample_aspect_ratio=Fraction(2), colour=(1, 1), audio_seconds=1)
    path = write(tmp_path / "clip.mp4", clip)
    found = probe(path)
    assert found.uri == str(path)
    assert "mp4" in found.container
    assert (found.codec, found.profile) == ("h264", "High")
    assert (found.pixel_format, found.bits) == ("yuv420p", 8)
    assert (found.coded_height, found.coded_width) == (48, 64)
    assert (found.height, found.width, found.rotation) == (128, 48, 90)
    assert found.sample_aspect_ratio == 2
    assert (found.frame_rate, found.time_base) == (Fraction(25), Fraction(1, 12800))
    assert (found.frame_count, found.duration_seconds) == (24, 0.96)
    assert found.first_pts_seconds == 0
    assert found.has_b_frames
    assert found.colour == PixelFormat(ColourMatrix.BT709, full_range=False)
    assert found.audio == (AudioStream("aac", 8000, 1),)
    assert (found.decodes, found.error, found.warnings) == (True, None, ())


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".avi"])
@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001)])
def test_a_constant_frame_rate_is_called_constant(
    rate: Fraction, suffix: str, tmp_path: Path
) -> None:
    path = write(tmp_path / f"clip{suffix}", Clip(frames=60, frame_rate=rate))
    assert not probe(path).variable_frame_rate


def test_a_variable_frame_rate_is_found(tmp_path: Path) -> None:
    times = [40 * i + 13 * (i % 3) for i in range(24)]
    assert probe(write(tmp_path / "clip.mkv", Clip(pts=times))).variable_frame_rate


def test_one_dropped_frame_does_not_make_a_rate_variable(tmp_path: Path) -> None:
    times = [40 * (i + (i > 70)) for i in range(150)]
    path = write(tmp_path / "clip.mkv", Clip(pts=times, frames=150))
    assert not probe(path).variable_frame_rate


def test_ten_bits_are_told(tmp_path: Path) -> None:
    clip = Clip(codec="libx265", pixel_format="yuv420p10le")
    found = probe(write(tmp_path / "clip.mkv", clip))
    assert (found.codec, found.bits, found.pixel_format) == ("hevc", 10, "yuv420p10le")


def test_a_file_that_does_not_decode_is_described_all_the_same(tmp_path: Path) -> None:
    path = write(tmp_path / "void.mp4", Clip())
    data = path.read_bytes()
    start, end = find_box(data, b"mdat")
    path.write_bytes(data[:start] + bytes(end - start) + data[end:])
    found = probe(path)
    assert not found.decodes
    assert found.error is not None
    assert "24 corrupt packets skipped" in found.error
    assert (found.height, found.width, found.colour) == (48, 64, None)


def test_a_file_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no such file"):
        probe(tmp_path / "no.mp4")
