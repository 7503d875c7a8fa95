"""The paper's network beside transformers' Mask2Former, pass by pass in turn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from mmras_stream.inference.device import chosen_precision

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]

TESTS = Path(__file__).parents[1]
KINDS = ("exact", "fast", "transformers")
ROUNDS = 4
CPU = torch.device("cpu")


@contextmanager
def worker(kind: str) -> Iterator[subprocess.Popen[str]]:
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.passes", kind],
        cwd=TESTS,
        env=environment | {"GOMP_SPINCOUNT": "3000"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.communicate(timeout=60)


def one_pass(process: subprocess.Popen[str], scores: Path | None = None) -> dict[str, float]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{scores or ''}\n")
    process.stdin.flush()
    costs: dict[str, float] = json.loads(process.stdout.readline())
    return costs


def rank_correlation(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    """Return Spearman's coefficient; both are of one shape."""
    first, second = (
        np.argsort(np.argsort(values.ravel())).astype(float) for values in (one, other)
    )
    return float(np.corrcoef(first, second)[0, 1])


def test_a_pass_takes_a_fraction_of_the_time_of_transformers(tmp_path: Path) -> None:
    costs: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    with (
        worker("exact") as exact,
        worker("fast") as fast,
        worker("transformers") as transformers,
    ):
        processes = dict(zip(KINDS, (exact, fast, transformers), strict=True))
        for process in processes.values():
            one_pass(process)
        for _ in range(ROUNDS):
            for kind, process in processes.items():
                costs[kind].append(one_pass(process, tmp_path / f"{kind}.npy"))
    for kind, rounds in costs.items():
        print(kind, [{name: round(value, 2) for name, value in one.items()} for one in rounds])
    ratios = {
        (kind, clock): median(
            one[clock] / other[clock]
            for one, other in zip(costs["transformers"], costs[kind], strict=True)
        )
        for kind in ("exact", "fast")
        for clock in ("wall", "cpu")
    }
    print({" ".join(key): round(ratio, 2) for key, ratio in ratios.items()})
    scores = [np.load(tmp_path / f"{kind}.npy") for kind in ("exact", "fast")]
    correlation = rank_correlation(*scores)
    print(f"rank correlation of fast and exact scores {correlation:.5f}")
    assert ratios["exact", "wall"] >= 1.7
    # without bfloat16 instructions it is hardly faster than exact
    assert ratios["fast", "wall"] >= (3.4 if chosen_precision("auto", CPU) == torch.bfloat16 else 2)
    assert correlation >= 0.999


def test_a_frame_takes_less_memory_than_in_the_published_way() -> None:
    peaks = {}
    for kind in ("exact", "fast", "whole"):
        with worker(kind) as process:
            peaks[kind] = one_pass(process)["peak_mib"]
    print({kind: f"{peak:.0f} MiB" for kind, peak in peaks.items()})
    assert peaks["exact"] < peaks["whole"]
    assert peaks["fast"] < peaks["whole"]
