"""Steady anomaly maps by the median of the last few, each moved to where its places are now."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np

from mmras_stream.motion import Motion
from mmras_stream.settings import TemporalSettings
from mmras_stream.temporal.smoothing import carried
from mmras_stream.types import AnomalyMap, Frame, ScoreMap

HALF_LIVES = 2
"""For which a map takes part."""

MOST = 9
"""Maps that take part; of denser footage the latest."""


class MedianSmoother:
    """Take the median of the maps of the last two half-lives, along the motion of the picture."""

    def __init__(self, settings: TemporalSettings) -> None:
        self._span = HALF_LIVES * settings.half_life_seconds
        self._past: deque[tuple[float, ScoreMap]] = deque(maxlen=MOST)

    def update(self, frame: Frame, anomaly_map: AnomalyMap, motion: Motion) -> AnomalyMap:
        """Return the median with the past; a cut or another size of the map starts afresh."""
        now, scores = frame.seconds, anomaly_map.scores
        kept = [
            (seconds, carried(past, scores, motion))
            for seconds, past in self._past
            if motion.cut is None and past.shape == scores.shape and 0 <= now - seconds < self._span
        ]
        self._past = deque([*kept, (now, scores)], maxlen=MOST)
        maps = np.stack([past for _, past in self._past])
        return replace(anomaly_map, scores=np.median(maps, axis=0).astype(np.float32))

    def reset(self) -> None:
        """Forget the past."""
        self._past.clear()
