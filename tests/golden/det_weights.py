"""Weights that follow from their names alone, so that two programs can share them by rule."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

CPU = torch.device("cpu")


def det_tensor(key: str, shape: Sequence[int]) -> Tensor:
    """Return the float32 tensor of a state entry; it depends on nothing but name and shape.

    Uniform on purpose: `torch.randn` gives other bits on other CPUs, `torch.rand` does not.
    """
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")
    generator = torch.Generator(CPU).manual_seed(seed)
    u = torch.rand(tuple(shape), generator=generator, dtype=torch.float32)
    v = 2.0 * u - 1.0  # exact in float32, uniform on [-1, 1)
    leaf = key.rsplit(".", 1)[-1]
    if leaf == "running_var" or (leaf == "weight" and len(shape) == 1):
        return 1.0 + 0.1 * v  # norms
    if len(shape) == 1:  # biases, means
        bias = 0.1 * v
        if key.endswith("predictor.class_embed.bias"):
            bias[-1] += 6.0  # favour "nothing", as trained networks do
        return bias
    if any(name in key for name in ("query_feat", "query_embed", "level_embed")):
        return v * math.sqrt(3.0)  # unit variance
    return v * (_gain(key) * math.sqrt(3.0 / math.prod(shape[1:])))


def det_state_dict(entries: Iterable[tuple[str, Sequence[int]]]) -> dict[str, Tensor]:
    """Return the state of a network from the names and shapes of its entries."""
    return {key: _entry(key, shape) for key, shape in entries}


def _entry(key: str, shape: Sequence[int]) -> Tensor:
    if key.endswith("num_batches_tracked"):
        return torch.zeros((), dtype=torch.int64)
    if key == "criterion.empty_weight":
        return torch.tensor([1.0] * (shape[0] - 1) + [0.1])
    return det_tensor(key, shape)


def _gain(key: str) -> float:
    """Keep the hundred queries from collapsing into one."""
    if ".predictor." not in key:
        return 1.0
    gains = {"out_proj.weight": 0.1, "linear2.weight": 0.2, "class_embed.weight": 3.0}
    return next((gain for end, gain in gains.items() if key.endswith(end)), 1.0)
