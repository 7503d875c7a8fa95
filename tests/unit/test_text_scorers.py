from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch

from mmras_stream.errors import CheckpointError, SettingsError
from mmras_stream.inference.naming import load_namers
from mmras_stream.inference.preprocess import network_input
from mmras_stream.inference.text import (
    chosen_clip,
    clip_input,
)
from mmras_stream.models.clip import load_clip
from mmras_stream.models.text import embed_words
from mmras_stream.models.vocabulary import make_vocabulary
from mmras_stream.scoring.ensemble import load_scorer
from mmras_stream.settings import ModelSettings, ScoreSettings, Settings, TextSettings
from mmras_stream.types import (
    ColourMatrix,
    FrameBatch,
    PixelFormat,
    SegmentationOutput,
)
from slow_text_scores import (
    ALPHA,
    MASKS,
    NAMES,
    OUTPUT,
    PIXELS,
    Array,
    W,
    array,
    batch,
    blended,
    enlarged,
    released,
    scores,
    softmax,
    with_text,
)
from small_clip import MEAN, RESNET, STD, write_clip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "resnet", RESNET)


@pytest.fixture
def settings(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("MMRAS_STREAM_HOME", str(tmp_path / "home"))
    return Settings(
        model=ModelSettings(device="cpu", precision="float32"),
        score=ScoreSettings(alpha=ALPHA, w=W),
        text=TextSettings(clip=str(folder)),
    )


def test_mmras_multiplies_features_by_vectors_from_a_file(
    settings: Settings, tmp_path: Path
) -> None:
    vectors = np.random.default_rng(0).normal(size=(3, 24))
    np.save(tmp_path / "text.npy", vectors.astype(np.float32))
    seen = scores("mmras", with_text(settings, vectors=str(tmp_path / "text.npy")), MASKS)
    assert OUTPUT.extra_masks is not None
    wanted = blended(array(OUTPUT.class_scores), released(vectors), array(OUTPUT.extra_masks))
    np.testing.assert_allclose(seen, wanted, atol=2e-5)


def test_vectors_from_a_file_need_no_clip(settings: Settings, tmp_path: Path) -> None:
    np.save(tmp_path / "text.npy", np.ones((3, 24), np.float32))
    there = with_text(settings, vectors=str(tmp_path / "text.npy"), clip="no such model")
    assert np.isfinite(scores("mmras", there, MASKS)).all()


def test_mmras_takes_clips_vectors_for_the_classes(settings: Settings, folder: Path) -> None:
    clip = load_clip(str(folder))
    text = embed_words(make_vocabulary((name, ()) for name in NAMES), clip)
    assert OUTPUT.extra_masks is not None
    wanted = blended(
        array(OUTPUT.class_scores), released(array(text.vectors)), array(OUTPUT.extra_masks)
    )
    np.testing.assert_allclose(scores("mmras", settings, MASKS), wanted, atol=2e-5)


def aligned(folder: Path) -> Array:
    """Classify every place of CLIP's by the nearest words, one at a time."""
    clip = load_clip(str(folder))
    text = embed_words(make_vocabulary((name, ()) for name in NAMES), clip)
    pixels = network_input(
        batch(), (448, 704), mean=clip.mean, std=clip.std, device=torch.device("cpu")
    )
    features, vectors = array(clip.dense(pixels)), array(text.vectors)
    logits = np.empty((2, 3, 14, 22))
    for number, word in enumerate(vectors):
        lengths = np.linalg.norm(features, axis=1) * np.linalg.norm(word)
        logits[:, number] = np.einsum("nchw,c->nhw", features, word) / lengths / 0.07
    return enlarged(softmax(logits), 6, 9, align_corners=False)


def test_mmras_aligned_blends_with_what_clip_sees_in_each_place(
    settings: Settings, folder: Path
) -> None:
    assert OUTPUT.extra_masks is not None
    wanted = blended(array(OUTPUT.class_scores), aligned(folder), array(OUTPUT.extra_masks))
    np.testing.assert_allclose(scores("mmras_aligned", settings, MASKS), wanted, atol=2e-5)


def test_logits_of_a_network_without_masks_become_shares_first(
    settings: Settings, folder: Path
) -> None:
    logits = SegmentationOutput(OUTPUT.class_scores, OUTPUT.features)
    wanted = blended(softmax(array(OUTPUT.class_scores)), aligned(folder), None)
    seen = scores("mmras_aligned", settings, PIXELS, logits)
    np.testing.assert_allclose(seen, wanted, atol=2e-5)


def test_features_in_half_precision_are_scored(settings: Settings) -> None:
    half = replace(OUTPUT, features=OUTPUT.features.bfloat16())
    exact, rough = scores("mmras", settings, MASKS), scores("mmras", settings, MASKS, half)
    np.testing.assert_allclose(rough, exact, atol=0.05)


def test_a_score_and_another_user_share_one_clip(settings: Settings) -> None:
    scorer = load_scorer({"mmras_aligned": 1.0}, settings, MASKS)
    clip = chosen_clip(settings)
    assert chosen_clip(settings) is clip
    assert clip in vars(scorer).values()


def test_clip_sees_colours_as_it_was_trained_to(folder: Path) -> None:
    red, green, blue = (torch.full((1, 32, 50), level, dtype=torch.uint8) for level in (9, 99, 200))
    rgb = PixelFormat(ColourMatrix.RGB, full_range=True)
    pixels = clip_input(
        FrameBatch((0,), (0,), Fraction(1), (red, green, blue), rgb), load_clip(str(folder))
    )
    assert pixels.shape == (1, 3, 448, 704)
    for channel, level in enumerate((9, 99, 200)):
        wanted = (level / 255 - MEAN[channel]) / STD[channel]
        torch.testing.assert_close(pixels[0, channel], torch.full((448, 704), wanted))


LOADERS: dict[str, Callable[[Settings], object]] = {
    "score": lambda settings: load_scorer({"mmras_aligned": 1.0}, settings, MASKS),
    "namer": lambda settings: load_namers(settings, MASKS),
}


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
def test_a_clip_that_cannot_be_loaded_is_told_at_once_though_its_text_is_cached(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    load: Callable[[Settings], object],
) -> None:
    (tmp_path / "few.txt").write_text("cow\n")
    text = replace(settings.text, obstacles=str(tmp_path / "few.txt"), name_things=True)
    load(replace(settings, text=text))

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(open_clip, "create_model", refuse)
    with pytest.raises(CheckpointError, match="out of memory"):
        load(replace(settings, text=text))


def test_words_of_a_vocabulary_stand_for_the_classes(settings: Settings, tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("tarmac\nautomobile\nheaven\n")
    other = scores("mmras", with_text(settings, classes=str(words)), MASKS)
    assert np.abs(other - scores("mmras", settings, MASKS)).max() > 1e-3


def test_templates_are_those_of_the_settings(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("{}\n")
    other = scores("mmras", with_text(settings, templates=str(tmp_path / "one.txt")), MASKS)
    assert np.abs(other - scores("mmras", settings, MASKS)).max() > 1e-3


@pytest.mark.parametrize("score", ["mmras", "mmras_aligned"])
@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ("cityscapes", "cityscapes holds 19 words, but the network has 3 classes; give one word"),
        ("cityscape", "no file cityscape; did you mean 'cityscapes'"),
    ],
)
def test_words_that_do_not_fit_the_classes_are_refused(
    settings: Settings, score: str, classes: str, message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        scores(score, with_text(settings, classes=classes), MASKS)


def test_vectors_of_another_width_are_refused(settings: Settings, tmp_path: Path) -> None:
    wide = replace(MASKS, feature_channels=1024)
    with pytest.raises(
        SettingsError, match=r"features, 1024 wide, by .*resnet are 24 wide; give oth"
    ):
        scores("mmras", settings, wide)
    np.save(tmp_path / "text.npy", np.zeros((3, 1024)))
    with pytest.raises(SettingsError, match=r"features, 24 wide, by .*text.npy are 1024 wide"):
        scores("mmras", with_text(settings, vectors=str(tmp_path / "text.npy")), MASKS)


def test_vectors_for_other_classes_are_refused(settings: Settings, tmp_path: Path) -> None:
    np.save(tmp_path / "text.npy", np.zeros((2, 24)))
    with pytest.raises(CheckpointError, match="has 2 rows, but there are 3 classes"):
        scores("mmras", with_text(settings, vectors=str(tmp_path / "text.npy")), MASKS)
