from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import open_clip
import pytest
import torch
from torch import Tensor

from letter_encoder import LetterEncoder
from mmras_stream.errors import CheckpointError, SettingsError
from mmras_stream.inference import text
from mmras_stream.inference.naming import load_namers
from mmras_stream.inference.preprocess import network_input
from mmras_stream.inference.text import (
    branch_used,
    chosen_branch,
    chosen_clip,
    clip_input,
    feature_branch,
)
from mmras_stream.models.clip import load_clip
from mmras_stream.models.text import embed_words
from mmras_stream.models.vocabulary import make_vocabulary
from mmras_stream.scoring.ensemble import load_scorer
from mmras_stream.settings import ModelSettings, ScoreSettings, Settings, TextSettings
from mmras_stream.types import (
    ColourMatrix,
    FrameBatch,
    NetworkTraits,
    PixelFormat,
    SegmentationOutput,
    TextSpace,
)
from small_clip import MEAN, RESNET, STD, write_clip

Array = npt.NDArray[np.float64]

NAMES = ("road", "car", "sky")
MASKS = NetworkTraits(NAMES, predicts_masks=True, feature_channels=24)
PIXELS = NetworkTraits(NAMES, has_outlier_head=True, feature_channels=24)
ALPHA, W = 0.6, 0.7
SEED = torch.Generator().manual_seed(0)
OUTPUT = SegmentationOutput(
    class_scores=2 * torch.rand(2, 3, 6, 9, generator=SEED),
    features=torch.randn(2, 24, 3, 4, generator=SEED),
    extra_masks=torch.rand(2, 1, 6, 9, generator=SEED),
)


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


def batch(height: int = 40, width: int = 64) -> FrameBatch:
    generator = torch.Generator().manual_seed(1)
    planes = [
        torch.randint(0, 256, (2, height, width), generator=generator, dtype=torch.uint8)
        for _ in range(3)
    ]
    rgb = PixelFormat(ColourMatrix.RGB, full_range=True)
    return FrameBatch((3, 4), (0, 1), Fraction(1, 25), (planes[0], planes[1], planes[2]), rgb)


def scores(
    name: str, settings: Settings, traits: NetworkTraits, output: SegmentationOutput = OUTPUT
) -> Array:
    scorer = load_scorer({name: 1.0}, settings, traits)
    return np.stack([one.scores for one in scorer.score(batch(), output)]).astype(np.float64)


def with_text(settings: Settings, **changes: str | None) -> Settings:
    return replace(settings, text=replace(settings.text, **changes))  # type: ignore[arg-type]  # texts all


def array(tensor: Tensor) -> Array:
    return tensor.double().numpy()


def softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


def enlarged(maps: Array, height: int, width: int, *, align_corners: bool) -> Array:
    """Enlarge (N, K, h, w) place by place."""
    result = np.empty((*maps.shape[:2], height, width))
    for row in range(height):
        for column in range(width):
            y, x = (
                at * (old - 1) / (new - 1) if align_corners else (at + 0.5) * old / new - 0.5
                for at, old, new in ((row, maps.shape[2], height), (column, maps.shape[3], width))
            )
            result[:, :, row, column] = between(maps, max(y, 0.0), max(x, 0.0))
    return result


def between(maps: Array, y: float, x: float) -> Array:
    top, left = int(y), int(x)
    bottom, right = min(top + 1, maps.shape[2] - 1), min(left + 1, maps.shape[3] - 1)
    down, across = y - top, x - left
    above = (1 - across) * maps[:, :, top, left] + across * maps[:, :, top, right]
    below = (1 - across) * maps[:, :, bottom, left] + across * maps[:, :, bottom, right]
    return np.asarray((1 - down) * above + down * below)


def blended(s: Array, t: Array, extras: Array | None) -> Array:
    """The formula of MMRAS."""
    highest, mixed = s.max(1), (ALPHA * s + (1 - ALPHA) * t).max(1)
    if extras is not None:
        highest, mixed = (np.maximum(m, extras.max(1)) for m in (highest, mixed))
    return np.asarray(W * (1 - mixed) + (1 - W) * (1 - highest))


def released(vectors: Array) -> Array:
    products = np.einsum("nchw,kc->nkhw", array(OUTPUT.features), vectors)
    return enlarged(products, 6, 9, align_corners=True)


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


OWN = TextSpace(
    "letters",
    "letters",
    torch.randn(12, 24, generator=SEED),
    torch.nn.functional.normalize(torch.randn(3, 12, generator=SEED), dim=1),
    20.0,
)
READING = replace(PIXELS, text=OWN)
LOGITS = SegmentationOutput(OUTPUT.class_scores, OUTPUT.features)


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """No CLIP is on this machine, and the encoder of the network's own words is."""
    monkeypatch.setattr(text, "is_here", lambda _name: False)
    monkeypatch.setattr(text, "load_encoder", lambda _name: LetterEncoder())


def own_text(vectors: Array) -> Array:
    """Classify every place of the features by the nearest words, one at a time."""
    shares = np.empty((2, 3, 3, 4))
    for n, y, x in np.ndindex(2, 3, 4):
        embedding = array(OWN.projection) @ array(OUTPUT.features)[n, :, y, x]
        powers = np.exp(20 * vectors @ embedding / np.linalg.norm(embedding))
        shares[n, :, y, x] = powers / powers.sum()
    return enlarged(shares, 6, 9, align_corners=False)


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize("clip", ["auto", "none"])
def test_mmras_aligned_blends_with_the_networks_own_words(settings: Settings, clip: str) -> None:
    wanted = blended(softmax(array(OUTPUT.class_scores)), own_text(array(OWN.class_vectors)), None)
    seen = scores("mmras_aligned", with_text(settings, clip=clip), READING, LOGITS)
    np.testing.assert_allclose(seen, wanted, atol=2e-5)


@pytest.mark.usefixtures("reader")
def test_mmras_multiplies_the_networks_own_words_unnormalised(settings: Settings) -> None:
    vectors = array(OWN.class_vectors) @ array(OWN.projection)
    wanted = blended(softmax(array(OUTPUT.class_scores)), released(vectors), None)
    seen = scores("mmras", with_text(settings, clip="auto"), READING, LOGITS)
    np.testing.assert_allclose(seen, wanted, atol=2e-5)


@pytest.mark.usefixtures("reader")
def test_other_words_for_the_classes_are_embedded_by_the_same_encoder(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "words.txt").write_text("tarmac\nautomobile\nheaven\n")
    (tmp_path / "one.txt").write_text("{}\n")
    other = with_text(
        settings,
        clip="none",
        classes=str(tmp_path / "words.txt"),
        templates=str(tmp_path / "one.txt"),
    )
    vectors = array(LetterEncoder().encode_text(["tarmac", "automobile", "heaven"]))
    wanted = blended(softmax(array(OUTPUT.class_scores)), own_text(vectors), None)
    seen = scores("mmras_aligned", other, READING, LOGITS)
    np.testing.assert_allclose(seen, wanted, atol=2e-5)


@pytest.mark.usefixtures("reader")
def test_an_encoder_that_the_network_was_not_taught_with_is_refused(settings: Settings) -> None:
    strange = replace(PIXELS, text=replace(OWN, identity="another"))
    asked = with_text(settings, clip="none", classes="cityscapes", obstacles="obstacles")
    with pytest.raises(CheckpointError, match="taught the words of another letters than is inst"):
        load_namers(replace(asked, text=replace(asked.text, name_things=True)), strange)


@pytest.mark.parametrize(
    ("clip", "here", "traits", "aligned", "released"),
    [
        ("auto", False, READING, "own", "own"),
        ("auto", True, READING, "RN50", "own"),
        ("auto", False, PIXELS, "RN50", "RN50"),
        ("none", True, READING, "own", "own"),
        ("ViT-B-32", False, READING, "ViT-B-32", "ViT-B-32"),
    ],
)
def test_what_is_named_wins_then_clip_that_is_here_then_the_networks_own(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    clip: str,
    here: bool,  # noqa: FBT001 - a parameter of the test
    traits: NetworkTraits,
    aligned: str,
    released: str,
) -> None:
    monkeypatch.setattr(text, "is_here", lambda _name: here)
    asked: list[str] = []

    def note(name: str, **_: object) -> object:
        asked.append(name)
        raise CheckpointError("not needed to tell which")

    monkeypatch.setattr(text, "load_clip", note)
    chosen = with_text(settings, clip=clip)
    for choose, wanted in ((chosen_branch, aligned), (feature_branch, released)):
        if wanted == "own":
            assert choose(chosen, traits) is OWN
        else:
            with pytest.raises(CheckpointError, match="not needed"):
                choose(chosen, traits)
            assert asked[-1] == wanted


def test_a_network_that_knows_no_words_says_so(settings: Settings) -> None:
    for score in ("mmras", "mmras_aligned"):
        with pytest.raises(SettingsError, match="weights know no words; name a CLIP model"):
            scores(score, with_text(settings, clip="none"), PIXELS)


@pytest.mark.usefixtures("reader")
def test_a_run_says_by_what_image_and_text_were_compared(settings: Settings, folder: Path) -> None:
    own = with_text(settings, clip="auto")
    assert branch_used(own, ["outlier", "mmras_aligned"], READING) == "letters in the weights"
    assert branch_used(own, ["mmras"], READING) == "letters in the weights"
    assert branch_used(own, ["outlier"], READING) == ""
    named = replace(own, text=replace(own.text, name_things=True))
    assert branch_used(named, ["outlier"], READING) == "letters in the weights"
    assert branch_used(settings, ["mmras_aligned"], READING) == str(folder)
    file = with_text(settings, vectors="some.npy")
    assert branch_used(file, ["mmras"], READING) == ""
