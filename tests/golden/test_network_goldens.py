from __future__ import annotations

import hashlib

import pytest
import torch

from golden.comparison import intermediates, intermediates_in_float64, wrong
from golden.data import meta, names, picture
from golden.runs import LARGE, SMALL, network, result
from mmras_stream.inference.pillow_resize import resize
from mmras_stream.inference.published import extra_queries, geometry

RUNS = [*SMALL, *(pytest.param(run, marks=pytest.mark.slow) for run in LARGE)]
FLOAT64_RUNS = ["a256", "c400"]
SIDES = pytest.mark.parametrize("mirrored", [False, True], ids=["plain", "mirrored"])


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
    one = result(run, torch.float32, mirrored=mirrored)
    assert wrong(intermediates(one, run, mirrored=mirrored)) == []


@SIDES
@pytest.mark.parametrize("run", FLOAT64_RUNS)
def test_in_float64_only_rounding_of_the_goldens_is_left(run: str, *, mirrored: bool) -> None:
    one = result(run, torch.float64, mirrored=mirrored)
    findings = list(intermediates_in_float64(one, run, mirrored=mirrored))
    assert len(findings) == (2 if mirrored else 8)
    assert wrong(findings) == []


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
