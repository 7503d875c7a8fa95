"""Fetch published weights, and notice when they are not what they were."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mmras_stream.atomic import partial_path
from mmras_stream.errors import DownloadError
from mmras_stream.models.transfer import Partial, Report, fetch
from mmras_stream.models.zoo import PublishedModel, RemoteFile

RECORD = "sha256.json"
"""Beside the files: what they hashed to when they were fetched first."""


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A file that lies where it was asked for, whole."""

    path: Path
    size_bytes: int
    sha256: str
    """Of the file, not of the tensors in it."""
    trust: Literal["published", "as before", "first use"]
    """What the hash was held against: the publisher's, that of the first download, or nothing."""
    fetched: bool
    """False where it was there already."""


def download(
    model: PublishedModel,
    folder: Path,
    *,
    report: Callable[[RemoteFile], Report],
    sleep: Callable[[float], None] = time.sleep,
) -> list[FetchedFile]:
    """Bring all files of a model into a folder; those that are there are only checked.

    Nothing half or wrong ever lies under a final name. Interrupted, it goes on where it stopped.

    Args:
        model: What to fetch.
        folder: Where to; made if need be.
        report: Called for each file; returns what is told of its progress.
        sleep: Waits so many seconds between attempts.

    Raises:
        DownloadError: it must be fetched by hand, cannot be reached, is not what it was, or
            cannot be written.
    """
    if not model.files:
        raise DownloadError(
            f"{model.name} has to be fetched by hand from {model.page}, or with "
            "'mmras-stream models download LINK' and the link of the file there"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadError(f"cannot write to {folder}: {error.strerror}") from error
    return [_bring(file, folder, report(file), sleep) for file in model.files]


def _bring(
    remote: RemoteFile, folder: Path, report: Report, sleep: Callable[[float], None]
) -> FetchedFile:
    final = folder / remote.name
    record = _read_record(folder)
    expected = remote.sha256 or record.get(remote.name)
    there = final.is_file()
    if not there:
        _fetch_checked(remote, final, expected, report, sleep)
    seen = _file_sha256(final)
    if expected is not None and seen != expected:
        raise DownloadError(
            f"{final} is not what was fetched: it hashes to {seen[:12]}..., not to "
            f"{expected[:12]}...; delete it to fetch it again"
        )
    _write_record(folder, {**record, remote.name: seen})
    if remote.sha256:
        trust: Literal["published", "as before", "first use"] = "published"
    else:
        trust = "as before" if expected else "first use"
    return FetchedFile(final, final.stat().st_size, seen, trust, fetched=not there)


def _fetch_checked(
    remote: RemoteFile,
    final: Path,
    expected: str | None,
    report: Report,
    sleep: Callable[[float], None],
) -> None:
    partial = Partial(partial_path(final))
    try:
        fetch(remote.url, partial, report=report, sleep=sleep)
    except DownloadError as error:
        raise DownloadError(
            f"{error}; or fetch it on another machine and copy it to {final}"
        ) from error
    seen = _file_sha256(partial.path)
    if expected is not None and seen != expected:
        partial.discard()
        raise DownloadError(
            f"{remote.url} gives another file than it should: sha256 {seen[:12]}..., not "
            f"{expected[:12]}...; if its publisher replaced it, delete {final.parent / RECORD}"
        )
    partial.publish(final)


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_record(folder: Path) -> dict[str, str]:
    path = folder / RECORD
    if not path.is_file():
        return {}
    try:
        record: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DownloadError(f"cannot read {path}: {error}; delete it to start anew") from error
    return record


def _write_record(folder: Path, record: dict[str, str]) -> None:
    path = folder / RECORD
    partial = partial_path(path)
    partial.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    partial.replace(path)
