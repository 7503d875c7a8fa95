"""What lies in a weights file, whichever program wrote it."""

from __future__ import annotations

import re
import tarfile
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from mmras_stream.errors import CheckpointError
from mmras_stream.models.carded import FORMAT_KEY, read_metadata, read_tensors
from mmras_stream.models.unpickling import load_arrays, refused

ZIP = b"PK\x03\x04"
PICKLE = b"\x80"
LEGACY_PYTORCH = b"l\xfc\x9cF\xf9 j\xa8P\x19"
"""The number with which PyTorch before 1.6 begins its pickles."""

BEGINNING = 512
"""Bytes that tell what a file is."""

BLOCKED_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")
"""How PyTorch names what it refuses."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredState:
    """The content of a weights file."""

    entries: Mapping[str, object]
    """As stored: tensors by name, perhaps wrapped, beside whatever else a program keeps."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Of a safetensors file."""


def read_state(path: Path) -> StoredState:
    """Read `.safetensors`, PyTorch's `.pth` and detectron2's `.pkl`; the content tells which.

    Nothing in the file is executed.

    Raises:
        CheckpointError: it is missing, damaged, no weights file, or would run something.
    """
    beginning = _beginning(path)
    if _is_safetensors(beginning):
        return StoredState(read_tensors(path), read_metadata(path))
    if beginning.startswith(ZIP) and _ends_early(path):
        raise CheckpointError(f"cannot read {path} as weights: it ends early; fetch it again")
    if beginning.startswith(ZIP) or LEGACY_PYTORCH in beginning[:64]:
        stored = _load_pytorch(path)
    elif beginning.startswith(PICKLE):
        stored = load_arrays(path)
    else:
        raise CheckpointError(f"cannot read {path} as weights: {_strange(path, beginning)}")
    if not isinstance(stored, Mapping):
        raise CheckpointError(
            f"{path} holds no weights by name but a {type(stored).__name__}; "
            "save model.state_dict() instead"
        )
    return StoredState({str(name): value for name, value in stored.items()})


def read_format(path: Path) -> str | None:
    """Return which of this program's formats a file is in, None where another program wrote it.

    Raises:
        CheckpointError: it is missing or damaged.
    """
    return read_metadata(path).get(FORMAT_KEY) if _is_safetensors(_beginning(path)) else None


def _is_safetensors(beginning: bytes) -> bool:
    return beginning[8:9] == b"{"  # after eight bytes of length, JSON


def _beginning(path: Path) -> bytes:
    if path.is_dir():
        raise CheckpointError(f"cannot read {path} as weights: it is a folder; give a file in it")
    try:
        with path.open("rb") as file:
            return file.read(BEGINNING)
    except OSError as error:
        raise CheckpointError(f"cannot read {path} as weights: {error.strerror}") from error


def _ends_early(archive: Path) -> bool:
    try:
        return not zipfile.is_zipfile(archive)  # its table of contents is its end
    except zipfile.BadZipFile:
        return True


def _load_pytorch(path: Path) -> object:
    try:
        with warnings.catch_warnings(action="ignore"):  # of unusual but readable protocols
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or forged checkpoint fails in any way at all
        blocked = BLOCKED_GLOBAL.search(str(error))
        if blocked:
            raise refused(path, blocked[1]) from error
        first = str(error).strip().split("\n", 1)[0].split(". ", 1)[0]
        raise CheckpointError(
            f"cannot read {path} as a PyTorch checkpoint: {first}; is it whole? fetch it again"
        ) from error


def _strange(path: Path, beginning: bytes) -> str:
    if not beginning:
        return "the file is empty"
    if beginning.startswith(b"version https://git-lfs"):
        return "it only points to a file in Git LFS; run 'git lfs pull' beside it"
    if beginning.lstrip()[:5].lower() in (b"<!doc", b"<html"):
        return "it is a web page, perhaps one that asks to confirm the download; open it and see"
    if tarfile.is_tarfile(path):
        return (
            "PyTorch's tar format cannot be read safely; load and save it again with PyTorch 1.6 "
            "or newer"
        )
    return (
        "it is neither safetensors nor a PyTorch checkpoint nor a pickle of arrays, "
        f"it begins with {beginning[:8]!r}"
    )
