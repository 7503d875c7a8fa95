from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from golden.data import Difference, golden, meta, names, picture
from golden.runs import LARGE, SMALL, network, result
from mmras_stream.inference.pillow_resize import resize
from mmras_stream.inference.published import extra_queries, geometry

RUNS = [*SMALL, *(pytest.param(run, marks=pytest.mark.slow) for run in LARGE)]
FLOAT64_RUNS = ["a256", "c400"]
SIDES = pytest.mark.parametrize("mirrored", [False, True], ids=["plain", "mirrored"])

UP_TO_DECODER = ("input", "res", "mask_features", "ms", "enc")
ROUNDING = 2e-5
"""Largest difference before the masked decoder."""

TURNED_BITS = 1 / 800_000
"""Share of attention bits that rounding turns among float32 variants of the original."""

LARGEST, MEAN = 3e-3, 1e-4
"""After it: one turned bit moves a whole query, and with it every place of the class map."""

FLOAT64 = 1e-5
"""Everywhere: no bit turns."""


def _compared(prefix: str, available: dict[str, torch.Tensor], *, mirrored: bool) -> list[str]:
    prefix = f"{prefix}flip_" if mirrored else prefix
    return [name for name in names(prefix) if name in available]


@pytest.mark.parametrize("run", [*SMALL, *LARGE])
def test_pictures_are_resized_as_in_the_original(run: str) -> None:
    facts = meta()["runs"][run]
    sizes = geometry(facts["h"], facts["w"], short_edge=facts["min_size_test"])
    assert sizes.resized == tuple(facts["resized_hw"])
    assert sizes.padded == tuple(facts["padded_hw"])
    pixels = resize(picture(facts["seed"], facts["h"], facts["w"]), sizes.resized)
    digest = hashlib.sha256(pixels[0].permute(1, 2, 0).numpy().tobytes()).hexdigest()
    assert digest == facts["resized_rgb_hwc_uint8_sha256"]


@SIDES
@pytest.mark.parametrize("run", RUNS)
def test_every_intermediate_is_the_originals(run: str, *, mirrored: bool) -> None:
    seen = result(run, torch.float32, mirrored=mirrored).slices
    for name in _compared(f"{run}/", seen, mirrored=mirrored):
        wanted = golden(f"{run}/{'flip_' if mirrored else ''}{name}")
        difference = Difference.between(seen[name], wanted)
        if name.startswith(UP_TO_DECODER):
            assert difference.largest <= ROUNDING, name
        elif name == "fg_count":
            bits = 100 * sum(meta()["runs"][run]["attn_hw"])
            assert difference.largest <= 2
            assert np.sum(seen[name].numpy() != wanted) <= max(5, bits * TURNED_BITS)
        elif name == "argmax_slice":
            assert np.mean(seen[name].numpy() == wanted) >= 0.999
        else:
            assert difference.largest <= LARGEST, name
            assert difference.mean <= MEAN, name


@SIDES
@pytest.mark.parametrize("run", FLOAT64_RUNS)
def test_in_float64_only_rounding_of_the_goldens_is_left(run: str, *, mirrored: bool) -> None:
    seen = result(run, torch.float64, mirrored=mirrored).slices
    compared = _compared(f"f64/{run}/", seen, mirrored=mirrored)
    assert len(compared) == (2 if mirrored else 8)
    for name in compared:
        wanted = golden(f"f64/{run}/{'flip_' if mirrored else ''}{name}")
        assert Difference.between(seen[name], wanted).largest <= FLOAT64, name


def test_no_golden_of_a_run_is_forgotten() -> None:
    seen = result("a256", torch.float32, mirrored=False).slices
    elsewhere = ("flip_", "score_", "text_logits_")
    left = [n for n in names("a256/") if not n.startswith(elsewhere) and not n.endswith("_stats")]
    assert sorted(left) == sorted(seen)


@SIDES
@pytest.mark.parametrize("run", SMALL)
def test_extra_masks_are_the_originals(run: str, *, mirrored: bool) -> None:
    class_logits = result(run, torch.float32, mirrored=mirrored).slices["pred_logits"]
    kept = meta()["runs"][run][f"kept_queries{'_flip' if mirrored else ''}"]
    assert extra_queries(class_logits).tolist() == [query for query, _, _ in kept]


def test_the_network_has_the_originals_parameters() -> None:
    assert sum(p.numel() for p in network(torch.float32).parameters()) == 46_557_112
