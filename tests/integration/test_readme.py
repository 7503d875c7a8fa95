"""The README is run, not trusted."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mmras_cli.main import app
from mmras_stream.settings import load

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
COMMANDS = [
    line.removeprefix("$ mmras-stream ")
    for kind, body in BLOCKS
    if kind == "console"
    for line in body.splitlines()
    if line.startswith("$ mmras-stream ")
]


@pytest.fixture(autouse=True)
def _in_a_folder_with_the_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "drive.mp4").symlink_to(ROOT / "samples" / "drive.mp4")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("code", [body for kind, body in BLOCKS if kind == "python"])
def test_python_block_runs(code: str) -> None:
    exec(compile(code, str(README), "exec"), {})


@pytest.mark.parametrize("text", [body for kind, body in BLOCKS if kind == "toml"])
def test_settings_are_understood(text: str) -> None:
    Path("run.toml").write_text(text)
    load(Path("run.toml"))


@pytest.mark.parametrize("command", COMMANDS)
def test_command_runs(command: str) -> None:
    result = CliRunner().invoke(app, shlex.split(command))
    assert result.exit_code == 0, result.output


def test_pictures_and_files_that_are_named_exist() -> None:
    text = README.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(((?!http)[^)#]+)\)", text):
        assert (ROOT / target).exists(), target
