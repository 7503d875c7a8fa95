from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from mmras_stream.errors import CheckpointError, OutputError, SettingsError
from mmras_stream.models.clip import Clip, load_clip
from mmras_stream.models.mmras import CITYSCAPES
from mmras_stream.models.text import (
    TEMPLATES,
    TextEmbeddings,
    embed_words,
    load_templates,
    read_vectors,
    save_embeddings,
)
from mmras_stream.models.vocabulary import Vocabulary, make_vocabulary
from small_clip import VIT, random_state, write_clip

PUBLISHED = Path(__file__).parents[2].parent / "shared" / "parity" / "city_RN50_clip_text.npy"
WORDS = make_vocabulary([("cow", ()), ("tyre", ("lost tyre", "piece of a tyre")), ("汽车", ())])
TWO = ("a photo of a {}.", "{} on the road")


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    return load_clip(str(write_clip(tmp_path / "clip", VIT)))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MMRAS_STREAM_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "text"


def blind(clip: Clip) -> Clip:
    """Return the same model, of which the weights are gone."""
    source = replace(clip.source, weights=Path("gone.safetensors"))
    return Clip(source, device=torch.device("cpu"), precision=torch.float32)


def slowly(vocabulary: Vocabulary, templates: tuple[str, ...]) -> Tensor:
    model = open_clip.CLIP(**VIT)
    model.load_state_dict(random_state(VIT))
    rows = []
    for phrases in vocabulary.phrases:
        total = np.zeros(24)
        for phrase in phrases:
            for template in templates:
                tokens = open_clip.tokenize([template.format(phrase)])
                vector = model.eval().encode_text(tokens)[0].double().detach().numpy()
                total += vector / np.linalg.norm(vector)
        mean = total / (len(phrases) * len(templates))
        rows.append(mean / np.linalg.norm(mean))
    return torch.from_numpy(np.stack(rows)).float()


def test_a_word_is_the_mean_direction_of_its_phrases_in_all_templates(
    clip: Clip, cache: Path
) -> None:
    text = embed_words(WORDS, clip, templates=TWO)
    assert text.words == WORDS.words
    assert text.vectors.dtype == torch.float32
    assert text.logit_scale == pytest.approx(1 / 0.07)
    assert text.space == clip.identity
    torch.testing.assert_close(text.vectors, slowly(WORDS, TWO), atol=1e-6, rtol=1e-5)
    assert [path.name for path in cache.iterdir()] == [f"{text.identity}.safetensors"]


def test_the_templates_that_come_with_the_library_name_the_word_once_each() -> None:
    assert "a photo of a {}." in TEMPLATES
    assert 8 <= len(TEMPLATES) == len(set(TEMPLATES))
    assert all(template.count("{}") == 1 for template in TEMPLATES)


@pytest.mark.usefixtures("cache")
def test_cached_text_needs_no_weights(clip: Clip) -> None:
    first = embed_words(WORDS, clip)
    second = embed_words(WORDS, blind(clip))
    assert torch.equal(first.vectors, second.vectors)
    assert (first.words, first.identity, first.space, first.logit_scale) == (
        second.words,
        second.identity,
        second.space,
        second.logit_scale,
    )


@pytest.mark.usefixtures("cache")
def test_another_model_template_word_or_phrase_is_embedded_anew(clip: Clip) -> None:
    known = {embed_words(WORDS, clip, templates=TWO).identity}
    other = Clip(
        replace(clip.source, identity="other"), device=torch.device("cpu"), precision=torch.float32
    )
    said = make_vocabulary([("cow", ("tyre",)), ("汽车", ())])
    for vocabulary, model, templates in (
        (WORDS, other, TWO),
        (WORDS, clip, TWO[::-1]),
        (make_vocabulary([("cow", ()), ("tyre", ()), ("汽车", ())]), clip, TWO),
        (said, clip, TWO),
        (make_vocabulary([("Cow", ("tyre",)), ("汽车", ())]), clip, TWO),
    ):
        text = embed_words(vocabulary, model, templates=templates)
        assert text.identity not in known
        assert text.words == vocabulary.words
        known.add(text.identity)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-10] ^= 1
    path.write_bytes(data)


def change_a_word(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"tyre", b"tire"))


def replace_by_another(path: Path) -> None:
    save_file({"other": torch.zeros(2)}, path)


@pytest.mark.parametrize("damage", [truncate, flip_a_bit, change_a_word, replace_by_another])
def test_a_damaged_cache_file_is_made_again(clip: Clip, cache: Path, damage: object) -> None:
    first = embed_words(WORDS, clip, templates=TWO)
    assert callable(damage)
    damage(cache / f"{first.identity}.safetensors")
    for model in (clip, blind(clip)):
        again = embed_words(WORDS, model, templates=TWO)
        assert again.words == WORDS.words
        assert torch.equal(again.vectors, first.vectors)


def test_a_cache_that_cannot_be_written_is_a_warning(
    clip: Clip, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING):
        text = embed_words(WORDS, clip, templates=TWO, folder=tmp_path / "file" / "text")
    assert len(text.vectors) == 3
    assert "text embeddings are not kept: cannot write" in caplog.text


def test_templates_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "templates.txt").write_text("# of my own\na photo of a {}.\n{} in fog  # rare\n")
    assert load_templates(tmp_path / "templates.txt") == ("a photo of a {}.", "{} in fog")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there are no templates; give one such as 'a photo of a {}.'"),
        ("a photo", "template 'a photo' has 0 places for the word; it needs exactly one {}"),
        ("{} and {}", "template '{} and {}' has 2 places for the word"),
    ],
)
def test_a_template_needs_one_place_for_the_word(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "templates.txt").write_text(text)
    with pytest.raises(SettingsError) as failure:
        load_templates(tmp_path / "templates.txt")
    assert message in str(failure.value)


@pytest.mark.usefixtures("cache")
def test_braces_in_words_and_templates_are_only_braces(clip: Clip) -> None:
    odd = make_vocabulary([("{0.__class__}", ())])
    text = embed_words(odd, clip, templates=("{x} {}",))
    expected = clip.encode_text(["{x} {0.__class__}"])
    torch.testing.assert_close(text.vectors, expected)


def embeddings(words: tuple[str, ...] = ("a", "b")) -> TextEmbeddings:
    vectors = torch.nn.functional.normalize(torch.randn(len(words), 4), dim=1)
    return TextEmbeddings(words, vectors, "identity", "space", 100.0)


def test_written_embeddings_are_read_as_vectors_for_the_same_classes(tmp_path: Path) -> None:
    path, text = tmp_path / "new" / "text.safetensors", embeddings()
    save_embeddings(path, text)
    assert torch.equal(read_vectors(path, ["a", "b"]), text.vectors)
    assert load_file(path).keys() == {"vectors"}
    with pytest.raises(CheckpointError, match="row 1 is 'b', but class 1 is 'c'"):
        read_vectors(path, ["a", "c"])
    flip_a_bit(path)
    with pytest.raises(CheckpointError, match=r"text.safetensors is damaged"):
        read_vectors(path, ["a", "b"])


def test_embeddings_that_cannot_be_written_are_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot write .*text.safetensors: "):
        save_embeddings(tmp_path / "file" / "text.safetensors", embeddings())


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "f8", "f2"])
def test_numpy_matrices_are_read_as_they_are(tmp_path: Path, dtype: str) -> None:
    matrix = np.linspace(-3, 3, 8).reshape(2, 4).astype(dtype)
    np.save(tmp_path / "text.npy", matrix)
    got = read_vectors(tmp_path / "text.npy", ["a", "b"])
    assert got.dtype == torch.float32
    np.testing.assert_array_equal(got.numpy(), matrix.astype(np.float32))


@pytest.mark.skipif(not PUBLISHED.is_file(), reason=f"no {PUBLISHED.name} beside the checkout")
def test_the_published_matrix_is_read() -> None:
    assert read_vectors(PUBLISHED, CITYSCAPES).shape == (19, 1024)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.zeros((3, 4)), r"has 3 rows, but there are 2 classes"),
        (np.zeros((2, 4), int), r"holds int64 \(2, 4\); text vectors are floats"),
        (np.zeros(2), r"holds float64 \(2,\); text vectors are floats \(classes, width\)"),
        (np.zeros((2, 0)), r"holds float64 \(2, 0\)"),
        (np.array([[1, 2], [np.nan, 1]]), r"row 1 \(b\) is not finite"),
        (np.array([[1e300, 2], [3, 1]]), r"row 0 \(a\) is not finite"),
        (np.array([["x", "y"]]), r"holds no matrix of numbers"),
        (np.array([[{}]]), r"cannot read .*text.npy: Array can't be memory-mapped"),
    ],
)
def test_matrices_that_cannot_be_text_are_refused(
    tmp_path: Path, matrix: np.ndarray[tuple[int, ...], np.dtype[np.generic]], message: str
) -> None:
    np.save(tmp_path / "text.npy", matrix)
    with pytest.raises(CheckpointError, match=message):
        read_vectors(tmp_path / "text.npy", ["a", "b"])


def test_files_that_are_no_matrix_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.npy"
    with pytest.raises(CheckpointError, match=r"no text vectors at .*; give a .npy or .safetens"):
        read_vectors(path, ["a"])
    np.save(path, np.zeros((1, 4)))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=r"cannot read .*text.npy"):
        read_vectors(path, ["a"])
    for content in (b"", b"nonsense"):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"cannot read .*text.npy"):
            read_vectors(path, ["a"])
    with path.open("wb") as file:
        np.savez(file, text=np.zeros((1, 4)))
    with pytest.raises(CheckpointError, match="holds no matrix of numbers"):
        read_vectors(path, ["a"])


def test_a_file_of_several_tensors_is_refused(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1, 2), "b": torch.zeros(1, 2)}, tmp_path / "two.safetensors")
    with pytest.raises(CheckpointError, match=r"holds 2 tensors \(a, b\); it should hold one"):
        read_vectors(tmp_path / "two.safetensors", ["a"])
    (tmp_path / "odd.safetensors").write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match="is it a whole safetensors file"):
        read_vectors(tmp_path / "odd.safetensors", ["a"])
