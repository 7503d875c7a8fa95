"""Thresholds from drives on which nothing is strange."""

from __future__ import annotations

import numpy as np

from mmras_stream.errors import DataError
from mmras_stream.types import ScoreMap

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
