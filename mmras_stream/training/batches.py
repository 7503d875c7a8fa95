"""Crops put together for one step."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mmras_stream.models.checkpoint import WeightsCard
from mmras_stream.models.compact import CompactConfig
from mmras_stream.training.data import Crop

Batch = tuple[Tensor, Tensor, Tensor, Tensor]
"""Normalised pixels, classes, outliers and weights, as in `Crop`."""


def collate(crops: list[Crop], device: torch.device) -> Batch:
    """Stack crops of one size on a device, their pixels normalised as the weights card says."""
    card = WeightsCard(CompactConfig(classes=()))
    pixels = torch.from_numpy(np.stack([crop.image for crop in crops])).to(device)
    pixels = pixels.permute(0, 3, 1, 2).float()
    mean = torch.tensor(card.mean, device=device)[:, None, None]
    std = torch.tensor(card.std, device=device)[:, None, None]
    classes = torch.from_numpy(np.stack([crop.classes for crop in crops])).to(device)
    outliers = torch.from_numpy(np.stack([crop.outliers for crop in crops])).to(device)
    weights = torch.from_numpy(np.stack([crop.weights for crop in crops])).to(device)
    normal = ((pixels - mean) / std).contiguous(memory_format=torch.channels_last)
    return normal, classes, outliers, weights
