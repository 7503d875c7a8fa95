"""Read checkpoints as the authors of the published network left them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor

from mmras_stream.errors import CheckpointError
from mmras_stream.models.mmras import MmrasConfig, MmrasNetwork

WRAPPER = "model"
"""Where training programs keep the state, beside that of their optimizer."""

PARALLEL_PREFIX = "module."
"""Put before every name by data-parallel training."""

TRAINING_ONLY = ("projection.",)
"""Begins the names of what text regularisation adds; inference has no use for it."""


def load_published(path: Path, config: MmrasConfig) -> MmrasNetwork:
    """Build the network and fill it from a `.pth` file, in float32, for inference.

    Nothing in the file is executed.

    Raises:
        CheckpointError: the file is missing, damaged, or of another network.
    """
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, UnpicklingError) as error:
        raise CheckpointError(f"cannot read {path} as a PyTorch checkpoint: {error}") from error
    network = MmrasNetwork(config)
    try:
        network.load_state_dict(published_state(stored))
    except RuntimeError as error:
        first = str(error).strip().splitlines()[-1].strip()
        raise CheckpointError(f"{path} holds another network: {first}") from error
    return network.eval()


def published_state(stored: Mapping[str, object]) -> dict[str, Tensor]:
    """Return a checkpoint's tensors under the names of `MmrasNetwork`.

    A plain dict carries no versions, and PyTorch lets batch norms of no version lack
    `num_batches_tracked`, which checkpoints trained with frozen norms do.
    """
    inner = stored.get(WRAPPER, stored)
    entries = inner if isinstance(inner, Mapping) else {}
    named = {str(name).removeprefix(PARALLEL_PREFIX): value for name, value in entries.items()}
    return {
        name: value
        for name, value in named.items()
        if isinstance(value, Tensor) and not name.startswith(TRAINING_ONLY)
    }
