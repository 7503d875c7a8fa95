from __future__ import annotations

import hashlib

import pytest
import torch

from golden.comparison import LARGEST, MEAN, Finding, close
from golden.data import clip_text, meta, text
from golden.runs import LARGE, SMALL, result
from golden.scores import (
    BLENDS,
    CLIP,
    PLAIN,
    SEEDS,
    Text,
    of_picture,
    of_picture_in_float64,
    synthetic,
    text_logits,
    whole,
)

EVERYWHERE = [*PLAIN, "mmras_rand", pytest.param("mmras_clip", marks=pytest.mark.parity)]
ONCE = [pytest.param(name, marks=pytest.mark.parity if name in CLIP else ()) for name in BLENDS]
TEXTS = ["rand", pytest.param("clip", marks=pytest.mark.parity)]
RUNS = [*SMALL, *(pytest.param(run, marks=pytest.mark.slow) for run in LARGE)]


@pytest.mark.parametrize("embeddings", TEXTS)
def test_text_is_the_originals(embeddings: Text) -> None:
    seen = clip_text() if embeddings == "clip" else text()
    digest = hashlib.sha256(seen.numpy().tobytes()).hexdigest()
    assert digest == meta()["text"][embeddings]["sha256"]


@pytest.mark.parametrize("extras", SEEDS)
@pytest.mark.parametrize("name", EVERYWHERE)
def test_scores_of_synthetic_predictions_are_the_originals(name: str, extras: int) -> None:
    assert not synthetic(name, extras).wrong


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("embeddings", TEXTS)
def test_text_logits_are_the_originals(embeddings: Text, run: str) -> None:
    assert not text_logits(embeddings, run, result(run, torch.float32, mirrored=False)).wrong


def _of_picture(name: str, run: str) -> Finding:
    both = (result(run, torch.float32, mirrored=mirrored) for mirrored in (False, True))
    return of_picture(name, run, *both)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("name", EVERYWHERE)
def test_scores_of_pictures_are_the_originals(name: str, run: str) -> None:
    assert not _of_picture(name, run).wrong


@pytest.mark.parametrize("run", ["a256", "c250"])
@pytest.mark.parametrize("name", ONCE)
def test_other_settings_give_what_the_original_gives(name: str, run: str) -> None:
    assert not _of_picture(name, run).wrong


@pytest.mark.parity
def test_the_score_is_the_originals_at_every_place() -> None:
    both = (result("c250", torch.float32, mirrored=mirrored) for mirrored in (False, True))
    seen = whole("mmras_clip", *both)
    assert not close("c250/score_mmras_clip_full", seen, largest=LARGEST, mean=MEAN).wrong


@pytest.mark.parametrize("run", ["a256", "c400"])
@pytest.mark.parametrize("name", EVERYWHERE)
def test_scores_in_float64_are_the_originals(name: str, run: str) -> None:
    both = (result(run, torch.float64, mirrored=mirrored) for mirrored in (False, True))
    assert not of_picture_in_float64(name, run, *both).wrong
