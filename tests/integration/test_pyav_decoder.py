from __future__ import annotations

import gc
import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path

import av
import numpy as np
import psutil
import pytest
import torch

from clips import Clip, picture, write
from mmras_stream.errors import VideoError
from mmras_stream.settings import VideoSettings
from mmras_stream.testing import check_decoder
from mmras_stream.types import ColourMatrix, Frame
from mmras_stream.video.colour import to_rgb
from mmras_stream.video.pyav import PyAVDecoder

HEVC_10 = Clip(codec="libx265", pixel_format="yuv420p10le")
VP9 = Clip(codec="libvpx-vp9", options=(("deadline", "realtime"), ("cpu-used", "8")))
MJPEG = Clip(codec="mjpeg", pixel_format="yuvj420p")
MATRIX = {
    "h264.mp4": Clip(),
    "h264.mov": Clip(),
    "h264.mkv": Clip(),
    "h264.ts": Clip(),
    "h264-plain.avi": Clip(b_frames=0),
    "h264-422-10.mp4": Clip(pixel_format="yuv422p10le"),
    "h264-444-odd.mp4": Clip(pixel_format="yuv444p", width=65, height=49),
    "ffv1-grey.mkv": Clip(codec="ffv1", pixel_format="gray"),
    "ffv1-grey-10.mkv": Clip(codec="ffv1", pixel_format="gray10le"),
    "h264-nv12.mp4": Clip(pixel_format="nv12"),
    "h264-rgb.mkv": Clip(codec="libx264rgb", pixel_format="rgb24"),
    "hevc.mp4": Clip(codec="libx265"),
    "hevc-10.mkv": HEVC_10,
    "hevc-12.mp4": replace(HEVC_10, pixel_format="yuv420p12le"),
    "vp9.mkv": VP9,
    "vp9-odd.webm": replace(VP9, width=65, height=49),
    "mpeg4.mp4": Clip(codec="mpeg4"),
    "mpeg4.avi": Clip(codec="mpeg4", b_frames=0),
    "mpeg2.ts": Clip(codec="mpeg2video"),
    "mjpeg.avi": MJPEG,
    "mjpeg-422.mov": replace(MJPEG, pixel_format="yuvj422p"),
    "ffv1-bgr0.mkv": Clip(codec="ffv1", pixel_format="bgr0"),
    "png-rgb.mov": Clip(codec="png", pixel_format="rgb24"),
    "raw-yuyv.avi": Clip(codec="rawvideo", pixel_format="yuyv422"),
    "raw-nv12.avi": Clip(codec="rawvideo", pixel_format="nv12"),
    "one-pixel.mkv": Clip(codec="ffv1", width=1, height=1),
}


def decode(path: Path | str, settings: VideoSettings | None = None) -> list[Frame]:
    decoder = PyAVDecoder(path, settings or VideoSettings())
    frames = [frame for batch in decoder for frame in batch]
    assert not decoder.warnings
    decoder.close()
    return frames


def plain_pts(path: Path) -> list[int | None]:
    with av.open(str(path)) as container:
        container.flags &= ~1  # PyAV has FFmpeg generate pts, which it does wrongly for AVI
        frames = container.decode(video=0)
        return [frame.dts if frame.pts is None else frame.pts for frame in frames]


def brightness(frames: Sequence[Frame]) -> list[float]:
    return [float(to_rgb(frame).mean()) for frame in frames]


@pytest.mark.parametrize("name", MATRIX)
def test_every_container_and_codec_is_read_frame_for_frame(name: str, tmp_path: Path) -> None:
    clip = MATRIX[name]
    path = write(tmp_path / name, clip)
    check_decoder(PyAVDecoder, path)
    frames = decode(path)
    assert [frame.pts for frame in frames] == plain_pts(path)
    expected = [picture(i, clip.height, clip.width).mean() for i in range(clip.frames)]
    assert np.allclose(brightness(frames), expected, atol=4)


def test_av1_is_read_frame_for_frame(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "av1.mp4", Clip(codec="libsvtav1", options=(("preset", "11"),)))
    capfd.readouterr()  # the encoder greets
    check_decoder(PyAVDecoder, path)
    assert [frame.pts for frame in decode(path)] == plain_pts(path)


def test_avi_with_b_frames_keeps_frames_in_order_and_evenly_spaced(tmp_path: Path) -> None:
    frames = decode(write(tmp_path / "b.avi", Clip(b_frames=2)))
    assert {b.pts - a.pts for a, b in pairwise(frames)} == {1}
    levels = brightness(frames)
    assert levels == sorted(levels)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_pictures_are_turned_upright(degrees: int, tmp_path: Path) -> None:
    path = write(tmp_path / "turned.mp4", Clip(rotation=degrees, frames=4))
    decoder = PyAVDecoder(path, VideoSettings())
    stored = picture(0, 48, 64, frames=4)
    upright = np.rot90(stored, -degrees // 90)
    assert decoder.info.rotation == degrees
    assert (decoder.info.height, decoder.info.width) == upright.shape[:2]
    first = next(iter(decoder))[0]
    assert np.abs(to_rgb(first).astype(int) - upright).max() <= 8
    decoder.close()


def test_a_mirrored_picture_is_shown_as_a_player_would(tmp_path: Path) -> None:
    path = write(tmp_path / "mirrored.mp4", Clip(mirrored=True, frames=4))
    first = decode(path)[0]
    assert np.abs(to_rgb(first).astype(int) - picture(0, 48, 64, frames=4)[:, ::-1]).max() <= 8


@pytest.mark.parametrize(
    ("ratio", "width"), [(Fraction(4, 3), 86), (Fraction(1, 2), 32), (Fraction(64, 45), 92)]
)
def test_oblong_pixels_become_square(ratio: Fraction, width: int, tmp_path: Path) -> None:
    path = write(tmp_path / "oblong.mp4", Clip(sample_aspect_ratio=ratio))
    check_decoder(PyAVDecoder, path)
    decoder = PyAVDecoder(path, VideoSettings())
    assert (decoder.info.width, decoder.info.sample_aspect_ratio) == (width, ratio)
    first = next(iter(decoder))[0]
    assert [tuple(plane.shape) for plane in first.planes[1:]] == [(24, width // 2)] * 2
    assert np.abs(to_rgb(first).astype(int) - picture(0, 48, width)).max() <= 8
    decoder.close()


def test_oblong_pixels_are_stretched_before_turning(tmp_path: Path) -> None:
    clip = Clip(sample_aspect_ratio=Fraction(2), rotation=90)
    info = PyAVDecoder(write(tmp_path / "both.mp4", clip), VideoSettings()).info
    assert (info.height, info.width) == (128, 48)


def test_a_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    times = [7 * i * i for i in range(24)]
    path = write(tmp_path / "variable.mkv", Clip(pts=times))
    assert [frame.pts for frame in decode(path)] == times
    every = decode(path, VideoSettings(every_seconds=1))
    assert [frame.pts for frame in every] == [0, 1008, 2023, 3087]
    assert [frame.index for frame in every] == [0, 12, 17, 21]


def test_frames_hidden_by_an_edit_list_are_not_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "edited.mp4", Clip(b_frames=0, key_every=100))
    data = bytearray(path.read_bytes())
    entry = data.index(b"elst") + 12
    ticks = 12800 // 25
    assert int.from_bytes(data[entry + 4 : entry + 8]) == 0
    data[entry : entry + 4] = (14 * 40).to_bytes(4)  # shows 14 frames, in milliseconds
    data[entry + 4 : entry + 8] = (10 * ticks).to_bytes(4)  # from the tenth on
    path.write_bytes(data)
    frames = decode(path)
    assert [frame.pts for frame in frames] == plain_pts(path)
    assert len(frames) == 14
    assert [frame.index for frame in frames] == list(range(14))
    expected = [picture(i, 48, 64).mean() for i in range(10, 24)]
    assert np.allclose(brightness(frames), expected, atol=4)
    assert PyAVDecoder(path, VideoSettings()).info.frame_count == 14


def test_sound_does_not_disturb(tmp_path: Path) -> None:
    for name in ("sound.mp4", "sound.mkv", "sound.ts"):
        path = write(tmp_path / name, Clip(audio_seconds=2))
        assert [frame.pts for frame in decode(path)] == plain_pts(path)


@pytest.mark.parametrize(
    ("height", "colour", "expected"),
    [
        (48, None, (ColourMatrix.BT601, False)),
        (720, None, (ColourMatrix.BT709, False)),
        (48, (1, 1), (ColourMatrix.BT709, False)),
        (720, (6, 2), (ColourMatrix.BT601, True)),
        (48, (9, 1), (ColourMatrix.BT2020, False)),
    ],
)
def test_the_colour_matrix_is_read_or_follows_the_size(
    height: int,
    colour: tuple[int, int] | None,
    expected: tuple[ColourMatrix, bool],
    tmp_path: Path,
) -> None:
    clip = Clip(height=height, colour=colour, frames=1)
    pixel_format = decode(write(tmp_path / "colour.mp4", clip))[0].pixel_format
    assert (pixel_format.matrix, pixel_format.full_range) == expected


def test_ten_bits_stay_ten_bits(tmp_path: Path) -> None:
    frame = decode(write(tmp_path / "deep.mkv", HEVC_10))[-1]
    assert frame.pixel_format.bits == 10
    assert frame.planes[0].dtype == torch.int16
    assert int(frame.planes[0].max()) > 255


def test_batches_hold_what_the_settings_say_and_the_last_one_the_rest(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", Clip(frames=10))
    decoder = PyAVDecoder(path, VideoSettings(batch_size=4))
    assert [len(batch) for batch in decoder] == [4, 4, 2]


def test_a_single_frame_is_a_video(tmp_path: Path) -> None:
    assert len(decode(write(tmp_path / "one.mp4", Clip(frames=1)))) == 1


def test_a_very_large_frame_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = 7680, 4320, "yuvj420p"
        container.mux(stream.encode(av.VideoFrame(7680, 4320, "yuvj420p")))
        container.mux(stream.encode())
    frame = decode(path, VideoSettings(batch_size=1))[0]
    assert tuple(frame.planes[1].shape) == (2160, 3840)


def test_frames_of_another_size_are_brought_to_that_of_the_first(tmp_path: Path) -> None:
    small, large = (
        write(tmp_path / f"{width}.ts", Clip(frames=8, width=width, height=48))
        for width in (64, 128)
    )
    path = tmp_path / "joined.ts"
    path.write_bytes(small.read_bytes() + large.read_bytes())
    decoder = PyAVDecoder(path, VideoSettings())
    shapes = {tuple(frame.planes[0].shape) for batch in decoder for frame in batch}
    assert shapes == {(48, 64)}
    assert "8 frames of another size brought to that of the first" in decoder.warnings


def test_another_pixel_format_starts_a_new_batch(tmp_path: Path) -> None:
    deep, shallow = (
        write(tmp_path / f"{name}.ts", Clip(frames=6, pixel_format=name))
        for name in ("yuv420p10le", "yuv420p")
    )
    path = tmp_path / "joined.ts"
    path.write_bytes(deep.read_bytes() + shallow.read_bytes())
    decoder = PyAVDecoder(path, VideoSettings(batch_size=4))
    assert [(len(b), b.pixel_format.bits) for b in decoder] == [(4, 10), (2, 10), (4, 8), (2, 8)]


def test_repeated_times_move_to_the_next_tick(tmp_path: Path) -> None:
    first = write(tmp_path / "a.ts", Clip(frames=8))
    path = tmp_path / "twice.ts"
    path.write_bytes(first.read_bytes() * 2)
    decoder = PyAVDecoder(path, VideoSettings())
    pts = [pts for batch in decoder for pts in batch.pts]
    assert len(pts) == 16
    assert pts == sorted(set(pts))
    assert any("moved to the next tick" in warning for warning in decoder.warnings)


def test_iterating_again_starts_over(ntsc_clip: Path) -> None:
    decoder = PyAVDecoder(ntsc_clip, VideoSettings())
    assert next(iter(decoder)).index[0] == 0
    assert [i for batch in decoder for i in batch.index] == list(range(30))
    decoder.close()


def test_a_closed_decoder_says_so(ntsc_clip: Path) -> None:
    decoder = PyAVDecoder(ntsc_clip, VideoSettings(batch_size=1))
    batches = iter(decoder)
    next(batches)
    decoder.close()
    decoder.close()
    with pytest.raises(VideoError, match="was closed while it was read"):
        list(batches)
    with pytest.raises(VideoError, match="is closed"):
        iter(decoder)


def test_closing_after_another_thread_gave_up_is_safe(ntsc_clip: Path) -> None:
    decoder = PyAVDecoder(ntsc_clip, VideoSettings(batch_size=1))
    batches = iter(decoder)
    reader = threading.Thread(target=lambda: list(islice(batches, 5)))
    reader.start()
    reader.join()
    decoder.close()
    gc.collect()
    assert decoder.warnings == ()


def test_batches_do_not_hold_the_decoders_buffers(tmp_path: Path) -> None:
    path = write(tmp_path / "wide.mp4", Clip(frames=60, width=640, height=360))
    process = psutil.Process(os.getpid())
    kept = []
    for batch in PyAVDecoder(path, VideoSettings(batch_size=1)):
        kept.append(batch.planes[0][:, :1, :1].clone())
        if len(kept) == 20:
            warm = process.memory_info().rss
    assert process.memory_info().rss - warm < 8e6
