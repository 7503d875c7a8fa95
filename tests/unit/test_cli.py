from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mmras_cli.main import app

COMMANDS = (
    "annotate",
    "bench",
    "calibrate",
    "compare",
    "doctor",
    "evaluate",
    "insert",
    "models",
    "plugins",
    "probe",
    "text",
    "train",
)


def test_help_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'numpy', 'av', 'cv2', 'pyarrow', 'pycocotools'}"
    code = f"import sys, mmras_cli.main, mmras_stream; print(sorted({heavy} & sys.modules.keys()))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_command_shows_an_example(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert f"mmras-stream {command}" in result.output
    assert "Example:" in result.output


def test_help_lists_every_command() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert all(command in result.output for command in COMMANDS)


def test_an_unknown_option_is_a_usage_error() -> None:
    assert CliRunner().invoke(app, ["annotate", "--colour", "red"]).exit_code == 2
    assert CliRunner().invoke(app, ["annotate", "x.mp4", "--threshold", "low"]).exit_code == 2


@pytest.mark.parametrize(
    "options",
    [("--smoothers", "flow,none"), ("--video", "--smoothers", "flow", "--smoother", "ema")],
)
def test_several_smoothers_are_for_video_and_stand_alone(options: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, ["evaluate", "x.mp4", *options])
    assert result.exit_code == 1
    assert "--smoothers belongs to --video and takes the place of --smoother" in result.stderr


def test_plugins_are_listed_for_people_and_for_programs() -> None:
    rows = json.loads(CliRunner().invoke(app, ["plugins", "--json"]).stdout)
    assert {"decoder", "backend", "scorer", "smoother", "exporter"} <= {row["kind"] for row in rows}
    assert "pyav" in CliRunner().invoke(app, ["plugins"]).stdout


def test_doctor_finds_the_parts_of_a_sound_installation() -> None:
    result = CliRunner().invoke(app, ["doctor", "--json"])
    findings = {row["what"]: row for row in json.loads(result.stdout)}
    assert findings["python"]["state"] == findings["torch"]["state"] == "ok"
    assert findings["embedded weights"]["state"] == "ok"
    assert findings["encoders"]["seen"] == "libx264"
    assert result.exit_code == 0
    assert "embedded weights" in CliRunner().invoke(app, ["doctor"]).stdout


def test_doctor_fails_and_says_what_to_do_when_a_plugin_is_broken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mmras_stream import registry

    def broken() -> list[registry.PluginStatus]:
        return [registry.PluginStatus(registry.Kind.SCORER, "odd", "odd:Odd", "ImportError()")]

    monkeypatch.setattr(registry, "survey", broken)
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert "scorer odd" in result.stdout
    assert "reinstall or remove its package" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["annotate", "absent.mp4"], "absent.mp4"),
        (["annotate", "absent-*.mp4"], "no file matches 'absent-*.mp4'"),
        (["annotate", "x.mp4", "--weights", "w.safetensors"], "no weights at w.safetensors"),
        (["annotate", "x.mp4", "--smoother", "emma"], "did you mean 'ema'"),
        (["annotate", "x.mp4", "--exporters", "cocoa"], "did you mean 'coco'"),
        (["annotate", "x.mp4", "--device", "gpu"], "no device called 'gpu'; try auto, cpu, cuda"),
        (["annotate", "x.mp4", "--stride", "0"], "video.stride must be at least 1, got 0"),
        (["annotate", "x.mp4", "--config", "c.toml"], "cannot read settings c.toml"),
        (["evaluate", "nowhere"], "there is nothing at nowhere"),
        (["probe", "absent.mp4"], "absent.mp4"),
        (["bench", "absent.mp4"], "absent.mp4"),
        (["train", "embeded", "--data", ".", "--out", "w"], "no recipe 'embeded'"),
        (["train", "embedded", "--data", ".", "--out", "w"], "is --data right?"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if "x.mp4" in arguments:
        source = Path(__file__).parents[2] / "samples" / "drive.mp4"
        (tmp_path / "x.mp4").symlink_to(source)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1, result.output
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith("mmras-stream: ")
    assert message in result.stderr
