"""Published weights that this program knows of."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from mmras_stream.cache import cache_folder
from mmras_stream.errors import CheckpointError, DownloadError

WEIGHTS_SUFFIXES = (".safetensors", ".pth", ".pkl")

DRIVE_HOSTS = ("drive.google.com", "docs.google.com")
DRIVE_DOWNLOAD = "https://drive.usercontent.google.com/download?export=download&id="


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file to fetch."""

    name: str
    """Under which it is kept."""
    url: str
    sha256: str | None = None
    """As the publisher gives it; None where he does not."""


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """Weights that somebody published."""

    name: str
    network: str
    data: str
    """It was trained on."""
    score: str
    """As published."""
    page: str
    """Where a person finds it."""
    files: tuple[RemoteFile, ...] = ()
    """Empty where it has to be fetched by hand."""
    size_bytes: int | None = None


def published_models(path: Path | None = None) -> dict[str, PublishedModel]:
    """Return what is known, by name.

    Args:
        path: A TOML file in place of the one that comes with the program.
    """
    source = path or files("mmras_stream") / "assets" / "zoo.toml"
    entries = tomllib.loads(source.read_text(encoding="utf-8"))
    return {name: _model(name, values) for name, values in entries.items()}


def published_model(name: str, known: Mapping[str, PublishedModel]) -> PublishedModel:
    """Return the model of a name, or the one file at a URL.

    Raises:
        DownloadError: nothing is known of that name.
    """
    if "://" in name:
        return _at_url(name)
    if name not in known:
        guess = get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean {guess[0]!r}?" if guess else f"known: {', '.join(known)}"
        raise DownloadError(f"no published model called {name!r}; {hint}")
    return known[name]


def model_folder(model: PublishedModel) -> Path:
    """Return where in the cache a model lies, or will."""
    return cache_folder() / "models" / model.name


def is_cached(model: PublishedModel) -> bool:
    """Tell whether all files of a model are in the cache."""
    folder = model_folder(model)
    return bool(model.files) and all((folder / file.name).is_file() for file in model.files)


def find_weights(name: str) -> Path:
    """Return the file that a user means by a path, or by the name of a model in the cache.

    Raises:
        CheckpointError: there is no such file, or the model has not been downloaded.
    """
    path, known = Path(name), published_models()
    if path.exists():
        return path
    if name not in known:
        guess = get_close_matches(name, known, n=1, cutoff=0.7)
        hint = f"; did you mean {guess[0]!r}?" if guess else ""
        raise CheckpointError(
            f"no weights at {name}, and 'mmras-stream models list' knows no such name{hint}"
        )
    model = known[name]
    folder = downloaded_folder(model)
    (weights,) = (file.name for file in model.files if file.name.endswith(WEIGHTS_SUFFIXES))
    return folder / weights


def downloaded_folder(model: PublishedModel) -> Path:
    """Return where the files of a model lie.

    Raises:
        CheckpointError: it has not been downloaded.
    """
    if not model.files:
        raise CheckpointError(
            f"{model.name} has to be fetched by hand from {model.page}; give the path of its file"
        )
    if not is_cached(model):
        raise CheckpointError(
            f"{model.name} is not here yet; run 'mmras-stream models download {model.name}'"
        )
    return model_folder(model)


def _model(name: str, values: dict[str, Any]) -> PublishedModel:  # Any: TOML values
    base, hashes = values.pop("base", ""), values.pop("sha256", {})
    names = values.pop("files", [])
    remote = tuple(RemoteFile(file, base + file, hashes.get(file)) for file in names)
    return PublishedModel(name=name, files=remote, **values)


def _at_url(url: str) -> PublishedModel:
    """Take a link as it stands in a browser, Google Drive's included.

    >>> _at_url("https://drive.google.com/file/d/1AbC/view?usp=sharing").files[0].name
    '1AbC.pth'
    """
    parts = urlsplit(url)
    name = PurePosixPath(unquote(parts.path)).name
    if parts.hostname in DRIVE_HOSTS:
        identity = _drive_id(url)
        name, url = f"{identity}.pth", DRIVE_DOWNLOAD + identity
    if name.startswith(".") or not name:
        raise DownloadError(f"{url} names no file; give the link of the file itself")
    remote = RemoteFile(name, url)
    stem = PurePosixPath(name).stem
    return PublishedModel(stem, "unknown", "unknown", "unknown", url, (remote,))


def _drive_id(url: str) -> str:
    parts = urlsplit(url)
    path = PurePosixPath(parts.path).parts
    if "folders" in path:
        raise DownloadError(f"{url} is a folder; open it and give the link of a file in it")
    if "d" in path[:-1]:
        return path[path.index("d") + 1]
    if identity := parse_qs(parts.query).get("id"):
        return identity[0]
    raise DownloadError(f"{url} names no file on Google Drive; its link looks like .../file/d/ID")
