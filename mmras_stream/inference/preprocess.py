"""From decoded planes straight to the network's tensor: one resize and one affine, no RGB."""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from mmras_stream.types import FrameBatch
from mmras_stream.video.colour import yuv_to_rgb_matrix

MULTIPLE = 16
"""Both sides of a network input are multiples of this."""

TALLEST = 2
"""Heights above this many widths are squeezed, so that no picture takes all memory."""


def input_size(height: int, width: int, *, input_width: int) -> tuple[int, int]:
    """Return the (height, width) at which a picture enters the network.

    >>> input_size(360, 640, input_width=512)
    (288, 512)
    >>> input_size(1, 1, input_width=512)
    (512, 512)
    """
    across = max(MULTIPLE, MULTIPLE * round(input_width / MULTIPLE))
    down = MULTIPLE * round(height * across / width / MULTIPLE)
    return min(max(MULTIPLE, down), TALLEST * across), across


def network_input(
    batch: FrameBatch,
    size: tuple[int, int],
    *,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
    device: torch.device,
) -> Tensor:
    """Resize, convert and normalise a batch.

    Args:
        batch: Pictures on the host or on `device`.
        size: (height, width) to bring them to.
        mean: RGB, 0..255.
        std: RGB, 0..255.
        device: Where the result lies.

    Returns:
        (N, 3, height, width) float32, channels last in memory.
    """
    on_host = batch.planes[0].device.type == "cpu"
    small = resized_on_host(batch, size) if on_host else resized_on_device(batch, size)
    small = small.to(device, non_blocking=True)
    matrix, offset = yuv_to_rgb_matrix(batch.pixel_format)
    scale = 1 / np.asarray(std, np.float32)
    weight = torch.from_numpy(matrix * scale[:, None]).to(device)
    shift = torch.from_numpy((offset - np.asarray(mean, np.float32)) * scale).to(device)
    # (N, h, w, 3) @ (3, 3) is channels last already: the permute below moves nothing
    return torch.addmm(shift, small.flatten(0, 2), weight.T).view(small.shape).permute(0, 3, 1, 2)


def resized_on_device(batch: FrameBatch, size: tuple[int, int]) -> Tensor:
    """Bring all planes to one size where they lie; (N, height, width, 3) float32."""
    scaled = [
        F.interpolate(plane[:, None].float(), size, mode="bilinear", antialias=True)
        for plane in batch.planes
    ]
    return torch.cat(scaled, 1).permute(0, 2, 3, 1).contiguous()


def resized_on_host(batch: FrameBatch, size: tuple[int, int]) -> Tensor:
    """The same with OpenCV, several times as fast on a CPU; shrinking averages areas."""
    height, width = size
    small = np.empty((len(batch), height, width, 3), np.float32)
    for channel, plane in enumerate(batch.planes):
        pictures = plane.numpy()
        shrinks = pictures.shape[1] >= height and pictures.shape[2] >= width
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        for number, picture in enumerate(pictures):
            small[number, :, :, channel] = cv2.resize(picture, (width, height), interpolation=how)
    return torch.from_numpy(small)
