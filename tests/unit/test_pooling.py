from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch

from mmras_stream.errors import SettingsError
from mmras_stream.scoring.pooling import pooled
from mmras_stream.settings import Settings
from mmras_stream.types import (
    ColourMatrix,
    FrameBatch,
    NetworkTraits,
    PixelFormat,
    SegmentationOutput,
)

CLASSES = ("road", "Sky", "building")
PLANE = torch.zeros(1, 8, 8, dtype=torch.uint8)
BATCH = FrameBatch(
    (0,), (0,), Fraction(1), (PLANE, PLANE, PLANE), PixelFormat(ColourMatrix.RGB, full_range=True)
)


def score(logit: float, *shares: float, classes: tuple[str, ...] = CLASSES) -> float:
    """Return the score of one place with these probabilities of the classes."""
    scores = torch.tensor(shares).log().view(1, -1, 1, 1)
    output = SegmentationOutput(scores, scores, outlier_logits=torch.full((1, 1, 1), logit))
    scorer = pooled(Settings(), NetworkTraits(classes, has_outlier_head=True))
    (one,) = scorer.score(BATCH, output)
    return float(one.scores[0, 0])


def test_log_odds_of_head_doubt_and_background_add_up() -> None:
    odds = 0.7 + 2 * (1 - 0.6) + 3 * math.log(1 - 0.4 + 1e-3)
    assert score(0.7, 0.6, 0.1, 0.3) == pytest.approx(1 / (1 + math.exp(-odds)), abs=1e-6)


def test_a_sure_background_quietens_a_sure_outlier_head() -> None:
    assert score(5.0, 1e-6, 1.0, 1e-6) < 0.01 < 0.99 < score(5.0, 1.0, 1e-6, 1e-6)


def test_without_a_background_class_there_is_only_doubt() -> None:
    odds = -1.0 + 2 * (1 - 0.5)
    assert score(-1.0, 0.5, 0.5, classes=("road", "car")) == pytest.approx(
        1 / (1 + math.exp(-odds)), abs=1e-6
    )


def test_a_network_without_an_outlier_head_has_no_such_score() -> None:
    with pytest.raises(SettingsError, match="'pooled' needs a network with an outlier head"):
        pooled(Settings(), NetworkTraits(CLASSES))
