"""Join what a network says of two views of one picture."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from mmras_stream.scoring import published
from mmras_stream.types import ScoreMap

RISE, FALL = np.float32(0.5), np.float32(0.2)
"""Shares of the way to what the coarse look says: up to it, and down to it. What it does not find
may be too small for it; what it finds too may be too large to be known by its parts."""


def with_coarse(fine: ScoreMap, coarse: ScoreMap) -> ScoreMap:
    """Return scores that lie between those of two looks, on the grid of the finer one.

    Args:
        fine: (height, width).
        coarse: The same places on any grid, enlarged bilinearly.
    """
    size = fine.shape[1], fine.shape[0]
    away = cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR) - fine
    return np.asarray(fine + np.where(away > 0, RISE, FALL) * away, np.float32)


def with_mirrored(plain: ScoreMap, mirrored: ScoreMap) -> ScoreMap:
    """Return the mean of the scores of a picture and of its mirror image, both (height, width)."""
    joined = published.with_mirrored(torch.from_numpy(plain), torch.from_numpy(mirrored))
    return np.asarray(joined.numpy(), np.float32)
