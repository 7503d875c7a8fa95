from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from mmras_stream.errors import DataError
from mmras_stream.evaluation.pixel import PixelPool, pixel_metrics

Floats = npt.NDArray[np.float32]


def floats(values: Sequence[object]) -> Floats:
    return np.array(values, np.float32)


def labels(values: Sequence[object]) -> npt.NDArray[np.uint8]:
    return np.array(values, np.uint8)


def slow_metrics(strange: Floats, ordinary: Floats) -> tuple[float, float, float]:
    """The definitions, one threshold at a time."""
    average_precision, recall_before, fpr95 = 0.0, 0.0, None
    for threshold in sorted(set(strange) | set(ordinary), reverse=True):
        true = sum(s >= threshold for s in strange)
        false = sum(o >= threshold for o in ordinary)
        recall = true / len(strange)
        average_precision += (recall - recall_before) * true / (true + false)
        recall_before = recall
        if fpr95 is None and recall >= 0.95:
            fpr95 = false / len(ordinary)
    wins = sum((s > o) + (s == o) / 2 for s in strange for o in ordinary)
    assert fpr95 is not None
    return average_precision, fpr95, wins / (len(strange) * len(ordinary))


@pytest.mark.parametrize("seed", range(12))
def test_metrics_equal_their_definitions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    levels = int(rng.integers(2, 60))  # few levels make ties
    strange = (rng.integers(0, levels, int(rng.integers(1, 80))) + rng.integers(0, 9)).astype(
        np.float32
    )
    ordinary = rng.integers(0, levels, int(rng.integers(1, 200))).astype(np.float32)
    metrics = pixel_metrics(strange, ordinary)
    expected = slow_metrics(strange, ordinary)
    assert metrics.average_precision == pytest.approx(expected[0], abs=1e-12)
    assert metrics.fpr_at_95_tpr == pytest.approx(expected[1], abs=1e-12)
    assert metrics.auroc == pytest.approx(expected[2], abs=1e-12)


def test_a_pool_leaves_ignored_pixels_out_and_adds_up_pictures() -> None:
    pool = PixelPool()
    pool.add(floats([[9, 1, 5]]), labels([[1, 0, 255]]))
    pool.add(floats([[2, 3]]), labels([[1, 0]]))
    metrics = pool.metrics()
    assert (metrics.anomaly_pixels, metrics.ordinary_pixels) == (2, 2)
    assert metrics == pixel_metrics(floats([9, 2]), floats([1, 3]))
    assert pool.metrics() == metrics


@pytest.mark.parametrize(
    ("scores", "numbers", "message"),
    [
        ([[1.0, 2.0]], [[1]], r"a.jpg: scores are \(1, 2\), the mask is \(1, 1\)"),
        ([[float("nan")]], [[1]], "a.jpg: a score is not a finite number"),
        ([[1.0]], [[7]], r"a.jpg: labels must be 0, 1 or 255, its mask holds \[7\]"),
    ],
)
def test_a_picture_that_cannot_be_counted_is_named(
    scores: list[list[float]], numbers: list[list[int]], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        PixelPool().add(floats(scores), labels(numbers), name="a.jpg")


@pytest.mark.parametrize(("label", "missing"), [(0, "anomalous"), (1, "ordinary")])
def test_a_set_without_one_kind_of_pixel_has_no_metric(label: int, missing: str) -> None:
    pool = PixelPool()
    pool.add(np.ones((1, 1), np.float32), np.full((1, 1), label, np.uint8))
    with pytest.raises(DataError, match=f"no {missing} pixel in the whole set"):
        pool.metrics()
