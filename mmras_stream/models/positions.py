"""Where a cell lies in its map, as a vector."""

from __future__ import annotations

import math

import torch
from torch import Tensor

TEMPERATURE = 10_000.0


def sine_positions(height: int, width: int, *, channels: int, device: torch.device) -> Tensor:
    """Encode rows, then columns, by sines and cosines of falling frequency.

    Counted from 1 and scaled so that each side spans 2 pi (Carion et al. 2020, arXiv 2005.12872,
    after Vaswani et al. 2017).

    Args:
        height: Rows of the map.
        width: Columns of the map.
        channels: Length of a vector; a multiple of 4.
        device: Where the result lies.

    Returns:
        (height * width, channels) float32, row by row.
    """
    rows = _waves(height, channels // 2, device)[:, None].expand(-1, width, -1)
    columns = _waves(width, channels // 2, device)[None].expand(height, -1, -1)
    return torch.cat([rows, columns], -1).flatten(0, 1)


def _waves(count: int, channels: int, device: torch.device) -> Tensor:
    steps = torch.arange(1, count + 1, dtype=torch.float32, device=device)
    angles = steps / (count + 1e-6) * (2 * math.pi)
    halves = torch.arange(channels, dtype=torch.float32, device=device).div(2).floor()
    phases = angles[:, None] / TEMPERATURE ** (2 * halves / channels)
    return torch.stack([phases[:, 0::2].sin(), phases[:, 1::2].cos()], -1).flatten(1)
