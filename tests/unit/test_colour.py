from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from clips import picture
from mmras_stream.types import ColourMatrix, Frame, PixelFormat
from mmras_stream.video.colour import rgb_to_yuv_matrix, to_rgb, yuv_to_rgb_matrix
from mmras_stream.video.planes import PlaneReader

MATRICES = {
    ColourMatrix.BT601: (Colorspace.ITU601, 6),
    ColourMatrix.BT709: (Colorspace.ITU709, 1),
    ColourMatrix.BT2020: (Colorspace.BT2020, 9),
}


def as_frame(frame: av.VideoFrame) -> Frame:
    planes, pixel_format = PlaneReader().read(frame)
    y, u, v = (torch.from_numpy(np.ascontiguousarray(plane)) for plane in planes)
    return Frame(0, 0, Fraction(1, 25), (y, u, v), pixel_format)


def stored_as(
    name: str, matrix: ColourMatrix, *, full_range: bool, height: int = 64, width: int = 96
) -> av.VideoFrame:
    colorspace, number = MATRICES[matrix]
    range_ = ColorRange.JPEG if full_range else ColorRange.MPEG
    rgb = av.VideoFrame.from_ndarray(picture(12, height, width), "rgb24")
    frame = rgb.reformat(format=name, dst_colorspace=colorspace, dst_color_range=range_)
    frame.colorspace, frame.color_range = number, range_
    return frame


@pytest.mark.parametrize("full_range", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", list(MATRICES))
@pytest.mark.parametrize(
    "name",
    ["yuv420p", "yuv422p", "yuv444p", "nv12", "yuv420p10le", "yuv422p10le", "yuv444p12le"],
)
def test_colours_match_those_of_ffmpeg(
    name: str,
    matrix: ColourMatrix,
    full_range: bool,  # noqa: FBT001 - pytest passes it by name
) -> None:
    frame = stored_as(name, matrix, full_range=full_range)
    ours = as_frame(frame)
    assert (ours.pixel_format.matrix, ours.pixel_format.full_range) == (matrix, full_range)
    # Without the flags swscale's quick path for 10 bits is too dark by 2 levels.
    accurate = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
    theirs = frame.reformat(format="rgb24", interpolation=accurate).to_ndarray()
    difference = np.abs(to_rgb(ours).astype(int) - theirs)
    assert difference.max() <= 3
    assert np.abs(to_rgb(ours).astype(int) - picture(12, 64, 96)).max() <= 5


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 5), (49, 65), (64, 95)])
def test_odd_sizes_keep_their_size(height: int, width: int) -> None:
    frame = stored_as("yuv420p", ColourMatrix.BT601, full_range=False, height=height, width=width)
    rgb = to_rgb(as_frame(frame))
    assert rgb.shape == (height, width, 3)
    assert abs(int(rgb.mean()) - int(picture(12, height, width).mean())) <= 3


def test_rgb_planes_are_passed_on_unchanged() -> None:
    rgb = picture(3, 20, 30)
    assert np.array_equal(to_rgb(as_frame(av.VideoFrame.from_ndarray(rgb, "rgb24"))), rgb)


def test_grey_pictures_become_grey() -> None:
    grey = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))
    rgb = to_rgb(as_frame(av.VideoFrame.from_ndarray(grey, "gray")))
    assert np.abs(rgb.astype(int) - grey[..., None]).max() <= 1


def test_the_input_is_left_alone() -> None:
    frame = as_frame(stored_as("yuv420p", ColourMatrix.BT709, full_range=False))
    before = [plane.clone() for plane in frame.planes]
    to_rgb(frame)[:] = 0
    assert all(torch.equal(a, b) for a, b in zip(before, frame.planes, strict=True))


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("matrix", list(MATRICES))
def test_black_and_white_lie_where_the_standards_put_them(matrix: ColourMatrix, bits: int) -> None:
    step = 2 ** (bits - 8)
    to, offset = yuv_to_rgb_matrix(PixelFormat(matrix, full_range=False, bits=bits))
    assert np.allclose(to @ [16 * step, 128 * step, 128 * step] + offset, 0, atol=1e-3)
    assert np.allclose(to @ [235 * step, 128 * step, 128 * step] + offset, 255, atol=1e-3)
    peak = 2**bits - 1
    to, offset = yuv_to_rgb_matrix(PixelFormat(matrix, full_range=True, bits=bits))
    assert np.allclose(to @ [peak, 128 * step, 128 * step] + offset, 255, atol=1e-3)


@pytest.mark.parametrize("matrix", list(ColourMatrix))
def test_drawing_is_the_inverse_of_showing(matrix: ColourMatrix) -> None:
    pixel_format = PixelFormat(matrix, full_range=False, bits=10)
    forth, forth_offset = yuv_to_rgb_matrix(pixel_format)
    back, back_offset = rgb_to_yuv_matrix(pixel_format)
    rgb = np.array([200, 30, 90], np.float32)
    assert np.allclose(forth @ (back @ rgb + back_offset) + forth_offset, rgb, atol=1e-2)


def test_matrices_are_shared_and_cannot_be_written() -> None:
    matrix, _ = yuv_to_rgb_matrix(PixelFormat(ColourMatrix.BT601, full_range=False))
    with pytest.raises(ValueError, match="read-only"):
        matrix[0, 0] = 1
