from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from golden.data import Difference, golden, text, uniform
from golden.runs import LARGE, SMALL, result
from mmras_stream.scoring import published
from mmras_stream.scoring.published import ClassMaps

CLASSES = 19
SCORES = ("msp", "entropy_max", "maxlogits", "mask2anomaly", "mmras_rand")
SEEDS = {0: 500, 1: 510, 3: 530}
RUNS = [*SMALL, *(pytest.param(run, marks=pytest.mark.slow) for run in LARGE)]

LARGEST, MEAN = 3e-3, 1e-4
"""As for the network: one attention bit that rounding turns moves a whole query."""

RULED_OUT_ELSEWHERE = 1e-3
"""Share of places where an extra mask may fall on the other side of its threshold."""


def _score(name: str, class_map: Tensor, features: Tensor) -> Tensor:
    maps = ClassMaps(class_map[None, :CLASSES], class_map[None, CLASSES:])
    if name == "mmras_rand":
        embeddings, size = text().to(class_map.dtype), (class_map.shape[-2], class_map.shape[-1])
        t = published.text_logits(features[None], embeddings, size)
        return published.mmras(maps, t, alpha=0.99, w=0.7)[0]
    plain = {
        "msp": published.msp,
        "entropy_max": published.entropy_max,
        "maxlogits": published.maxlogits,
        "mask2anomaly": published.mask2anomaly,
    }
    return plain[name](maps)[0]


def _synthetic(seed: int, extras: int) -> tuple[Tensor, Tensor]:
    u = uniform(seed, (CLASSES, 24, 40))
    v = u * u
    masks = uniform(seed + 1, (extras, 24, 40))
    return torch.cat([v * v * float(np.float32(1.05)), masks]), 2 * uniform(seed + 2, (1024, 3, 5))


@pytest.mark.parametrize("extras", SEEDS)
@pytest.mark.parametrize("name", SCORES)
def test_scores_of_synthetic_predictions_are_the_originals(name: str, extras: int) -> None:
    seed = SEEDS[extras]
    plain, mirrored = (_score(name, *_synthetic(first, extras)) for first in (seed, seed + 3))
    seen = published.with_mirrored(plain, mirrored)
    assert Difference.between(seen, golden(f"unit/score/k{extras}/{name}")).largest <= 5e-6


@pytest.mark.parametrize("run", SMALL)
def test_text_logits_are_the_originals(run: str) -> None:
    one = result(run, torch.float32, mirrored=False)
    products = published.text_logits(one.features[None], text(), one.sizes.original)
    seen = products[0, :, 4::8, 4::8]
    assert Difference.between(seen, golden(f"{run}/text_logits_rand_slice")).largest <= 2e-5


def _of_run(name: str, run: str, dtype: torch.dtype) -> Tensor:
    both = (result(run, dtype, mirrored=mirrored) for mirrored in (False, True))
    score = published.with_mirrored(*(_score(name, one.class_map, one.features) for one in both))
    stride = 8 if run in LARGE else 4
    return score[stride // 2 :: stride, stride // 2 :: stride]


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("name", SCORES)
def test_scores_of_pictures_are_the_originals(name: str, run: str) -> None:
    seen, wanted = _of_run(name, run, torch.float32), golden(f"{run}/score_{name}")
    if name == "mask2anomaly":
        distance = np.abs(seen.numpy() - wanted)
        assert np.mean(distance > LARGEST) <= RULED_OUT_ELSEWHERE
    else:
        difference = Difference.between(seen, wanted)
        assert difference.largest <= LARGEST
        assert difference.mean <= MEAN


@pytest.mark.parametrize("run", ["a256", "c400"])
@pytest.mark.parametrize("name", SCORES)
def test_scores_in_float64_are_the_originals(name: str, run: str) -> None:
    seen = _of_run(name, run, torch.float64)
    assert Difference.between(seen, golden(f"f64/{run}/score_{name}")).largest <= 1e-5
