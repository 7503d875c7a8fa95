"""`mmras-stream models`, as a user types it."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from file_server import content, file_server, status
from mmras_cli.main import app
from mmras_stream.models.carded import digest
from mmras_stream.models.mmras import MmrasConfig, MmrasNetwork


def models(*arguments: object, code: int = 0) -> str:
    """Run `mmras-stream models`, check its exit code and return what it printed."""
    result = CliRunner().invoke(app, ["models", *(str(a) for a in arguments)])
    assert result.exit_code == code, result.output
    return result.stdout


def refused(*arguments: object) -> str:
    """Run a command that must fail with one line, and return the line."""
    result = CliRunner().invoke(app, ["models", *(str(a) for a in arguments)])
    assert result.exit_code == 1, result.output
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stdout == ""
    return result.stderr


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a small network, each entry one number, which costs nothing on disk."""
    config = MmrasConfig(
        classes=("road", "rest"), width=32, queries=5, encoder_layers=1, decoder_layers=1
    )
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in MmrasNetwork(config).state_dict().items()}
    state = {
        name: torch.tensor(0.5).expand(shape)
        for name, shape in shapes.items()
        if not name.endswith("num_batches_tracked")
    }
    path = tmp_path_factory.mktemp("weights") / "small.pth"
    torch.save({"model": state}, path)
    return path


@pytest.mark.parametrize("command", ["list", "info", "verify", "convert", "download"])
def test_the_help_of_each_command_shows_an_example(command: str) -> None:
    assert f"Example: mmras-stream models {command}" in models(command, "--help")


def test_the_list_says_what_is_here_and_where_the_rest_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMRAS_STREAM_HOME", str(tmp_path))
    folder = tmp_path / "models" / "mask2former-r50-cityscapes"
    folder.mkdir(parents=True)
    (folder / "model_final_cc1b1f.pkl").touch()
    rows = {row["name"]: row for row in json.loads(models("list", "--json"))}
    assert rows["embedded"]["here"]
    assert rows["embedded"]["size_bytes"] > 1e6
    assert rows["mask2former-r50-cityscapes"]["here"]
    assert not rows["mask2former-r101-cityscapes"]["here"]
    assert rows["mmras-plus"]["urls"] == []
    table = models("list")
    assert "by hand" in table
    assert all(f"{name}: {row['page']}" in table for name, row in rows.items())


def test_a_checkpoint_is_described_converted_and_verified(tmp_path: Path, checkpoint: Path) -> None:
    facts = json.loads(models("info", checkpoint, "--json"))
    assert facts["format"] == "published"
    assert facts["config"]["classes"] == ["class 0", "class 1"]
    assert facts["dtypes"] == {"float32": facts["entries"]}
    out, names = tmp_path / "small.safetensors", tmp_path / "classes.txt"
    names.write_text("road\nrest\n")
    converted = json.loads(models("convert", checkpoint, out, "--classes", names, "--json"))
    assert converted["sha256"] == facts["sha256"]
    assert converted["config"]["classes"] == ["road", "rest"]
    verified = json.loads(models("verify", out, "--sha256", facts["sha256"], "--json"))
    assert verified["ok"]
    assert verified["file_sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    models("verify", out, "--sha256", verified["file_sha256"].upper())
    assert "is not what was expected" in refused("verify", out, "--sha256", "0" * 64)
    shown = models("info", out)
    assert "mmras-stream mmras 1" in shown
    assert "small.pth" in shown
    assert "ResNet-50, global mask attention" in shown


def test_half_precision_halves_the_file(tmp_path: Path, checkpoint: Path) -> None:
    out = tmp_path / "half.safetensors"
    line = models("convert", checkpoint, out, "--half")
    facts = json.loads(models("info", out, "--json"))
    assert facts["sha256"] in line
    assert facts["dtypes"].keys() == {"float16", "int64"}
    assert facts["size_bytes"] < 2.1 * facts["parameters"]


def test_the_built_in_weights_are_described_and_verified() -> None:
    facts = json.loads(models("info", "embedded", "--json"))
    assert facts["network"] == "compact"
    assert facts["threshold"] is not None
    assert facts["sha256"] in models("verify", "embedded", "--sha256", facts["sha256"])


def test_what_cannot_be_read_is_said_in_one_line(tmp_path: Path, checkpoint: Path) -> None:
    missing = tmp_path / "absent.pth"
    assert "no weights at" in refused("info", missing)
    forged = tmp_path / "forged.pkl"
    forged.write_bytes(pickle.dumps({"model": print}))
    assert "is refused: it asks for builtins.print" in refused("verify", forged)
    line = refused("convert", checkpoint, tmp_path / "no" / "folder.safetensors")
    assert "cannot write" in line
    line = refused("convert", checkpoint, tmp_path / "x.safetensors", "--classes", missing)
    assert "cannot read class names" in line
    (tmp_path / "three.txt").write_text("a\nb\nc\n")
    three = ("--classes", tmp_path / "three.txt")
    line = refused("convert", checkpoint, tmp_path / "x.safetensors", *three)
    assert "3 class names were given for a network of 2 classes" in line
    assert not (tmp_path / "x.safetensors").exists()


def test_a_file_is_downloaded_from_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("MMRAS_STREAM_HOME", str(tmp_path / "home"))
    with file_server() as server:
        server.answers = [content(b"weights"), status(404)]
        (row,) = json.loads(models("download", f"{server.url}/w.pth", "--json"))
        assert row["path"] == str(tmp_path / "home" / "models" / "w" / "w.pth")
        assert Path(row["path"]).read_bytes() == b"weights"
        assert row["trust"] == "first use"
        again = models("download", f"{server.url}/w.pth")
        assert f"sha256 {row['sha256']} (as before)" in again
        line = refused("download", f"{server.url}/w.pth", "--to", tmp_path / "elsewhere")
    assert "404 Not Found" in line
    assert str(tmp_path / "elsewhere" / "w.pth") in line


def test_what_has_to_be_fetched_by_hand_says_where() -> None:
    assert "by hand from https://drive.google.com/drive/folders/" in refused(
        "download", "mmras-plus"
    )
    assert "did you mean 'mmras-plus'?" in refused("download", "mmras-pluss")


def test_ctrl_c_keeps_what_came_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mmras_stream.models import transfer

    def interrupt(*_: Any) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with file_server() as server:
        server.answers = [content(b"0123456789", breaks_at=6), content(b"0123456789")]
        real, calls = transfer._read, []

        def read(response: Any, size: int) -> bytes:
            calls.append(size)
            return real(response, size) if len(calls) == 1 else interrupt()

        monkeypatch.setattr(transfer, "_read", read)
        models("download", f"{server.url}/w.pth", "--to", tmp_path, code=130)
        assert (tmp_path / ".w.pth.part").read_bytes() == b"012345"
        monkeypatch.setattr(transfer, "_read", real)
        models("download", f"{server.url}/w.pth", "--to", tmp_path, "--quiet")
        assert server.ranges == [None, "bytes=6-"]
    assert (tmp_path / "w.pth").read_bytes() == b"0123456789"


def test_the_hash_is_that_of_the_tensors_by_name() -> None:
    tensors = {"b": torch.ones(2, dtype=torch.bfloat16), "a": torch.tensor(3)}
    wanted = hashlib.sha256(b"a torch.int64 ()\n" + (3).to_bytes(8, "little"))
    wanted.update(b"b torch.bfloat16 (2,)\n\x80\x3f\x80\x3f")
    assert digest(tensors) == wanted.hexdigest()
