from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clips import Clip, write
from commands import SAMPLE, annotate
from mmras_cli.main import app

SMALL = ("--input-width", "128")


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("camera")
    drive = write(folder / "grey.mp4", Clip(frames=30))
    command = ["calibrate", str(drive), "--out", str(folder / "camera.json"), *SMALL]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "false tracks an hour" in result.stdout
    return folder / "camera.json"


def test_a_drive_is_annotated_with_the_threshold_of_its_camera(
    camera: Path, tmp_path: Path
) -> None:
    options = ("--calibration", camera, "--end", "0.4", "--quiet", *SMALL)
    annotate(SAMPLE, "--out", tmp_path, *options)
    report = json.loads((tmp_path / "drive" / "run.json").read_text())
    assert report["threshold"] == json.loads(camera.read_text())["threshold"]


def test_a_calibration_of_another_size_is_refused(camera: Path, tmp_path: Path) -> None:
    command = ["annotate", str(SAMPLE), "--out", str(tmp_path), "--calibration", str(camera)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert "made with model.input_width = 128, this run has the default" in result.stderr


def test_a_drive_that_is_not_there_is_named(tmp_path: Path) -> None:
    command = ["calibrate", str(tmp_path / "x.mp4"), "--out", str(tmp_path / "camera.json")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert "x.mp4" in result.stderr
    assert not (tmp_path / "camera.json").exists()
