from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from clips import Clip, find_box, truncated, write
from mmras_stream.errors import VideoError
from mmras_stream.settings import VideoSettings
from mmras_stream.video.pyav import PyAVDecoder

LONG = Clip(frames=100, width=160, height=120)


def read(path: Path | str) -> tuple[int, tuple[str, ...]]:
    """Return how many frames were decoded, and the warnings."""
    decoder = PyAVDecoder(path, VideoSettings())
    try:
        pts = [pts for batch in decoder for pts in batch.pts]
        assert pts == sorted(set(pts))
        return len(pts), decoder.warnings
    finally:
        decoder.close()


def refusal(path: Path | str) -> str:
    with pytest.raises(VideoError) as failure:
        PyAVDecoder(path, VideoSettings())
    message = str(failure.value)
    assert message.isprintable(), "one line, and no control characters"
    return message


def faststart(path: Path, clip: Clip) -> Path:
    """Write an MP4 whose index comes first, as it is in files made for the web."""
    plain = write(path.with_suffix(".mov"), clip)
    with (
        av.open(str(plain)) as old,
        av.open(str(path), "w", options={"movflags": "faststart"}) as new,
    ):
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    return path


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no.mp4") == f"cannot open {tmp_path}/no.mp4: no such file"


def test_a_folder_is_refused_with_the_way_out(tmp_path: Path) -> None:
    assert "it is a folder; a folder of pictures needs the decoder 'images'" in refusal(tmp_path)


def test_a_device_is_not_read() -> None:
    assert refusal("/dev/zero") == "cannot open /dev/zero: it is not a regular file"


@pytest.mark.parametrize(
    "text",
    [
        "hello\n" * 9,
        "ffconcat version 1.0\nfile 'secret.mp4'\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
    ],
    ids=["prose", "concat list", "playlist"],
)
def test_text_is_no_video_whatever_it_says(text: str, tmp_path: Path) -> None:
    write(tmp_path / "secret.mp4", Clip())
    path = tmp_path / "text.mp4"
    path.write_text(text)
    message = refusal(path)
    assert "it holds text, not video" in message or "it is a playlist, not video" in message


def test_an_empty_file_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "empty.mp4"
    path.touch()
    assert "the file is empty" in refusal(path)


def test_noise_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "noise.mp4"
    path.write_bytes(random.Random(1).randbytes(20000))
    assert "Invalid data found" in refusal(path)


@pytest.mark.parametrize("share", [0.02, 0.5])
def test_a_recording_without_its_index_was_cut_off(share: float, tmp_path: Path) -> None:
    path = truncated(write(tmp_path / "cut.mp4", LONG), share=share)
    assert "its index (moov) is missing, so the recording was cut off" in refusal(path)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    assert refusal(path) == f"{path} has no video stream, only audio"


@pytest.mark.parametrize(("suffix", "tag"), [(".mp4", b"avc1"), (".avi", b"H264")])
def test_an_unknown_codec_is_named_as_such(suffix: str, tag: bytes, tmp_path: Path) -> None:
    path = write(tmp_path / f"odd{suffix}", Clip())
    path.write_bytes(path.read_bytes().replace(tag, b"zzzz"))
    assert "no decoder for its video" in refusal(path)


def test_a_file_of_which_nothing_decodes_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "void.mp4", Clip())
    data = path.read_bytes()
    start, end = find_box(data, b"mdat")
    path.write_bytes(data[:start] + bytes(end - start) + data[end:])
    assert refusal(path) == (
        f"no frame of {path} can be decoded (h264): 24 corrupt packets skipped"
    )


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_a_file_that_ends_early_gives_what_it_has_and_says_so(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    _ = faststart(path, LONG) if path.suffix == ".mp4" else write(path, LONG)
    count, warnings = read(truncated(path, share=0.5))
    assert 30 <= count <= 70
    start = f"the file ends early: {count} of about 100 frames decoded ("
    share = next(w for w in warnings if w.startswith(start)).removeprefix(start)
    assert abs(int(share.removesuffix("% missing)")) - (100 - count)) <= 3


def test_a_sound_track_longer_than_the_video_is_no_early_end(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.mkv", "a.ts"):
        assert read(write(tmp_path / name, Clip(audio_seconds=4))) == (24, ())


@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg4"])
def test_a_corrupt_stretch_is_skipped_and_counted(codec: str, tmp_path: Path) -> None:
    path = write(tmp_path / "hole.mp4", replace(LONG, codec=codec))
    data = bytearray(path.read_bytes())
    start, end = find_box(bytes(data), b"mdat")
    hole = slice(start + (end - start) * 3 // 10, start + (end - start) * 5 // 10)
    data[hole] = bytes(hole.stop - hole.start)
    path.write_bytes(data)
    count, warnings = read(path)
    assert 40 <= count < 100
    assert f"{100 - count} of 100 frames could not be decoded" in warnings
    assert any(w.endswith("corrupt packets skipped") for w in warnings)


@pytest.mark.parametrize("name", ["a.ts", "a.mkv"])
def test_a_hole_in_time_is_reported_where_no_packet_tells(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, LONG)
    data = path.read_bytes()
    third = len(data) // 3
    path.write_bytes(data[:third] + bytes(third) + data[2 * third :])
    count, warnings = read(path)
    assert count < 100
    assert any("gap in time without frames (first of" in w for w in warnings)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi"])
def test_flipped_bytes_never_raise_anything_but_our_error(
    name: str, seed: int, tmp_path: Path
) -> None:
    path = write(tmp_path / name, Clip(frames=30))
    data = bytearray(path.read_bytes())
    chance = random.Random(seed)
    for _ in range(12):
        data[chance.randrange(len(data))] ^= chance.randrange(1, 256)
    path.write_bytes(data)
    try:
        count, _ = read(path)
    except VideoError as error:
        assert str(error).isprintable()  # noqa: PT017 - either outcome is right
    else:
        assert count <= 31


@pytest.mark.parametrize(
    "name",
    [
        "with space.mp4",
        'quote\'s "double".mp4',
        "new\nline\ttab.mp4",
        "übung 日本 🚗.mp4",
        "-dash.mp4",
        "100%20d %03d.mp4",
        "concat:a|b.mp4",
        "http:host.mp4",
        "pipe:0",
        "file:twice.mp4",
        "no suffix",
        "*.mp4",
    ],
)
def test_any_file_name_is_only_a_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "plain.mp4", Clip(frames=5)).rename(tmp_path / name)
    assert read(tmp_path / name) == (5, ())
    monkeypatch.chdir(tmp_path)
    assert read(name) == (5, ())
    assert read(f"../{tmp_path.name}/{name}") == (5, ())


def test_names_are_escaped_in_messages(tmp_path: Path) -> None:
    assert r"new\nline\x1b[31m.mp4: no such file" in refusal(tmp_path / "new\nline\x1b[31m.mp4")


def test_a_name_that_is_no_unicode_can_be_read_and_shown(tmp_path: Path) -> None:
    path = tmp_path / "caf\udce9.mp4"
    write(tmp_path / "plain.mp4", Clip(frames=5)).rename(path)
    assert read(path) == (5, ())
    path.write_text("text")
    assert r"caf\udce9.mp4: it holds text" in refusal(path)
