from __future__ import annotations

import numpy as np
import pytest

from mmras_stream.errors import DataError
from mmras_stream.scoring.calibration import ScoreHistogram


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
