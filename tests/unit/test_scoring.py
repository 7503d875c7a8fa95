from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from mmras_stream.errors import DataError
from mmras_stream.scoring.calibration import ScoreHistogram
from mmras_stream.scoring.mmras import MmrasScorer
from mmras_stream.settings import ScoreSettings
from mmras_stream.types import ColourMatrix, FrameBatch, PixelFormat, SegmentationOutput

CLASSES = torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(0))
TEXT = torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(1))
OUTLIER = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(2))
FEATURES = torch.zeros(2, 1, 3, 4)


def test_without_text_or_outlier_head_the_score_is_one_minus_the_best_class() -> None:
    scores = MmrasScorer(ScoreSettings()).score_tensor(SegmentationOutput(CLASSES, FEATURES))
    torch.testing.assert_close(scores, 1 - CLASSES.softmax(1).amax(1))


def test_text_is_blended_by_alpha_and_the_ensemble_weighed_by_w() -> None:
    scorer = MmrasScorer(ScoreSettings(alpha=0.8, w=0.6))
    scores = scorer.score_tensor(SegmentationOutput(CLASSES, FEATURES, text_scores=TEXT))
    image, text = CLASSES.softmax(1), TEXT.softmax(1)
    blended = 1 - (0.8 * image + 0.2 * text).amax(1)
    torch.testing.assert_close(scores, 0.6 * blended + 0.4 * (1 - image.amax(1)))


def test_the_outlier_head_takes_its_share() -> None:
    scorer = MmrasScorer(ScoreSettings(outlier_weight=0.25))
    scores = scorer.score_tensor(SegmentationOutput(CLASSES, FEATURES, OUTLIER))
    plain = 1 - CLASSES.softmax(1).amax(1)
    torch.testing.assert_close(scores, 0.25 * OUTLIER.sigmoid() + 0.75 * plain)


def test_maps_carry_the_index_and_size_of_their_frames() -> None:
    plane = torch.zeros(2, 30, 40, dtype=torch.uint8)
    grey = PixelFormat(ColourMatrix.BT601, full_range=False)
    batch = FrameBatch((7, 9), (0, 1), Fraction(1, 25), (plane, plane, plane), grey)
    maps = MmrasScorer(ScoreSettings()).score(batch, SegmentationOutput(CLASSES, FEATURES))
    assert [m.frame_index for m in maps] == [7, 9]
    assert {(m.frame_height, m.frame_width) for m in maps} == {(30, 40)}
    assert maps[0].scores.dtype == np.float32
    assert maps[0].pixels_per_cell == 30 * 40 / 12


@pytest.mark.parametrize("area", [0.5, 0.01, 0.0])
def test_the_threshold_leaves_no_more_than_the_area_above_it(area: float) -> None:
    scores = np.random.default_rng(0).beta(0.5, 5, (200, 300)).astype(np.float32)
    histogram = ScoreHistogram()
    for part in np.split(scores, 4):
        histogram.add(part)
    threshold = histogram.threshold(area)
    assert (scores > threshold).mean() <= area
    assert (scores > threshold - 2e-3).mean() >= area


def test_nothing_counted_gives_no_threshold() -> None:
    with pytest.raises(DataError, match="no frame to calibrate on"):
        ScoreHistogram().threshold(0.1)
