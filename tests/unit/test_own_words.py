from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from letter_encoder import LetterEncoder
from mmras_stream.errors import CheckpointError, SettingsError
from mmras_stream.inference import text
from mmras_stream.inference.naming import load_namers
from mmras_stream.inference.text import (
    branch_used,
    chosen_branch,
    feature_branch,
)
from mmras_stream.settings import ModelSettings, ScoreSettings, Settings, TextSettings
from mmras_stream.types import (
    NetworkTraits,
    SegmentationOutput,
    TextSpace,
)
from slow_text_scores import (
    ALPHA,
    OUTPUT,
    PIXELS,
    SEED,
    Array,
    W,
    array,
    blended,
    enlarged,
    released,
    scores,
    softmax,
    with_text,
)
from small_clip import RESNET, write_clip

OWN = TextSpace(
    "letters",
    "letters",
    torch.randn(12, 24, generator=SEED),
    torch.nn.functional.normalize(torch.randn(3, 12, generator=SEED), dim=1),
    20.0,
)
READING = replace(PIXELS, text=OWN)
LOGITS = SegmentationOutput(OUTPUT.class_scores, OUTPUT.features)


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
