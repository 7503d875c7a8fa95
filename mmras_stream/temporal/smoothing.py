"""Steady anomaly maps over time."""

from __future__ import annotations

from dataclasses import replace

from mmras_stream.settings import TemporalSettings
from mmras_stream.types import AnomalyMap, Frame, ScoreMap


class EmaSmoother:
    """Average scores over time; half of a score's weight is gone after one half-life.

    The decay follows presentation time and not the frame count, so footage with a variable
    frame rate, or of which only some frames are read, is smoothed as evenly as any other.
    """

    def __init__(self, settings: TemporalSettings) -> None:
        self._half_life = settings.half_life_seconds
        self._seconds = 0.0
        self._average: ScoreMap | None = None

    def update(self, frame: Frame, anomaly_map: AnomalyMap) -> AnomalyMap:
        """Blend in the next frame's scores; a change of shape or a step back in time resets."""
        scores, average = anomaly_map.scores, self._average
        elapsed = frame.seconds - self._seconds
        if average is not None and average.shape == scores.shape and elapsed > 0:
            keep = 0.5 ** (elapsed / self._half_life)
            scores = keep * average + (1 - keep) * scores
        self._seconds, self._average = frame.seconds, scores
        return replace(anomaly_map, scores=scores)

    def reset(self) -> None:
        """Forget the past."""
        self._average = None


class NoSmoother:
    """Leave every map as it is."""

    def __init__(self, settings: TemporalSettings) -> None:
        del settings

    def update(self, frame: Frame, anomaly_map: AnomalyMap) -> AnomalyMap:  # noqa: ARG002 - the protocol's
        """Return the map."""
        return anomaly_map

    def reset(self) -> None:
        """Do nothing; there is no past."""
