"""Real drives, measured whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from commands import annotate
from mmras_cli.main import app

pytestmark = pytest.mark.footage


def test_what_is_proposed_among_cows_is_perfect_if_taken_for_the_truth(
    footage: Path, tmp_path: Path
) -> None:
    drive, config = footage / "cattle_day.mp4", tmp_path / "short.toml"
    config.write_text("[video]\nend_seconds = 1.5\n")
    annotate(drive, "--config", config, "--out", tmp_path, "--exporters", "coco", "--quiet")
    labels = tmp_path / "cattle_day" / "proposals.coco.json"
    command = ["evaluate", drive, "--video", "--gt", labels, "--config", config, "--json"]
    result = CliRunner().invoke(app, [str(part) for part in command])
    assert result.exit_code == 0, result.output
    (whole,) = json.loads(result.stdout)["whole"].values()
    assert whole["things"] >= 1
    assert (whole["recall"], whole["mota"], whole["flips"]) == (1.0, 1.0, 0)
    assert whole["average_precision"] > 0.8
