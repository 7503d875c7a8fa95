"""Carry maps along with the motion of the picture."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from mmras_stream.motion import Flow
from mmras_stream.types import Mask, ScoreMap

_Places = npt.NDArray[np.float32]

FORTH_AND_BACK = 0.5
"""Cells by which a way forth and back may miss its start; longer ways may miss it by more."""

PER_CELL = 0.1
"""What is allowed on top for each cell of the way: Sundaram et al. 2010, "Dense point
trajectories by GPU-accelerated large displacement optical flow"."""


def consistent(backward: Flow, forward: Flow) -> Mask:
    """Return which places, followed back and forth again, come to where they began."""
    x, y, inside = _origins(backward)
    returned = cv2.remap(forward, x, y, cv2.INTER_LINEAR)
    miss = np.hypot(*np.moveaxis(returned + backward, -1, 0))
    way = np.hypot(*np.moveaxis(backward, -1, 0))
    return np.asarray(inside & (miss <= FORTH_AND_BACK + PER_CELL * way), np.bool_)


def fitted(flow: Flow, shape: tuple[int, int]) -> Flow:
    """Return a flow on a grid of another size over the same picture, in cells of that grid."""
    height, width = flow.shape[:2]
    if (height, width) == shape:
        return flow
    resized = cv2.resize(flow, shape[::-1], interpolation=cv2.INTER_LINEAR)
    scale = np.array([shape[1] / width, shape[0] / height], np.float32)
    return np.asarray(resized, np.float32) * scale


def fitted_mask(mask: Mask, shape: tuple[int, int]) -> Mask:
    """Return a mask on a grid of another size; a cell is in where most of it is."""
    if mask.shape == shape:
        return mask
    shares = cv2.resize(mask.astype(np.float32), shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(shares > 0.5, np.bool_)


def warped(scores: ScoreMap, backward: Flow) -> ScoreMap:
    """Return the scores that each place of `backward` had, where it was before; bilinear."""
    x, y, _ = _origins(backward)
    moved = cv2.remap(scores, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)


def _origins(
    backward: Flow,
) -> tuple[_Places, _Places, Mask]:
    """Return the columns and rows where places were, and which of these lie in the picture."""
    height, width = backward.shape[:2]
    columns: _Places = np.arange(width, dtype=np.float32)
    rows: _Places = np.arange(height, dtype=np.float32)
    x: _Places = backward[..., 0] + columns
    y: _Places = backward[..., 1] + rows[:, np.newaxis]
    inside: Mask = (x > -1) & (y > -1) & (x < width) & (y < height)
    return x, y, inside
