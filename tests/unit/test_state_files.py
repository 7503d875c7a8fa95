from __future__ import annotations

import os
import pickle
import tarfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from mmras_stream.errors import CheckpointError
from mmras_stream.models.published import load_mmras


class Attack:
    """A pickle that leaves a mark when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self._mark}'",)


@pytest.mark.parametrize("kind", ["pkl", "pth", "legacy.pth"])
def test_a_file_that_would_run_something_is_refused_and_runs_nothing(
    kind: str, tmp_path: Path
) -> None:
    mark, path = tmp_path / "mark", tmp_path / f"evil.{kind}"
    content = {"model": {"backbone.stem.conv1.weight": Attack(mark)}}
    if kind == "pkl":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=kind == "pth")
    with pytest.raises(CheckpointError, match=r"is refused: it asks for (posix|nt)\.system"):
        load_mmras(path)
    assert not mark.exists()
    if kind == "pkl":
        pickle.loads(path.read_bytes())
        assert mark.exists(), "the attack would work where it is let in"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"dear diary, today", "it is neither safetensors nor a PyTorch checkpoint"),
        (b"<!DOCTYPE html><title>Google Drive", "it is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "run 'git lfs pull'"),
        (b"\x80\x04\x95", "as a pickle of arrays: .*is it whole"),
        (b"PK\x03\x04" + bytes(100), "it ends early"),
        (pickle.dumps([1, 2]), "holds no weights by name but a list"),
        (pickle.dumps({"epoch": 3, "loss": 0.5}), "holds no weights; its entries are epoch, loss"),
    ],
)
def test_files_that_hold_no_weights_are_told_apart(
    content: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as failure:
        load_mmras(path)
    assert "\n" not in str(failure.value)


def test_folders_and_absent_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="it is a folder"):
        load_mmras(tmp_path)
    with pytest.raises(CheckpointError, match=r"cannot read .*x.pth as weights: No such file"):
        load_mmras(tmp_path / "x.pth")


@pytest.mark.parametrize("share", [0.2, 0.7, 0.98])
@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle", "safetensors"])
def test_truncated_files_are_refused_in_one_line(kind: str, share: float, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    tensors = {f"entry {number}": torch.randn(50) for number in range(20)}
    if kind == "pickle":
        path.write_bytes(pickle.dumps({name: value.numpy() for name, value in tensors.items()}))
    elif kind == "safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path, _use_new_zipfile_serialization=kind == "zip")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(CheckpointError, match="cannot read") as failure:
        load_mmras(path)
    assert "\n" not in str(failure.value)


def test_pytorchs_tar_format_is_named(tmp_path: Path) -> None:
    path, part = tmp_path / "w.pth", tmp_path / "tensors"
    part.write_bytes(b"x" * 100)
    with tarfile.open(path, "w") as archive:
        archive.add(part, "tensors")
    with pytest.raises(CheckpointError, match="tar format cannot be read safely"):
        load_mmras(path)


def test_containers_of_a_checkpoint_may_hold_themselves(tmp_path: Path) -> None:
    circle: OrderedDict[str, Any] = OrderedDict(epoch=1)
    circle["model"] = circle
    path = tmp_path / "w.pkl"
    path.write_bytes(pickle.dumps(circle))
    with pytest.raises(CheckpointError, match="holds no weights; its entries are epoch, model"):
        load_mmras(path)
