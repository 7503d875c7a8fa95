"""Thresholds from drives on which nothing is strange."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmras_stream.atomic import partial_path, publish, reported
from mmras_stream.errors import DataError, SettingsError
from mmras_stream.settings import Settings
from mmras_stream.types import ScoreMap

FORMAT = "mmras-stream calibration 1"

ELSEWHERE = {
    "model": ("weights", "device", "precision"),
    "score": ("name",),
    "temporal": ("look_back_seconds", "retrace"),
    "proposals": ("threshold", "calibration"),
}
"""Settings that do not count, or that the hash of the weights and the score stand for."""


@dataclass(frozen=True, slots=True)
class Rate:
    """What one threshold gives on drives without anything strange."""

    threshold: float
    tracks_per_hour: float
    area: float
    """Share of all places above it."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A threshold, and all that it holds for."""

    threshold: float
    tracks_per_hour: float
    """On the drives below."""
    hours: float
    drives: tuple[str, ...]
    score: str
    weights_sha256: str
    settings: Mapping[str, Mapping[str, Any]]  # Any: TOML values
    """Sections of the settings that shape scores and tracks."""
    rates: tuple[Rate, ...]
    """Of all thresholds that were tried, rising."""

    def check(self, settings: Settings, *, score: str, weights_sha256: str) -> None:
        """Refuse a run that this was not made for.

        Raises:
            SettingsError: weights, score or a setting differ.
        """
        if weights_sha256 != self.weights_sha256:
            raise SettingsError("the calibration is of other weights; calibrate again with these")
        if score != self.score:
            raise SettingsError(f"the calibration is of the score {self.score}, not of {score}")
        for section, values in relevant(settings).items():
            for key, value in values.items():
                before = self.settings.get(section, {}).get(key)
                if before != value:
                    raise SettingsError(
                        f"the calibration was made with {section}.{key} = {_shown(before)}, this "
                        f"run has {_shown(value)}; calibrate again, or give a threshold"
                    )


def relevant(settings: Settings) -> dict[str, dict[str, Any]]:  # Any: TOML values
    """Return the settings that shape scores and tracks."""
    return {
        name: {
            key: value
            for key, value in asdict(getattr(settings, name)).items()
            if key not in ELSEWHERE.get(name, ())
        }
        for name in ("model", "score", "temporal", "proposals")
    }


def _shown(value: object) -> str:
    return "the default" if value is None else repr(value)


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Write it as JSON.

    Raises:
        OutputError: it cannot be written.
    """
    text = json.dumps({"format": FORMAT, **asdict(calibration)}, indent=2)
    with reported(path):
        partial_path(path).write_text(text + "\n", encoding="utf-8")
    publish(path)


def read_calibration(path: Path) -> Calibration:
    """Read what `write_calibration` wrote.

    Raises:
        SettingsError: it cannot be read, or is something else.
    """
    try:
        return _parsed(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read calibration {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"{path} is no calibration: {error}; 'mmras-stream calibrate' writes one"
        ) from error


def _parsed(text: str) -> Calibration:
    values = json.loads(text)
    if values.pop("format") != FORMAT:
        raise ValueError("it has another format")
    rates = tuple(Rate(**rate) for rate in values.pop("rates"))
    return Calibration(**values | {"drives": tuple(values["drives"]), "rates": rates})


BINS = 100_000


class ScoreHistogram:
    """Counts scores in 0..1 finely enough that a drive of any length takes no more memory.

    >>> histogram = ScoreHistogram()
    >>> histogram.add(np.linspace(0, 1, 1001, dtype=np.float32).reshape(7, 143))
    >>> round(histogram.threshold(0.1), 3)
    0.9
    """

    def __init__(self) -> None:
        self._counts = np.zeros(BINS, np.int64)

    def add(self, scores: ScoreMap) -> None:
        """Count the scores of one map."""
        bins = np.clip(scores * BINS, 0, BINS - 1).astype(np.int64)
        self._counts += np.bincount(bins.ravel(), minlength=BINS)

    def threshold(self, area: float) -> float:
        """Return the lowest score above which at most the share `area` of all places lies.

        Raises:
            DataError: nothing was counted.
        """
        total = int(self._counts.sum())
        if total == 0:
            raise DataError("no frame to calibrate on")
        above = np.cumsum(self._counts[::-1])[::-1]  # places in this bin or a higher one
        allowed = np.nonzero(above <= area * total)[0]
        first = int(allowed[0]) if allowed.size else BINS
        return first / BINS
