"""Steady the scores in a way of one's own: the highest of the last five maps.

Run: python samples/own_smoother.py samples/drive.mp4
"""

from __future__ import annotations

import sys
from collections import deque
from contextlib import closing
from dataclasses import replace

import numpy as np

from mmras_stream import AnomalyMap, Frame, Settings, load_model
from mmras_stream.motion import Motion
from mmras_stream.pipeline import new_tracker, new_watch, open_decoder
from mmras_stream.streaming import stream


class HighestSmoother:
    """Fulfils `mmras_stream.protocols.Smoother`; an entry point would make it a plugin."""

    def __init__(self) -> None:
        self._past: deque[AnomalyMap] = deque(maxlen=5)

    def update(self, frame: Frame, anomaly_map: AnomalyMap, motion: Motion) -> AnomalyMap:
        """Return the highest scores of this map and up to four before it."""
        del frame
        if motion.cut is not None:
            self.reset()
        self._past.append(anomaly_map)
        return replace(anomaly_map, scores=np.max([past.scores for past in self._past], axis=0))

    def reset(self) -> None:
        """Forget the past."""
        self._past.clear()


def main(path: str) -> None:
    """Count the proposals under the own smoother."""
    settings = Settings()
    model = load_model(settings)
    with closing(open_decoder(path, settings.video)) as decoder:
        tracker = new_tracker(decoder.info, settings, threshold=model.threshold)
        watch = new_watch(decoder.info, settings)
        frames = stream(decoder, model, HighestSmoother(), tracker, watch=watch)
        with closing(frames):
            print(sum(len(result.proposals) for result in frames), "proposals")


if __name__ == "__main__":
    main(sys.argv[1])
