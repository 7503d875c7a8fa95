"""The goldens of the original code, and the inputs they were made from."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

FOLDER = Path(__file__).parent

PARITY = Path(os.environ.get("MMRAS_PARITY", FOLDER.parents[2] / "shared" / "parity"))
"""What the original came with and its goldens need, beside the checkout."""

Array = npt.NDArray[Any]  # Any: of integers or of floats


@dataclass(frozen=True, slots=True)
class Difference:
    """How far a tensor is from its golden."""

    largest: float
    mean: float

    @classmethod
    def between(cls, seen: Tensor | Array, golden: Array) -> Difference:
        """Measure, in float64; shapes must agree."""
        values = seen.detach().cpu().numpy() if isinstance(seen, Tensor) else seen
        assert values.shape == golden.shape
        distance = np.abs(values.astype(np.float64) - golden.astype(np.float64))
        return cls(float(distance.max()), float(distance.mean()))


@cache
def _archive() -> dict[str, Array]:
    with np.load(FOLDER / "golden.npz") as archive:
        return dict(archive)


@cache
def meta() -> dict[str, Any]:
    """Facts about the goldens that are not tensors."""
    facts: dict[str, Any] = json.loads((FOLDER / "golden_meta.json").read_text())
    return facts


@cache
def manifest() -> dict[str, Any]:
    """Names, shapes and hashes of the state of the original network."""
    facts: dict[str, Any] = json.loads((FOLDER / "manifest.json").read_text())
    return facts


def golden(name: str) -> Array:
    """Return one golden tensor."""
    return _archive()[name]


def names(prefix: str) -> list[str]:
    """Return the goldens whose names begin so, without that prefix."""
    return [name.removeprefix(prefix) for name in _archive() if name.startswith(prefix)]


def picture(seed: int, height: int, width: int) -> Tensor:
    """Return the picture of a seed: (1, 3, height, width) uint8, RGB."""
    random = np.random.RandomState(seed)
    blocks = random.randint(0, 256, (height // 16 + 1, width // 16 + 1, 3))
    noise = random.randint(0, 256, (height, width, 3))
    large = np.repeat(np.repeat(blocks, 16, 0), 16, 1)[:height, :width]
    bgr = ((3 * large + noise) // 4).astype(np.uint8)
    return torch.from_numpy(bgr[..., ::-1].copy()).permute(2, 0, 1)[None]


def text() -> Tensor:
    """Return random text embeddings of length 1, (19, 1024)."""
    vectors = np.random.RandomState(77).random_sample((19, 1024)) * 2 - 1
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return torch.from_numpy((vectors / lengths).astype(np.float32))


def clip_text() -> Tensor:
    """Return the text embeddings of the original, (19, 1024); not ours to pass on."""
    return torch.from_numpy(np.load(PARITY / "city_RN50_clip_text.npy"))


def uniform(seed: int, shape: tuple[int, ...], low: float = 0, high: float = 1) -> Tensor:
    """Return uniform float32 numbers, drawn in float64."""
    sample = np.random.RandomState(seed).random_sample(shape)
    return torch.from_numpy((sample * (high - low) + low).astype(np.float32))
