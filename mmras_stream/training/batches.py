"""Crops put together for one step, by processes beside the one that trains."""

from __future__ import annotations

import itertools
import os
from collections.abc import Generator, Sequence
from typing import Protocol

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from mmras_stream.models.checkpoint import WeightsCard
from mmras_stream.models.compact import CompactConfig
from mmras_stream.training.data import Crop

Batch = tuple[Tensor, Tensor, Tensor, Tensor]
"""Pixels, classes, outliers and weights, as in `Crop`."""

BATCHES_AHEAD = 3
"""Of each process."""


class Crops(Protocol):
    """What makes the n-th crop, the same on every call."""

    def __getitem__(self, number: int) -> Crop:
        """Return crop `number`, from 0."""


def usual_workers(device: torch.device) -> int:
    """Return how many processes make crops: on CUDA all cores but one, or it would wait for them.

    On the CPU none: a thread makes them, as the cores are busy.
    """
    return max(0, (os.cpu_count() or 1) - 1) if device.type == "cuda" else 0


def batches(crops: Crops, size: int, *, first: int, workers: int) -> Generator[Batch, None, None]:
    """Make batches without end; the n-th holds the same crops whoever makes it.

    Close the generator to stop early; it owns the processes.

    Args:
        crops: What they are made of.
        size: Crops in each.
        first: Number of the first batch.
        workers: Processes that make them; 0 makes each as it is asked for.
    """
    numbers = (range(step * size, (step + 1) * size) for step in itertools.count(first))
    loader: DataLoader[Crop] = DataLoader(
        crops,  # type: ignore[arg-type]  # torch's stub wants its base class
        batch_sampler=numbers,  # type: ignore[arg-type]  # lists, for the stub
        num_workers=workers,
        prefetch_factor=BATCHES_AHEAD if workers else None,
        collate_fn=stacked,
        worker_init_fn=_alone,
    )
    threads = cv2.getNumThreads()
    if workers:
        # a forked process would wait for ever for threads of OpenCV that it has not
        cv2.setNumThreads(1)
    made = iter(loader)
    cv2.setNumThreads(threads)
    try:
        yield from made
    finally:
        del made  # which ends the processes


def stacked(crops: Sequence[Crop]) -> Batch:
    """Stack crops of one size; the pixels stay bytes (N, H, W, 3)."""
    return (
        torch.from_numpy(np.stack([crop.image for crop in crops])),
        torch.from_numpy(np.stack([crop.classes for crop in crops])),
        torch.from_numpy(np.stack([crop.outliers for crop in crops])),
        torch.from_numpy(np.stack([crop.weights for crop in crops])),
    )


def on_device(batch: Batch, device: torch.device) -> Batch:
    """Bring a stacked batch to a device, its pixels (N, 3, H, W) as the weights card says."""
    pixels, classes, outliers, weights = (part.to(device) for part in batch)
    card = WeightsCard(CompactConfig(classes=()))
    mean = torch.tensor(card.mean, device=device)[:, None, None]
    std = torch.tensor(card.std, device=device)[:, None, None]
    normal = (pixels.permute(0, 3, 1, 2).float() - mean) / std
    return normal.contiguous(memory_format=torch.channels_last), classes, outliers, weights


def _alone(worker: int) -> None:
    """Keep OpenCV to one thread: the other processes have the other cores."""
    del worker
    cv2.setNumThreads(1)
