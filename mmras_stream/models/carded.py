"""Safetensors files that carry a card and the hash of their tensors."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from mmras_stream.atomic import partial_path, reported
from mmras_stream.errors import CheckpointError

FORMAT_KEY = "format"
CARD_KEY = "card"

NAMED_AT_MOST = 3
"""Entries that a message spells out."""


def digest(tensors: Mapping[str, Tensor]) -> str:
    """Hash tensors with their names, types and shapes, in the order of the names.

    >>> digest({"b": torch.zeros(2), "a": torch.ones(1)})[:12]
    '6d9016a2786e'
    """
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        # as bytes: NumPy has no bfloat16
        total.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def check_digest(path: Path, tensors: Mapping[str, Tensor], expected: str) -> None:
    """Compare tensors with what their card says of them.

    Raises:
        CheckpointError: they differ.
    """
    seen = digest(tensors)
    if seen != expected:
        raise CheckpointError(
            f"{path} is damaged: its tensors hash to {seen[:12]}..., its card says "
            f"{expected[:12]}...; fetch it again"
        )


def check_finite(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Refuse weights that would turn every score into nonsense.

    Raises:
        CheckpointError: some value is not a number or infinite.
    """
    bad = not_finite(tensors)
    if bad:
        raise CheckpointError(
            f"{path} cannot be used: {len(bad)} of its {len(tensors)} entries hold NaN or "
            f"infinite values ({shortened(bad)}); take an earlier checkpoint or fetch it again"
        )


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Return the names of the tensors that hold NaN or infinite values."""
    return [
        name
        for name, tensor in tensors.items()
        if tensor.is_floating_point() and not torch.isfinite(tensor).all()
    ]


def shortened(names: list[str]) -> str:
    """List names, the first few of many.

    >>> shortened(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    more = len(names) - NAMED_AT_MOST
    return ", ".join(names[:NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")


def write_carded(
    path: Path,
    tensors: Mapping[str, Tensor],
    card: Mapping[str, Any],  # Any: JSON values
    *,
    file_format: str,
) -> None:
    """Write tensors and their card, under a temporary name first.

    Raises:
        OutputError: the file cannot be written.
    """
    partial = partial_path(path)
    metadata = {FORMAT_KEY: file_format, CARD_KEY: json.dumps(card)}
    with reported(path):
        try:
            save_file(dict(tensors), partial, metadata)
        except SafetensorError as error:  # its way to say that the disk is full or the folder gone
            raise OSError(str(error)) from error
        partial.chmod(0o644)  # safetensors makes files that only their owner may read
        os.replace(partial, path)  # noqa: PTH105 - atomic, and says so


def read_metadata(path: Path) -> dict[str, str]:
    """Read what a safetensors file says of itself, without its tensors.

    Raises:
        CheckpointError: it is no safetensors file, or damaged.
    """
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, error) from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file.

    Raises:
        CheckpointError: it is no safetensors file, or damaged.
    """
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(f"cannot read weights {path}: {error}; is it a whole safetensors file?")
