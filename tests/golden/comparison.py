"""How far our tensors are from the goldens, as shares of what is allowed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from golden.data import Array, Difference, golden, meta, names
from golden.runs import Pass

UP_TO_DECODER = ("input", "res", "mask_features", "ms", "enc")
ROUNDING = 2e-5
"""Largest difference before the masked decoder."""

TURNED_BITS = 1 / 800_000
"""Share of attention bits that rounding turns among float32 variants of the original."""

LARGEST, MEAN = 3e-3, 1e-4
"""After it: one turned bit moves a whole query, and with it every place of the class map."""

ELSEWHERE = 1e-3
"""Share of places where another class may win, or an extra mask cross its threshold."""

FLOAT64 = 1e-5
"""Everywhere: no bit turns."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What comparing with one golden gave."""

    golden: str
    excess: float
    """How many times the tolerance; more than 1, or not a number, is a mistake."""

    @property
    def wrong(self) -> bool:
        """Whether this is more than rounding."""
        return not self.excess <= 1


def wrong(findings: Iterable[Finding]) -> list[Finding]:
    """Return those that are more than rounding; finding nothing to compare is a mistake too."""
    found = list(findings)
    assert found
    return [finding for finding in found if finding.wrong]


def close(name: str, seen: Tensor, *, largest: float, mean: float = math.inf) -> Finding:
    """Hold a tensor against its golden."""
    wanted = golden(name)
    if seen.shape != wanted.shape:
        return Finding(name, math.inf)
    difference = Difference.between(seen, wanted)
    return Finding(name, float(np.maximum(difference.largest / largest, difference.mean / mean)))


def rarely_apart(name: str, seen: Tensor, *, by: float, places: float) -> Finding:
    """Hold a tensor against its golden where a few places may differ by more."""
    wanted = golden(name)
    if seen.shape != wanted.shape:
        return Finding(name, math.inf)
    return Finding(name, _apart(seen.numpy(), wanted, by).sum() / places)


def intermediates(one: Pass, run: str, *, mirrored: bool) -> Iterator[Finding]:
    """Compare all a pass in float32 kept with what the original kept."""
    before = f"{run}/flip_" if mirrored else f"{run}/"
    for name in names(before):
        seen = one.slices.get(name)
        if seen is None:
            continue
        if name.startswith(UP_TO_DECODER):
            yield close(before + name, seen, largest=ROUNDING)
        elif name == "fg_count":
            bits = 100 * sum(meta()["runs"][run]["attn_hw"])
            yield close(before + name, seen, largest=2)
            yield rarely_apart(before + name, seen, by=0, places=max(5, bits * TURNED_BITS))
        elif name == "argmax_slice":
            yield rarely_apart(before + name, seen, by=0, places=ELSEWHERE * seen.numel())
        else:
            yield close(before + name, seen, largest=LARGEST, mean=MEAN)


def intermediates_in_float64(one: Pass, run: str, *, mirrored: bool) -> Iterator[Finding]:
    """Compare a pass in float64, which knows no excuse."""
    before = f"f64/{run}/flip_" if mirrored else f"f64/{run}/"
    for name in names(before):
        if name in one.slices:
            yield close(before + name, one.slices[name], largest=FLOAT64)


def _apart(seen: Array, wanted: Array, by: float) -> Array:
    # "not within" rather than "beyond", for what is not a number
    apart: Array = ~(np.abs(seen.astype(np.float64) - wanted.astype(np.float64)) <= by)
    return apart
