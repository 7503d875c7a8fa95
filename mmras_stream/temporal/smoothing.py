"""Steady anomaly maps over time."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from mmras_stream.motion import Motion
from mmras_stream.settings import TemporalSettings
from mmras_stream.temporal.warping import fitted, fitted_mask, warped
from mmras_stream.types import AnomalyMap, Frame, ScoreMap


class EmaSmoother:
    """Average scores over time where they stand, whatever the motion.

    Half of a score's weight is gone after one half-life. The decay follows presentation time and
    not the frame count, so footage with a variable frame rate, or of which only some frames are
    read, is smoothed as evenly as any other.
    """

    def __init__(self, settings: TemporalSettings) -> None:
        self._half_life = settings.half_life_seconds
        self._seconds = 0.0
        self._average: ScoreMap | None = None

    def update(self, frame: Frame, anomaly_map: AnomalyMap, motion: Motion) -> AnomalyMap:
        """Blend in the next frame's scores; a cut or another size of the map starts afresh."""
        scores, past = anomaly_map.scores, self._average
        elapsed = frame.seconds - self._seconds
        if past is not None and past.shape == scores.shape and elapsed >= 0 and motion.cut is None:
            scores = self._blended(past, scores, motion, elapsed)
        self._seconds, self._average = frame.seconds, scores
        return replace(anomaly_map, scores=scores)

    def reset(self) -> None:
        """Forget the past."""
        self._average = None

    def _blended(
        self,
        past: ScoreMap,
        scores: ScoreMap,
        motion: Motion,  # noqa: ARG002 - for FlowSmoother
        elapsed: float,
    ) -> ScoreMap:
        return scores + _kept(elapsed, self._half_life) * (past - scores)


class FlowSmoother(EmaSmoother):
    """Average scores over time along the motion of the picture; else as `EmaSmoother`.

    Each place is averaged with what was seen of it before, wherever in the picture it was then. A
    place that was out of sight, hidden or beyond the border, starts with its own score.

    Motion is known no better than to a cell or so, and an average with what lay beside a small
    thing would take it away. So a score that a neighbouring cell had before is no news and counts
    at once, and only what is above all of these must rise, at a speed of its own.
    """

    def __init__(self, settings: TemporalSettings) -> None:
        super().__init__(settings)
        self._rise_half_life = settings.rise_half_life_seconds

    def _blended(
        self, past: ScoreMap, scores: ScoreMap, motion: Motion, elapsed: float
    ) -> ScoreMap:
        past = carried(past, scores, motion)
        near = np.asarray(cv2.dilate(past, _NEIGHBOURS), np.float32)
        is_higher = scores > past
        expected = np.where(is_higher, np.minimum(scores, near), past)
        rise, fall = _kept(elapsed, self._rise_half_life), _kept(elapsed, self._half_life)
        steady = scores + np.where(is_higher, rise, fall) * (expected - scores)
        return np.asarray(steady, np.float32)


_NEIGHBOURS = np.ones((3, 3), np.uint8)


def _kept(elapsed: float, half_life: float) -> np.float32:
    """Return the share of an average that is left after some seconds."""
    return np.float32(0.5 ** (elapsed / half_life))


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
