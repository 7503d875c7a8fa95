"""Where the results of a drive go."""

from __future__ import annotations

import glob
import os
import shutil
import unicodedata
from collections.abc import Collection, Iterator
from pathlib import Path

from mmras_stream.atomic import partial_path, reported
from mmras_stream.errors import OutputError

_RESULTS = (
    "overlay.mp4",
    "proposals.coco.json",
    "keyframes.coco.json",
    "timeline.parquet",
    "timeline.csv",
    "run.json",
)
"""Files that a run makes in the folder of its drive."""

_FRAMES = "frames"
"""Folder beside them, of pictures named by frame number."""

_UNFINISHED = partial_path(Path("*")).name

_LONGEST = 200
"""Bytes of a name; file systems take 255."""

_UNSAFE = frozenset('/\\:*?"<>|')
"""Separators, and what other systems refuse in a name."""


def drive_name(path: Path | str, taken: Collection[str]) -> str:
    """Return a name for the folder of a drive: that of its file, made safe and unique.

    >>> drive_name("trips/monday.mp4", taken=())
    'monday'
    >>> drive_name("trips/monday.mp4", taken=["monday"])
    'trips-monday'
    >>> drive_name("...mp4", taken=())
    'drive'

    Args:
        path: Of a video, or of a folder or pattern of pictures.
        taken: Names that are in use, in whatever case.
    """
    used = {name.casefold() for name in taken}
    return next(name for name in _candidates(Path(path)) if name.casefold() not in used)


def prepare_folder(out: Path, drive: str, *, overwrite: bool) -> Path:
    """Make the folder of a drive and return it; what a killed run left half done goes.

    Args:
        out: Folder of all drives; made if missing.
        drive: From `drive_name`.
        overwrite: Delete the results of an earlier run; other files stay in any case.

    Raises:
        OutputError: it cannot be written to, or holds results and `overwrite` is not given.
    """
    folder = out / drive
    with reported(folder):
        folder.mkdir(parents=True, exist_ok=True)
        earlier = list(_results(folder))
        if earlier and not overwrite:
            raise OutputError(
                f"{folder} already holds results ({earlier[0].name}); "
                "give --overwrite or another --out"
            )
        # permission bits say too little: there are quotas, read-only mounts and root
        partial_path(folder / "write").touch()
        for path in (*earlier, *folder.glob(_UNFINISHED)):
            _delete(path)
    return folder


def _candidates(path: Path) -> Iterator[str]:
    if glob.has_magic(path.name) and not os.path.exists(path):  # noqa: PTH110 - never raises
        path = path.parent  # a pattern of pictures is named after their folder
    if path.name in ("", "..") or path == Path():
        path = path.resolve()
    stem = _safe(path.name if os.path.isdir(path) else path.stem)  # noqa: PTH112 - never raises
    yield stem
    parent = _safe(path.absolute().parent.name)
    yield _shortened(f"{parent}-{stem}", _LONGEST)
    number = 2
    while True:
        suffix = f"-{number}"
        yield _shortened(stem, _LONGEST - len(suffix)) + suffix
        number += 1


def _safe(name: str) -> str:
    """Return a name that is a plain, visible entry of a folder on every system."""
    composed = unicodedata.normalize("NFC", name)
    plain = "".join(c if c.isprintable() and c not in _UNSAFE else "_" for c in composed)
    return _shortened(plain.strip(". "), _LONGEST) or "drive"


def _shortened(name: str, length: int) -> str:
    return name.encode("utf-8")[:length].decode("utf-8", errors="ignore")


def _results(folder: Path) -> Iterator[Path]:
    yield from (folder / name for name in _RESULTS if (folder / name).exists())
    yield from sorted((folder / _FRAMES).glob("[0-9]*.jpg"))


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
