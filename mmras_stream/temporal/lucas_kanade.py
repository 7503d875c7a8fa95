"""Dense motion in torch, found on whatever device the pictures lie."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from mmras_stream.motion import Flow
from mmras_stream.temporal.motion import SMALLEST

WINDOW = 7
"""Places across, about each, that are taken to move alike."""

STEPS = 4
"""Of Gauss and Newton on each level of the pyramid."""

LONGEST_STEP = 1.0
"""Places: further away a picture is no longer the plane that a step takes it for."""

DAMPING = 1.0
"""Of the steps: variance of the gradient, in squared grey levels a place, that halves them."""

FLAT = 40.0
"""The same, in the direction in which there is least to see: below it, places move rather as those
around them do."""


class LucasKanadeMotion:
    """Finds dense motion by Gauss and Newton's steps from coarse to fine, in torch.

    Lucas and Kanade 1981, "An iterative image registration technique with an application to stereo
    vision", blind to a change of brightness. On half the picture's grid, like `DisMotion`. Pictures
    that lie on a GPU stay there, and only the flow is brought off it.
    """

    def flow(self, source: Tensor, target: Tensor) -> Flow | None:
        """Return where each place went, smoothly where there is little to see."""
        if min(source.shape) < SMALLEST:
            return None
        with torch.inference_mode():
            found = dense_flow(source[None, None].float(), target[None, None].float())
        return np.ascontiguousarray(found[0].permute(1, 2, 0).cpu().numpy(), np.float32)


def dense_flow(source: Tensor, target: Tensor) -> Tensor:
    """Return where each place of `source` lies in `target`.

    Args:
        source: (N, 1, height, width) float, in grey levels; sides of `SMALLEST` or more.
        target: The same.

    Returns:
        (N, 2, height // 2, width // 2), the way in x and in y, in places of that grid.
    """
    levels = [_halved(source, target)]
    while min(levels[-1][0].shape[-2:]) >= 2 * SMALLEST:
        levels.append(_halved(*levels[-1]))
    count, _, height, width = levels[-1][0].shape
    flow = source.new_zeros(count, 2, height, width)
    for start, goal in reversed(levels):
        flow = _refined(_enlarged(flow, start), start, goal)
    return flow


def _halved(source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    return F.avg_pool2d(source, 2), F.avg_pool2d(target, 2)


def _enlarged(flow: Tensor, like: Tensor) -> Tensor:
    """Return a flow on the grid of a picture, in places of that grid."""
    size, before = like.shape[-2:], flow.shape[-2:]
    scale = flow.new_tensor([size[1] / before[1], size[0] / before[0]])[:, None, None]
    return scale * F.interpolate(flow, size=size, mode="bilinear", align_corners=False)


def _refined(flow: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Bring a flow to where the surroundings of each place look more alike, and smooth it."""
    gx, gy = torch.gradient(source, dim=(-1, -2))
    xx, xy, yy = _covariance(gx, gx), _covariance(gx, gy), _covariance(gy, gy)
    least = ((xx + yy) / 2 - (((xx - yy) / 2).square() + xy.square()).sqrt()).clamp_min(0)
    xx, yy = xx + DAMPING, yy + DAMPING
    determinant = xx * yy - xy * xy
    change = _moved(target, flow) - source
    unlike = _covariance(change, change)
    for _ in range(STEPS):
        along_x, along_y = _covariance(gx, change), _covariance(gy, change)
        step = torch.cat([xy * along_y - yy * along_x, xy * along_x - xx * along_y], dim=1)
        tried = flow + (step / determinant).clamp(-LONGEST_STEP, LONGEST_STEP)
        change_there = _moved(target, tried) - source
        unlike_there = _covariance(change_there, change_there)
        closer = unlike_there < unlike
        flow = torch.where(closer, tried, flow)
        change = torch.where(closer, change_there, change)
        unlike = torch.where(closer, unlike_there, unlike)
    flow = _median(flow)
    trust = least + 0.01 * FLAT
    smooth = _around(trust * flow) / _around(trust)
    return torch.lerp(smooth, flow, least / (least + FLAT))


def _covariance(one: Tensor, other: Tensor) -> Tensor:
    """Return that of two values about each place."""
    return _around(one * other) - _around(one) * _around(other)


def _around(values: Tensor) -> Tensor:
    """Return the mean about each place, of what lies in the picture."""
    return F.avg_pool2d(values, WINDOW, stride=1, padding=WINDOW // 2, count_include_pad=False)


def _median(flow: Tensor) -> Tensor:
    """Return the median of each place and those beside it, for x and for y."""
    count, axes, height, width = flow.shape
    wide = F.pad(flow, (1, 1, 1, 1), mode="replicate")
    return F.unfold(wide, 3).view(count, axes, 9, height, width).median(dim=2).values


def _moved(picture: Tensor, flow: Tensor) -> Tensor:
    """Return the picture as each place sees it at the end of its way; bilinear."""
    height, width = picture.shape[-2:]
    rows, columns = (
        torch.arange(length, dtype=flow.dtype, device=flow.device) for length in (height, width)
    )
    x = (flow[:, 0] + columns) * (2 / max(1, width - 1)) - 1
    y = (flow[:, 1] + rows[:, None]) * (2 / max(1, height - 1)) - 1
    places = torch.stack([x, y], dim=-1)
    return F.grid_sample(picture, places, padding_mode="border", align_corners=True)
