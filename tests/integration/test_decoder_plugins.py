from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch

from clips import Clip, picture, write
from mmras_plugins.decoders.decord import DecordDecoder
from mmras_plugins.decoders.images import ImagesDecoder
from mmras_stream.errors import PluginError, VideoError
from mmras_stream.settings import VideoSettings
from mmras_stream.testing import check_decoder
from mmras_stream.types import ColourMatrix, Frame, FrameBatch, PixelFormat, VideoInfo
from mmras_stream.video.colour import to_rgb
from mmras_stream.video.pyav import PyAVDecoder


def save(path: Path, rgb: npt.NDArray[np.uint8]) -> Path:
    path.parent.mkdir(exist_ok=True)
    assert cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve pictures whose names sort wrongly as plain text."""
    for i in range(12):
        save(tmp_path / "drive" / f"frame{i}.png", picture(i, 20, 30, frames=12))
    return tmp_path / "drive"


def frames_of(decoder: ImagesDecoder | DecordDecoder | PyAVDecoder) -> list[Frame]:
    return [frame for batch in decoder for frame in batch]


def test_a_folder_of_pictures_is_a_video(folder: Path) -> None:
    check_decoder(ImagesDecoder, folder)
    decoder = ImagesDecoder(folder, VideoSettings())
    info = decoder.info
    assert (info.height, info.width, info.frame_count) == (20, 30, 12)
    assert (info.frame_rate, info.time_base) == (Fraction(1), Fraction(1, 1000))
    frames = frames_of(decoder)
    assert [frame.pts for frame in frames] == [1000 * i for i in range(12)]
    assert frames[0].pixel_format == PixelFormat(ColourMatrix.RGB, full_range=True)
    for i, frame in enumerate(frames):
        assert np.array_equal(to_rgb(frame), picture(i, 20, 30, frames=12))


def test_a_pattern_chooses_pictures(folder: Path) -> None:
    check_decoder(ImagesDecoder, folder / "frame*.png")
    assert len(frames_of(ImagesDecoder(str(folder / "frame1*.png"), VideoSettings()))) == 3


def test_one_picture_is_a_video_of_one_frame(folder: Path) -> None:
    assert len(frames_of(ImagesDecoder(folder / "frame3.png", VideoSettings()))) == 1


def test_a_folder_named_like_a_pattern_is_a_folder(folder: Path) -> None:
    odd = folder.rename(folder.parent / "drive [1]*")
    assert len(frames_of(ImagesDecoder(odd, VideoSettings()))) == 12


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".png", ".webp", ".bmp", ".tif"])
def test_every_usual_kind_of_picture_is_read(suffix: str, tmp_path: Path) -> None:
    rgb = picture(5, 24, 32)
    path = save(tmp_path / f"a{suffix}", rgb)
    frame = frames_of(ImagesDecoder(path.parent, VideoSettings()))[0]
    assert np.abs(to_rgb(frame).astype(int) - rgb).max() <= 8


def test_pictures_are_turned_by_their_exif(tmp_path: Path) -> None:
    stored = picture(5, 24, 32)
    path = save(tmp_path / "a.jpg", stored)
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"  # orientation 6: 90 clockwise
    tiff = b"MM\x00\x2a\x00\x00\x00\x08\x00\x01" + entry + bytes(4)
    segment = b"Exif\x00\x00" + tiff
    jpeg = path.read_bytes()
    header = b"\xff\xe1" + (len(segment) + 2).to_bytes(2) + segment
    path.write_bytes(jpeg[:2] + header + jpeg[2:])
    decoder = ImagesDecoder(path, VideoSettings())
    assert (decoder.info.height, decoder.info.width) == (32, 24)
    shown = to_rgb(frames_of(decoder)[0]).astype(int)
    assert np.abs(shown - np.rot90(stored, -1)).max() <= 8


def test_other_sizes_and_unreadable_pictures_are_told(folder: Path) -> None:
    save(folder / "frame4.png", picture(4, 40, 60))
    (folder / "frame6.png").write_bytes(b"not a picture")
    (folder / "frame7.png").write_bytes(b"")
    (folder / "._frame8.png").write_bytes(b"left by macOS")
    decoder = ImagesDecoder(folder, VideoSettings())
    frames = frames_of(decoder)
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4, 5, 8, 9, 10, 11]
    assert {(frame.height, frame.width) for frame in frames} == {(20, 30)}
    assert decoder.warnings == (
        "1 frame of another size brought to that of the first (first frame4.png)",
        "2 unreadable pictures skipped (first frame6.png)",
    )


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(VideoError, match=r"holds no pictures; \.bmp, \.jpeg"):
        ImagesDecoder(tmp_path, VideoSettings())


def test_a_folder_of_broken_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no")
    with pytest.raises(VideoError, match="none of the 1 pictures of"):
        ImagesDecoder(tmp_path, VideoSettings())


def test_a_closed_folder_says_so(folder: Path) -> None:
    decoder = ImagesDecoder(folder, VideoSettings())
    decoder.close()
    with pytest.raises(VideoError, match="is closed"):
        iter(decoder)


def test_without_decord_the_error_tells_how_to_get_it(
    ntsc_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "decord", None)
    with pytest.raises(PluginError, match=r"pip install 'mmras-stream\[decord\]'"):
        DecordDecoder(ntsc_clip, VideoSettings())


@pytest.mark.parametrize(
    ("name", "clip"),
    [
        ("plain.mp4", Clip()),
        ("upside-down.mp4", Clip(rotation=180)),
        ("oblong.mp4", Clip(sample_aspect_ratio=Fraction(4, 3))),
        ("variable.mkv", Clip(pts=[7 * i * i for i in range(24)])),
        ("deep.mkv", Clip(codec="libx265", pixel_format="yuv420p10le")),
    ],
)
def test_decord_agrees_with_the_reference(name: str, clip: Clip, tmp_path: Path) -> None:
    pytest.importorskip("decord", reason="decord has no wheel for this platform")
    path = write(tmp_path / name, clip)
    check_decoder(DecordDecoder, path)
    theirs, ours = DecordDecoder(path, VideoSettings()), PyAVDecoder(path, VideoSettings())
    assert theirs.info == replace(ours.info, frame_count=24)
    for a, b in zip(frames_of(theirs), frames_of(ours), strict=True):
        assert (a.index, a.pts) == (b.index, b.pts)
        assert np.abs(to_rgb(a).astype(int) - to_rgb(b)).max() <= 6


@pytest.mark.parametrize(("name", "clip"), [("a.mp4", Clip(rotation=90)), ("a.ts", Clip())])
def test_what_decord_garbles_is_refused(name: str, clip: Clip, tmp_path: Path) -> None:
    pytest.importorskip("decord", reason="decord has no wheel for this platform")
    path = write(tmp_path / name, clip)
    with pytest.raises(VideoError, match=r"decord garbles videos .* use the decoder 'pyav'"):
        DecordDecoder(path, VideoSettings())


class Careless:
    """A decoder that breaks one promise."""

    def __init__(self, path: Path | str, settings: VideoSettings, fault: str) -> None:
        self._inner = PyAVDecoder(path, settings)
        self._fault = fault

    @property
    def info(self) -> VideoInfo:
        info = self._inner.info
        return replace(info, width=info.width + 2) if self._fault == "size" else info

    @property
    def warnings(self) -> tuple[str, ...]:
        return self._inner.warnings

    def __iter__(self) -> Iterator[FrameBatch]:
        for batch in self._inner:
            if self._fault == "times":
                yield replace(batch, pts=tuple(0 for _ in batch.pts))
            elif self._fault == "index":
                yield replace(batch, index=tuple(i + 1 for i in batch.index))
            elif self._fault == "noise":
                noise = torch.randint_like(batch.planes[0], 255)
                yield replace(batch, planes=(noise, *batch.planes[1:]))
            else:
                yield batch

    def close(self) -> None:
        self._inner.close()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("size", "info says 66x48, a batch has 64x48"),
        ("times", "frame 1 has pts 0, not after 0"),
        ("index", r"indices are \[1, 2, 3"),
        ("noise", "a second decoder gives other pictures"),
    ],
)
def test_the_conformance_test_finds_broken_promises(
    fault: str, message: str, ntsc_clip: Path
) -> None:
    with pytest.raises(AssertionError, match=message):
        check_decoder(lambda path, settings: Careless(path, settings, fault), ntsc_clip)


def test_the_conformance_test_finds_ignored_settings(ntsc_clip: Path) -> None:
    def deaf(path: Path | str, settings: VideoSettings) -> PyAVDecoder:
        return PyAVDecoder(path, replace(settings, stride=1))

    with pytest.raises(AssertionError, match=r"stride=3.* keeps frames"):
        check_decoder(deaf, ntsc_clip)
