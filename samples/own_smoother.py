"""Steady the scores in a way of one's own: the median of the last five maps.

Run: python samples/own_smoother.py samples/drive.mp4
"""

from __future__ import annotations

import sys
from collections import deque
from contextlib import closing
from dataclasses import replace

import numpy as np

from mmras_stream import AnomalyMap, Frame, Settings, load_model
from mmras_stream.pipeline import open_decoder, stream
from mmras_stream.temporal.tracker import OverlapTracker


class MedianSmoother:
    """Fulfils `mmras_stream.protocols.Smoother`; an entry point would make it a plugin."""

    def __init__(self) -> None:
        self._past: deque[AnomalyMap] = deque(maxlen=5)

    def update(self, frame: Frame, anomaly_map: AnomalyMap) -> AnomalyMap:
        """Return the median of this map and up to four before it."""
        del frame
        self._past.append(anomaly_map)
        scores = np.median([past.scores for past in self._past], axis=0).astype(np.float32)
        return replace(anomaly_map, scores=scores)

    def reset(self) -> None:
        """Forget the past."""
        self._past.clear()


def main(path: str) -> None:
    """Count the proposals under the own smoother."""
    settings = Settings()
    model, tracker = load_model(settings), OverlapTracker(settings.temporal)
    with (
        closing(open_decoder(path, settings.video)) as decoder,
        closing(stream(decoder, model, MedianSmoother(), tracker)) as frames,
    ):
        print(sum(len(result.proposals) for result in frames), "proposals")


if __name__ == "__main__":
    main(sys.argv[1])
