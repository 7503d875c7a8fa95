"""Steady anomaly maps over time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mmras_stream.motion import Motion
from mmras_stream.settings import TemporalSettings
from mmras_stream.temporal.warping import fitted, fitted_mask, warped
from mmras_stream.types import AnomalyMap, Frame, ScoreMap


class FlowSmoother:
    """Average scores over time along the motion of the picture.

    Half of a score's weight is gone after one half-life. The decay follows presentation time and
    not the frame count, so footage with a variable frame rate, or of which only some frames are
    read, is smoothed as evenly as any other.

    Each place is averaged with what was seen of it before, wherever in the picture it was then.
    A place that was out of sight, hidden or beyond the border, starts with its own score. Scores
    may rise and fall at different speeds.
    """

    def __init__(self, settings: TemporalSettings) -> None:
        self._fall = settings.half_life_seconds
        self._rise = settings.rise_half_life_seconds or settings.half_life_seconds
        self._seconds = 0.0
        self._average: ScoreMap | None = None

    def update(self, frame: Frame, anomaly_map: AnomalyMap, motion: Motion) -> AnomalyMap:
        """Blend in the next frame's scores; a cut or another size of the map starts afresh."""
        scores, past = anomaly_map.scores, self._average
        elapsed = frame.seconds - self._seconds
        if past is not None and past.shape == scores.shape and elapsed >= 0 and motion.cut is None:
            scores = self._blended(carried(past, scores, motion), scores, elapsed)
        self._seconds, self._average = frame.seconds, scores
        return replace(anomaly_map, scores=scores)

    def reset(self) -> None:
        """Forget the past."""
        self._average = None

    def _blended(self, past: ScoreMap, scores: ScoreMap, elapsed: float) -> ScoreMap:
        rise, fall = (np.float32(0.5 ** (elapsed / life)) for life in (self._rise, self._fall))
        keep = fall if rise == fall else np.where(scores > past, rise, fall)
        return scores + keep * (past - scores)


class EmaSmoother:
    """Average scores over time where they stand, whatever the motion; else as `FlowSmoother`."""

    def __init__(self, settings: TemporalSettings) -> None:
        self._average = FlowSmoother(settings)

    def update(self, frame: Frame, anomaly_map: AnomalyMap, motion: Motion) -> AnomalyMap:
        """Blend in the next frame's scores; a cut or another size of the map starts afresh."""
        return self._average.update(frame, anomaly_map, Motion(cut=motion.cut))

    def reset(self) -> None:
        """Forget the past."""
        self._average.reset()


class NoSmoother:
    """Leave every map as it is."""

    def __init__(self, settings: TemporalSettings) -> None:
        del settings

    def update(self, frame: Frame, anomaly_map: AnomalyMap, motion: Motion) -> AnomalyMap:  # noqa: ARG002 - the protocol's
        """Return the map."""
        return anomaly_map

    def reset(self) -> None:
        """Do nothing; there is no past."""


def carried(past: ScoreMap, scores: ScoreMap, motion: Motion) -> ScoreMap:
    """Return an earlier map moved to where its places are now, and `scores` where none was.

    Without known motion it stays where it was.
    """
    if motion.backward is None or motion.sure is None:
        return past
    shape = (scores.shape[0], scores.shape[1])
    moved = warped(past, fitted(motion.backward, shape))
    return np.where(fitted_mask(motion.sure, shape), moved, scores)
