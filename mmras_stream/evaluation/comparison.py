"""Compare two evaluations of the same pictures, and say what chance alone would explain."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mmras_stream.errors import DataError
from mmras_stream.evaluation.component import TAUS
from mmras_stream.evaluation.pixel import ENOUGH
from mmras_stream.evaluation.record import FORMAT

SAMPLES = 2000
CONFIDENCE = 0.95

_Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """What a record keeps of an evaluation, as far as it can be compared."""

    name: str
    pictures: tuple[str, ...]
    values: Mapping[str, float]
    """Exact, of the whole split: name of a metric -> value."""
    strange: _Floats
    """(pictures, levels): pixels between neighbouring thresholds, the highest first."""
    ordinary: _Floats
    components: Mapping[str, _Floats]
    """Of a threshold by name: (pictures, 3, taus), TP, FN and FP."""


@dataclass(frozen=True, slots=True)
class Row:
    """One metric of both."""

    name: str
    higher_is_better: bool
    a: float
    b: float
    a_interval: tuple[float, float]
    b_interval: tuple[float, float]
    difference_interval: tuple[float, float]
    """Of b - a, with the same pictures drawn for both."""
    is_share: bool = True
    """0..1, and shown in per cent."""

    @property
    def difference(self) -> float:
        """Of B over A."""
        return self.b - self.a

    @property
    def winner(self) -> str:
        """`A`, `B`, or nothing where the interval of the difference holds 0."""
        low, high = self.difference_interval
        if low <= 0 <= high:
            return ""
        return "B" if (low > 0) == self.higher_is_better else "A"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two evaluations side by side."""

    a: str
    b: str
    pictures: int
    """Or what else was drawn."""
    rows: tuple[Row, ...]
    unit: str = "images"

    @property
    def verdict(self) -> str:
        """One sentence on the first row: average precision, which every split has."""
        row, images = self.rows[0], f"on {self.pictures} {self.unit}"
        if not row.winner:
            return f"{row.name}: difference not distinguishable from chance {images}"
        low, high = (100 * end for end in row.difference_interval)
        return (
            f"{row.name}: {row.winner} is better; B - A is {100 * row.difference:+.1f} points, "
            f"{100 * CONFIDENCE:.0f} % interval {low:+.1f} to {high:+.1f}, {images}"
        )


@dataclass(frozen=True, slots=True)
class _Metric:
    name: str
    key: str
    of: Callable[[Recorded, _Floats], _Floats]
    """Its value for each row of weights (samples, pictures); NaN where it is not defined."""
    higher_is_better: bool = True
    is_share: bool = True


def read_record(path: Path) -> Recorded:
    """Read what `evaluate --out` or `--report` wrote.

    Raises:
        DataError: it is something else.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.get("format") != FORMAT:
            raise DataError(f"{path} is no record of an evaluation; write one with evaluate --out")
        return recorded(values, name=path.name if path.name != "metrics.json" else str(path))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is no record of an evaluation: {error!r}") from error


def recorded(values: Mapping[str, Any], *, name: str) -> Recorded:  # Any: JSON values
    """Take from a record what can be compared."""
    rows = values["per_picture"]
    exact = {key: float(values[key]) for key in ("average_precision", "fpr_at_95_tpr", "auroc")}
    components = {}
    for kind in ("oracle", "calibrated"):
        whole = values[f"components_{kind}"]
        if whole is not None:
            exact[f"f1_{kind}"] = float(whole["f1_mean"])
            exact[f"false_{kind}"] = float(whole["false_positives_per_frame"])
            components[kind] = np.array(
                [_component_counts(row[f"{kind}_siou"], row[f"{kind}_ppv"]) for row in rows]
            )
    strange = np.array([row["strange_counts"] for row in rows], np.float64)
    ordinary = np.array([row["ordinary_counts"] for row in rows], np.float64)
    if strange.ndim != 2 or strange.shape != ordinary.shape:
        raise ValueError(f"counts of shapes {strange.shape} and {ordinary.shape}")
    names = tuple(str(row["name"]) for row in rows)
    return Recorded(name, names, exact, strange, ordinary, components)


def compare(a: Recorded, b: Recorded, *, samples: int = SAMPLES, seed: int = 0) -> Comparison:
    """Draw pictures with replacement, the same for both, and see how the metrics vary.

    Values are exact; intervals come from counts at 400 steps of recall, and are moved so that
    they surround what is exact.

    Args:
        a: One evaluation.
        b: Another of the same pictures.
        samples: Times that the pictures are drawn.
        seed: Of the drawing.

    Raises:
        DataError: the pictures or their labels differ.
    """
    if a.pictures != b.pictures:
        odd = sorted(set(a.pictures) ^ set(b.pictures))
        which = f", such as {odd[0]}" if odd else ""
        raise DataError(
            f"{a.name} has {len(a.pictures)} pictures and {b.name} {len(b.pictures)}, and they "
            f"differ{which}; compare evaluations of one set"
        )
    for name, in_a, in_b in zip(a.pictures, a.strange, b.strange, strict=True):
        if in_a.sum() != in_b.sum():
            raise DataError(
                f"{name} has {in_a.sum():.0f} strange pixels in {a.name} and {in_b.sum():.0f} in "
                f"{b.name}; compare evaluations with the same labels"
            )
    count = len(a.pictures)
    weights = drawn_weights(count, samples=samples, seed=seed)
    metrics = [m for m in _METRICS if m.key in a.values and m.key in b.values]
    rows = tuple(_row(metric, a, b, weights) for metric in metrics)
    return Comparison(a.name, b.name, count, rows)


def drawn_weights(count: int, *, samples: int, seed: int) -> _Floats:
    """Return how often each of some things is drawn, with replacement: (samples, count)."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(count, np.full(count, 1 / count), samples).astype(np.float64)


def _row(metric: _Metric, a: Recorded, b: Recorded, weights: _Floats) -> Row:
    exact_a, exact_b = a.values[metric.key], b.values[metric.key]
    drawn_a, drawn_b = (_centred(metric, one, weights) for one in (a, b))
    return Row(
        metric.name,
        metric.higher_is_better,
        exact_a,
        exact_b,
        interval(drawn_a),
        interval(drawn_b),
        interval(drawn_b - drawn_a),
        metric.is_share,
    )


def _centred(metric: _Metric, one: Recorded, weights: _Floats) -> _Floats:
    """Return drawn values, moved by what counting in steps gets wrong on the whole."""
    whole = metric.of(one, np.ones((1, weights.shape[1])))
    return metric.of(one, weights) - whole + one.values[metric.key]


def interval(drawn: _Floats) -> tuple[float, float]:
    """Return between which values most of what was drawn lies."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(drawn, (tail, 1 - tail))
    return float(low), float(high)


def _component_counts(siou: list[float], ppv: list[float]) -> list[list[int]]:
    return [
        [sum(value >= tau for value in siou) for tau in TAUS],
        [sum(value < tau for value in siou) for tau in TAUS],
        [sum(value < tau for value in ppv) for tau in TAUS],
    ]


def _rates(one: Recorded, weights: _Floats) -> tuple[_Floats, _Floats, _Floats]:
    """Return true and false positives from each threshold on, and both totals."""
    true, false = (np.cumsum(weights @ counts, axis=1) for counts in (one.strange, one.ordinary))
    return true, false, np.stack([true[:, -1], false[:, -1]])


def _average_precision(one: Recorded, weights: _Floats) -> _Floats:
    true, false, (strange, _) = _rates(one, weights)
    gain = np.diff(true, axis=1, prepend=0)
    precision = true / np.maximum(true + false, 1)
    return _where_defined((gain * precision).sum(axis=1), strange)


def _fpr_at_95_tpr(one: Recorded, weights: _Floats) -> _Floats:
    true, false, (strange, ordinary) = _rates(one, weights)
    enough = np.argmax(true >= ENOUGH * strange[:, None], axis=1)
    before = np.maximum(enough - 1, 0)
    at = np.arange(len(weights))
    step = np.maximum(true[at, enough] - true[at, before], 1e-9)
    way = np.clip((ENOUGH * strange - true[at, before]) / step, 0, 1)
    fpr = false[at, before] + way * (false[at, enough] - false[at, before])
    return np.where(strange > 0, _where_defined(fpr, ordinary), np.nan)


def _auroc(one: Recorded, weights: _Floats) -> _Floats:
    true, false, (strange, ordinary) = _rates(one, weights)
    gain = np.diff(true, axis=1, prepend=0)
    above = np.concatenate([np.zeros((len(weights), 1)), false[:, :-1]], axis=1)
    wins = (gain * (ordinary[:, None] - (above + false) / 2)).sum(axis=1)
    return _where_defined(wins, strange * ordinary)


def _f1(kind: str) -> Callable[[Recorded, _Floats], _Floats]:
    def of(one: Recorded, weights: _Floats) -> _Floats:
        found, missed, wrong = np.moveaxis(np.tensordot(weights, one.components[kind], 1), 1, 0)
        mean = 2 * found / np.maximum(2 * found + missed + wrong, 1)
        return np.asarray(mean.mean(axis=1), np.float64)

    return of


def _false(kind: str) -> Callable[[Recorded, _Floats], _Floats]:
    def of(one: Recorded, weights: _Floats) -> _Floats:
        return np.asarray(weights @ one.components[kind][:, 2, 0] / weights.shape[1], np.float64)

    return of


def _where_defined(sums: _Floats, whole: _Floats) -> _Floats:
    return np.where(whole > 0, sums / np.maximum(whole, 1), np.nan)


_METRICS = (
    _Metric("AuPRC", "average_precision", _average_precision),
    _Metric("FPR95", "fpr_at_95_tpr", _fpr_at_95_tpr, higher_is_better=False),
    _Metric("AUROC", "auroc", _auroc),
    _Metric("F1 mean, oracle", "f1_oracle", _f1("oracle")),
    _Metric("F1 mean, calibrated", "f1_calibrated", _f1("calibrated")),
    _Metric(
        "false per picture, calibrated",
        "false_calibrated",
        _false("calibrated"),
        higher_is_better=False,
        is_share=False,
    ),
)
