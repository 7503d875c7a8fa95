"""A written video shows every picture at its time, with the sound of its source."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.audio.stream import AudioStream

from mmras_stream.errors import OutputError, VideoError
from mmras_stream.types import ColourMatrix, PixelFormat
from mmras_stream.video.writer import VideoWriter
from mmras_stream.video.yuv420 import Planes420

BT601 = PixelFormat(ColourMatrix.BT601, full_range=False)
NTSC = Fraction(1001, 30000)
JITTER = [33, 34, 20, 61, 1, 2, 500, 33]


def _planes(level: int = 120, *, height: int = 32, width: int = 48) -> Planes420:
    y = np.full((height, width), level, np.uint8)
    u, v = (np.full((height // 2, width // 2), c, np.uint8) for c in (100, 160))
    return y, u, v


def _writer(path: Path, time_base: Fraction, **options: object) -> VideoWriter:
    given: dict[str, object] = {"height": 32, "width": 48, "pixel_format": BT601, **options}
    return VideoWriter(path, time_base=time_base, **given)  # type: ignore[arg-type]  # as given


def _write(path: Path, time_base: Fraction, pts: list[int], **options: object) -> VideoWriter:
    writer = _writer(path, time_base, **options)
    for number, moment in enumerate(pts):
        writer.write(_planes(20 + 10 * number % 200), moment)
    writer.close()
    return writer


def _times(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        return [f.pts * stream.time_base for f in container.decode(stream) if f.pts is not None]


def _sound(path: Path) -> list[tuple[Fraction, bytes]]:
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return []
        packets = container.demux(container.streams.audio[0])
        return [(p.dts * p.time_base, bytes(p)) for p in packets if p.dts is not None]


def _source(path: Path, *, seconds: float = 2, codec: str = "aac", rate: int = 44100) -> Path:
    """Write noise as sound beside a few black pictures."""
    noise = np.random.default_rng(7)
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 48, 32, "yuv420p"
        audio = output.add_stream(codec, rate=rate)
        assert isinstance(audio, AudioStream)
        audio.layout = "mono"
        output.start_encoding()
        size = audio.frame_size or 1024
        for start in range(0, int(seconds * rate), size):
            samples = noise.integers(-9000, 9000, (1, size), np.int16)
            sound = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            sound.sample_rate, sound.pts = rate, start
            output.mux(audio.encode(sound))
        output.mux(audio.encode(None))
        for number in range(int(seconds * 25)):
            frame = av.VideoFrame(48, 32, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([128]) * plane.buffer_size)
            frame.pts = number
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
    return path


@pytest.mark.parametrize(
    ("time_base", "pts"),
    [
        (Fraction(1, 25), [0, 1, 2, 3]),
        (Fraction(1, 15360), [0, 512, 1024, 1536]),
        (NTSC, [0, 1, 2, 3]),
        (NTSC, [7, 8, 9, 15]),
        (Fraction(1, 90000), [126000, 129003, 132006]),
        (Fraction(1, 90000), [8589933592, 8589936592]),
        (Fraction(1, 1000), list(accumulate(JITTER))),
        (Fraction(1, 1_000_000), [5, 33_338, 66_671]),
        (Fraction(1, 10_000_000), [0, 333_333, 3_333_333]),
        (Fraction(1, 1), [1, 2, 3]),
        (Fraction(5, 1), [0, 1, 2]),
        (Fraction(1, 600), [10]),
    ],
    ids=lambda value: str(value)[:24],
)
def test_every_pts_survives(time_base: Fraction, pts: list[int], tmp_path: Path) -> None:
    _write(tmp_path / "a.mp4", time_base, pts)
    assert _times(tmp_path / "a.mp4") == [p * time_base for p in pts]


def test_a_source_that_starts_before_0_is_moved_to_0(tmp_path: Path) -> None:
    _write(tmp_path / "a.mp4", Fraction(1, 1000), [-80, -40, 0, 45])
    assert _times(tmp_path / "a.mp4") == [Fraction(t, 1000) for t in (0, 40, 80, 125)]


def test_a_part_of_a_drive_starts_at_0(tmp_path: Path) -> None:
    _write(tmp_path / "a.mp4", NTSC, [30, 31, 33], start_pts=30)
    assert _times(tmp_path / "a.mp4") == [0, NTSC, 3 * NTSC]


def test_times_finer_than_mp4_holds_are_rounded_to_microseconds(tmp_path: Path) -> None:
    nanosecond = Fraction(1, 10**9)
    pts = [0, 33_333_333, 10_033_333_333, 10_033_333_334]
    _write(tmp_path / "a.mp4", nanosecond, pts)
    times = _times(tmp_path / "a.mp4")
    assert max(abs(t - p * nanosecond) for t, p in zip(times, pts, strict=True)) <= Fraction(
        1, 10**6
    )


def test_a_gap_longer_than_mp4_holds_is_shortened_with_a_warning(tmp_path: Path) -> None:
    pts = [0, 400_000, 10**11, 10**11 + 400_000]
    writer = _write(tmp_path / "a.mp4", Fraction(1, 10_000_000), pts)
    assert "a gap of 10000 s in the video was shortened to 215 s" in writer.warnings[0]
    times = _times(tmp_path / "a.mp4")
    assert times[3] - times[2] == Fraction(1, 25)


@pytest.mark.parametrize("size", [(2, 2), (2, 4), (4, 6), (16, 2), (38, 50)])
def test_small_pictures_are_no_trouble(size: tuple[int, int], tmp_path: Path) -> None:
    height, width = size
    with_size = {"height": height, "width": width}
    writer = _writer(tmp_path / "a.mp4", Fraction(1, 25), **with_size)
    writer.write(_planes(height=height, width=width), 0)
    writer.close()
    with av.open(str(tmp_path / "a.mp4")) as container:
        (frame,) = container.decode(video=0)
    assert (frame.height, frame.width) == size


def test_levels_and_colour_tags_survive(tmp_path: Path) -> None:
    for matrix, tag in [(ColourMatrix.BT601, 6), (ColourMatrix.BT709, 1), (ColourMatrix.BT2020, 9)]:
        path = tmp_path / f"{matrix}.mp4"
        _write(path, Fraction(1, 25), [0], pixel_format=PixelFormat(matrix, full_range=False))
        with av.open(str(path)) as container:
            (frame,) = container.decode(video=0)
        assert (frame.colorspace, frame.color_range) == (tag, 1)
        levels = [int(plane[:, :8].mean().round()) for plane in _arrays(frame)]
        np.testing.assert_allclose(levels, [20, 100, 160], atol=2)


def _arrays(frame: av.VideoFrame) -> list[npt.NDArray[np.uint8]]:
    return [
        np.frombuffer(memoryview(p), np.uint8).reshape(p.height, p.line_size) for p in frame.planes
    ]


def test_the_index_comes_first_so_that_browsers_start_at_once(tmp_path: Path) -> None:
    _write(tmp_path / "a.mp4", NTSC, [0, 1])
    data = (tmp_path / "a.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("name", ["source.mp4", "source.mkv", "source.mov"])
def test_sound_is_copied_bit_by_bit(name: str, tmp_path: Path) -> None:
    source = _source(tmp_path / name)
    writer = _write(tmp_path / "a.mp4", Fraction(1, 25), list(range(50)), sound_from=source)
    expected, copied = _sound(source), _sound(tmp_path / "a.mp4")
    assert writer.warnings == ()
    assert len(copied) > 80
    assert [data for _, data in copied] == [data for _, data in expected][: len(copied)]
    shifts = [float(a - b) for (a, _), (b, _) in zip(copied, expected, strict=False)]
    assert np.abs(shifts).max() < 0.0011  # Matroska counts in milliseconds
    assert copied[-1][0] < 2


def test_sound_stops_with_the_pictures_and_starts_with_the_clip(tmp_path: Path) -> None:
    source = _source(tmp_path / "source.mp4")
    _write(
        tmp_path / "a.mp4", Fraction(1, 25), [20, 21, 22, 23, 24], sound_from=source, start_pts=20
    )
    expected = [(t, data) for t, data in _sound(source) if Fraction(4, 5) <= t < 1]
    copied = _sound(tmp_path / "a.mp4")
    assert [data for _, data in copied] == [data for _, data in expected]
    for (there, _), (here, _) in zip(expected, copied, strict=True):
        assert abs(there - here - Fraction(4, 5)) <= Fraction(1, 44100)


def test_pictures_moved_to_0_take_their_sound_along(tmp_path: Path) -> None:
    source = _source(tmp_path / "source.mp4")
    _write(tmp_path / "a.mp4", Fraction(1, 25), list(range(-5, 10)), sound_from=source)
    there, here = _sound(source)[0], _sound(tmp_path / "a.mp4")[0]
    assert here[1] == there[1]
    assert abs(here[0] - there[0] - Fraction(1, 5)) <= Fraction(1, 44100)


def test_sound_that_mp4_cannot_hold_is_left_out_with_a_warning(tmp_path: Path) -> None:
    source = _source(tmp_path / "source.mov", codec="pcm_mulaw")
    writer = _write(tmp_path / "a.mp4", Fraction(1, 25), [0, 1], sound_from=source)
    assert writer.warnings == ("without sound: an MP4 file cannot hold pcm_mulaw",)
    assert _sound(tmp_path / "a.mp4") == []
    assert len(_times(tmp_path / "a.mp4")) == 2


def test_a_source_without_sound_or_that_is_gone_gives_a_silent_video(tmp_path: Path) -> None:
    silent = tmp_path / "silent.mp4"
    _write(silent, Fraction(1, 25), [0, 1])
    assert _write(tmp_path / "a.mp4", Fraction(1, 25), [0], sound_from=silent).warnings == ()
    writer = _write(tmp_path / "b.mp4", Fraction(1, 25), [0], sound_from=tmp_path / "no.mp4")
    assert "without sound: cannot open" in writer.warnings[0]


def test_an_unknown_encoder_gets_a_guess(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"no video encoder called 'libx246'.*libx264"):
        _writer(tmp_path / "a.mp4", NTSC, encoder="libx246")
    with pytest.raises(VideoError, match="cannot hold what 'libvpx' writes"):
        _writer(tmp_path / "a.mp4", NTSC, encoder="libvpx")
    with pytest.raises(VideoError, match="no video encoder called 'aac'"):
        _writer(tmp_path / "a.mp4", NTSC, encoder="aac")
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_that_does_not_start_says_so(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"'libx264' does not start for 3x3 pictures") as failure:
        _writer(tmp_path / "a.mp4", NTSC, height=3, width=3)
    assert "\n" not in str(failure.value)
    assert list(tmp_path.iterdir()) == []


def test_another_encoder_keeps_times_too(tmp_path: Path) -> None:
    writer = _writer(tmp_path / "a.mp4", NTSC, encoder="libx265", height=64, width=96)
    for pts in (3, 4, 6, 7):
        writer.write(_planes(height=64, width=96), pts)
    writer.close()
    assert _times(tmp_path / "a.mp4") == [p * NTSC for p in (3, 4, 6, 7)]


def test_x265_is_kept_from_pictures_that_crash_it(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"libx265 takes no pictures below 64x64, got 48x32"):
        _writer(tmp_path / "a.mp4", NTSC, encoder="libx265")


def test_nothing_is_left_where_nothing_was_written(tmp_path: Path) -> None:
    writer = _writer(tmp_path / "a.mp4", NTSC)
    assert [p.name for p in tmp_path.iterdir()] == [".a.mp4.part"]
    writer.close()
    writer.close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write .*a.mp4: No such file") as failure:
        _writer(tmp_path / "gone" / "a.mp4", NTSC)
    assert "\n" not in str(failure.value)


FULL_DISK = """
import resource, sys
from fractions import Fraction
from pathlib import Path
import numpy as np
from mmras_stream.errors import OutputError
from mmras_stream.types import ColourMatrix, PixelFormat
from mmras_stream.video.writer import VideoWriter

resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
writer = VideoWriter(Path(sys.argv[1]), height=64, width=64, time_base=Fraction(1, 25),
                     pixel_format=PixelFormat(ColourMatrix.BT601, full_range=False))
noise = np.random.default_rng(0)
try:
    for pts in range(200):
        y = noise.integers(16, 235, (64, 64), np.uint8)
        writer.write((y, y[:32, :32].copy(), y[:32, 32:].copy()), pts)
    writer.close()
except OutputError as error:
    print(error)
writer.close()
"""


def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_done(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"cannot write {path}: ")
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []
