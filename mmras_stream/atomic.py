"""Files appear under their name only when they are whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmras_stream.errors import OutputError


def partial_path(path: Path) -> Path:
    """Return the hidden name under which a file or folder is written first.

    >>> partial_path(Path("out/overlay.mp4")).name
    '.overlay.mp4.part'
    """
    return path.with_name(f".{path.name}.part")


def publish(path: Path) -> None:
    """Give what was written under the partial name its own, replacing what had it."""
    with reported(path):
        if path.is_dir():
            shutil.rmtree(path)
        os.replace(partial_path(path), path)  # noqa: PTH105 - atomic, and says so


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """Turn an error of the operating system into ours, with the path and the reason."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"cannot write {path}: {reason}; free some space or choose another --out"
        ) from error
