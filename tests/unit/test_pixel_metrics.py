from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import (
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from mmras_stream.errors import DataError, OutputError
from mmras_stream.evaluation import counts
from mmras_stream.evaluation.counts import ScoreCounts, keys_of, scores_of
from mmras_stream.evaluation.pixel import PixelPool, pixel_metrics, pooled_curve

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


@pytest.fixture(params=[(1 << 22, 1 << 12), (500, 64), (64, 8)], ids=["held", "spilled", "tiny"])
def _buffers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pools lay scores aside after so many pixels, with an index of so many rows."""
    buffer, step = request.param
    monkeypatch.setattr(counts, "BUFFER", buffer)
    monkeypatch.setattr(counts, "STEP", step)


@pytest.mark.usefixtures("_buffers")
@pytest.mark.parametrize("seed", range(20))
def test_a_pool_of_any_size_equals_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size, levels = int(rng.integers(50, 4000)), int(rng.integers(2, 900))
    strange = rng.random(size) < rng.uniform(0.02, 0.5)
    strange[:2] = True, False
    scores = rng.integers(-levels, levels, size) / 7 + strange * rng.uniform(0, levels / 7)
    scores = scores.astype(np.float32)
    with PixelPool() as pool:
        for part in np.array_split(np.arange(size), 5):
            pool.add(scores[None, part], strange[None, part].astype(np.uint8))
        curve = pool.curve()
        assert pool.curve() == curve
    metrics = curve.metrics
    fpr, tpr, _ = roc_curve(strange, scores, drop_intermediate=False)
    precision, recall, thresholds = precision_recall_curve(strange, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-30)
    expected = average_precision_score(strange, scores)
    assert metrics.average_precision == pytest.approx(expected, abs=1e-9)
    assert metrics.auroc == pytest.approx(roc_auc_score(strange, scores), abs=1e-9)
    assert metrics.fpr_at_95_tpr == pytest.approx(fpr[np.argmax(tpr >= 0.95)], abs=1e-9)
    interpolated = np.interp(0.95, tpr, fpr)
    assert metrics.fpr_at_95_tpr_interpolated == pytest.approx(interpolated, abs=1e-9)
    assert curve.best_f1 == pytest.approx(f1.max(), abs=1e-9)
    best = thresholds[np.flatnonzero(f1[:-1] > f1.max() - 1e-12)[-1]]
    assert curve.best_threshold == pytest.approx(best)
    assert (curve.lowest, curve.highest) == (scores.min(), scores.max())
    assert curve.share_at_highest == pytest.approx((scores == scores.max()).mean())
    for point in curve.points:
        seen = scores >= np.float32(point.threshold)
        assert point.recall == pytest.approx(seen[strange].mean())
        assert point.precision == pytest.approx(strange[seen].mean())
        assert point.false_positive_rate == pytest.approx(seen[~strange].mean())


def test_keys_keep_the_order_of_scores() -> None:
    rng = np.random.default_rng(0)
    scores = np.sort(
        rng.standard_normal(500).astype(np.float32) * floats([1e-40, 1, 1e30])[:, None]
    )
    assert (scores_of(keys_of(scores)) == scores).all()
    for row in scores:
        assert (np.diff(keys_of(row).astype(np.int64)) >= 0).all()
    assert keys_of(floats([-0.0]))[0] == keys_of(floats([0.0]))[0]


@pytest.mark.usefixtures("_buffers")
def test_a_constant_score_is_counted_once_for_each_buffer() -> None:
    counted = ScoreCounts()
    counted.add(np.full(3000, 0.5, np.float32))
    (only,) = counted.slices([0, 1 << 32])
    assert (only.keys.size, only.counts.tolist()) == (1, [3000])
    assert counted.index().size <= 1 + 3000 // counts.BUFFER
    counted.close()


def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_mode: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(counts, "BUFFER", 10)
    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(OutputError, match="No space left on device; free some space or set TMPDIR"):
        ScoreCounts().add(np.arange(30, dtype=np.float32))


def test_several_pools_are_as_good_as_one() -> None:
    rng = np.random.default_rng(0)
    parts = [
        (np.round(rng.random((40, 50)), 3).astype(np.float32), (rng.random((40, 50)) < 0.2) * share)
        for share in (1, 1, 0)  # the last holds nothing strange
    ]
    pools = [PixelPool() for _ in parts]
    whole = PixelPool()
    for pool, (scores, gt_mask) in zip(pools, parts, strict=True):
        for some in (pool, whole):
            some.add(scores, gt_mask.astype(np.uint8))
        pool.lay_aside()
        pool.lay_aside()
    assert pooled_curve(pools) == whole.curve()
    for pool in (*pools, whole):
        pool.close()
