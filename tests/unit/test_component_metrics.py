from __future__ import annotations

from dataclasses import asdict

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from mmras_stream.errors import SettingsError
from mmras_stream.evaluation.component import (
    TRACKS,
    FrameComponents,
    Track,
    component_metrics,
    frame_components,
    track_for,
)
from slow_components import slow_frame, slow_metrics

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

SMALL = Track("small", 4, 3)


def drawn_frame(rng: np.random.Generator) -> tuple[Floats, Bytes]:
    """Return blobs of scores, and labels that overlap them in part, with an ignored band."""
    size = (int(rng.integers(24, 60)), int(rng.integers(24, 60)))
    noise = rng.standard_normal(size).astype(np.float32)
    blobs = cv2.GaussianBlur(noise, (0, 0), float(rng.uniform(0.8, 2.5)))
    shift = cv2.GaussianBlur(rng.standard_normal(size).astype(np.float32), (0, 0), 1.5)
    level = np.quantile(blobs, rng.uniform(0.7, 0.97))
    gt_mask = (blobs + rng.uniform(0, 0.6) * shift > level).astype(np.uint8)
    gt_mask[: int(rng.integers(0, 8))] = 255
    scores = np.round(blobs * 20) / 20  # so that some equal the threshold
    return scores.astype(np.float32), gt_mask


@pytest.mark.parametrize("seed", range(20))
def test_components_equal_their_definitions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames = [drawn_frame(rng) for _ in range(4)]
    threshold = float(np.round(rng.uniform(0, 0.4) * 20) / 20)
    ours = component_metrics(
        [frame_components(s, gt, threshold=threshold, track=SMALL) for s, gt in frames],
        threshold=threshold,
    )
    slow = slow_metrics([slow_frame(s, gt, threshold, 4, 3) for s, gt in frames])
    fields = asdict(ours)
    assert fields.pop("threshold") == threshold
    assert fields.keys() == slow.keys()
    for name, value in fields.items():
        assert value == pytest.approx(slow[name], abs=1e-6), name
    assert ours.gt_components
    assert ours.predicted_components


def labels_of(*rows: str) -> Bytes:
    """Read '.' ordinary, '#' anomaly, '?' ignored."""
    return np.array([[{".": 0, "#": 1, "?": 255}[c] for c in row] for row in rows], np.uint8)


def scores_of(*rows: str) -> Floats:
    return np.array([[float(c) for c in row] for row in rows], np.float32)


def test_one_prediction_over_two_things_is_no_loss_to_either() -> None:
    gt_mask = labels_of("###..###")
    frame = frame_components(
        scores_of("11111111"), gt_mask, threshold=0.5, track=Track("any", 1, 1)
    )
    assert frame == FrameComponents((3 / 5, 3 / 5), (6 / 8,))


def test_a_score_at_the_threshold_is_not_predicted() -> None:
    frame = frame_components(
        scores_of("2211"), labels_of("####"), threshold=1.0, track=Track("any", 1, 1)
    )
    assert frame == FrameComponents((0.5,), (1.0,))


def test_what_is_ignored_parts_predictions_and_what_is_small_counts_for_nothing() -> None:
    gt_mask = labels_of("##?..#", "##?...")
    scores = scores_of("111111", "111111")
    frame = frame_components(scores, gt_mask, threshold=0.5, track=Track("some", 4, 2))
    assert frame == FrameComponents((1.0,), (1.0, 0.0))
    assert frame_components(
        scores, gt_mask, threshold=0.5, track=Track("large", 7, 5)
    ) == FrameComponents((), ())


def test_corners_touch() -> None:
    frame = frame_components(
        scores_of("10", "01"), labels_of("#.", ".#"), threshold=0.5, track=Track("any", 1, 1)
    )
    assert frame == FrameComponents((1.0,), (1.0,))


def test_nothing_predicted_gives_zeros_and_no_warning() -> None:
    metrics = component_metrics([FrameComponents((0.0,), ())], threshold=1.0)
    assert (metrics.siou_gt, metrics.ppv, metrics.f1_mean) == (0, 0, 0)
    assert metrics.false_negatives == (1,) * 11


def test_the_track_follows_the_name_of_the_folder_unless_it_is_given() -> None:
    assert track_for("auto", "dataset_ObstacleTrack") is TRACKS["obstacle"]
    assert track_for("auto", "cattle") is TRACKS["anomaly"]
    assert track_for("anomaly", "lost_and_found") is TRACKS["anomaly"]
    with pytest.raises(SettingsError, match="no track called 'road'; known: auto, anomaly, obs"):
        track_for("road", "x")
