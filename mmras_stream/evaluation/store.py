"""Keep scored pictures on disk until the thresholds of their whole set are known."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from mmras_stream.atomic import reported
from mmras_stream.evaluation.datasets import Sample
from mmras_stream.evaluation.pixel import Labels
from mmras_stream.evaluation.scores import Scored
from mmras_stream.types import Image, ScoreMap

THUMBNAIL_WIDTH = 480
"""Pixels at most of the pictures that are kept to be looked at."""


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """What is left of a scored picture."""

    sample: Sample
    scores: ScoreMap
    gt_mask: Labels
    thumbnail: Image


class MapStore:
    """A temporary folder of scores and labels: 5 bytes for each pixel, and a small picture."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self._samples: list[Sample] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __iter__(self) -> Iterator[Stored]:
        for number, sample in enumerate(self._samples):
            with np.load(self._path(number), allow_pickle=False) as arrays:
                yield Stored(sample, arrays["scores"], arrays["gt_mask"], arrays["thumbnail"])

    def add(self, scored: Scored) -> None:
        """Keep one picture.

        Raises:
            OutputError: there is no space.
        """
        path = self._path(len(self._samples))
        with reported(path):
            np.savez(
                path,
                scores=scored.scores,
                gt_mask=scored.gt_mask,
                thumbnail=thumbnail(scored.image),
            )
        self._samples.append(scored.sample)

    def _path(self, number: int) -> Path:
        return self._folder / f"{number}.npz"


def thumbnail(image: Image, width: int = THUMBNAIL_WIDTH) -> Image:
    """Return a picture no wider than so many pixels."""
    if image.shape[1] <= width:
        return image
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
