"""Score labelled pictures with a model, at the size of their labels."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from mmras_stream.errors import DataError
from mmras_stream.evaluation.datasets import Sample, Split
from mmras_stream.evaluation.labels import read_picture
from mmras_stream.evaluation.pixel import Labels
from mmras_stream.model import Model
from mmras_stream.pipeline import results
from mmras_stream.settings import Settings
from mmras_stream.types import (
    AnomalyMap,
    FrameResult,
    Image,
    ScoreMap,
)
from mmras_stream.video.colour import rgb_batch, to_rgb

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """A labelled picture and what a model says about it; all have the picture's size."""

    sample: Sample
    image: Image
    scores: ScoreMap
    gt_mask: Labels


def scored_samples(
    split: Split,
    model: Model,
    settings: Settings,
    *,
    every_frame: Callable[[FrameResult], None] | None = None,
) -> Generator[Scored, None, None]:
    """Yield every sample with its scores.

    Of a drive, all frames up to the last labelled one are looked at, so that smoothing has its
    past; what is measured are the smoothed scores of the labelled ones. Close the generator to
    stop early.

    Args:
        split: What to look at.
        model: What looks.
        settings: With which a drive is read and smoothed.
        every_frame: Called with each frame of a drive, which is then read to its end.

    Raises:
        DataError: a picture or its labels cannot be read, or a score is not a number.
        VideoError: the drive cannot be decoded.
    """
    if split.drive is None:
        for sample in split.samples:
            assert sample.image is not None
            picture = read_picture(sample.image, cv2.IMREAD_COLOR)
            image = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
            gt_mask = sample.labels(image.shape[:2])
            yield _checked(Scored(sample, image, score_picture(image, model), gt_mask))
        return
    yield from _scored_frames(split, model, settings, every_frame)


def score_picture(image: Image, model: Model) -> ScoreMap:
    """Return the anomaly scores of one RGB picture, enlarged bilinearly to its size."""
    batch = rgb_batch(image)
    (anomaly_map,) = model.score_maps(batch, model.predict(batch))
    return enlarged(anomaly_map)


def enlarged(anomaly_map: AnomalyMap) -> ScoreMap:
    """Return the scores of each pixel of the frame, bilinearly."""
    size = (anomaly_map.frame_width, anomaly_map.frame_height)
    return np.asarray(
        cv2.resize(anomaly_map.scores, size, interpolation=cv2.INTER_LINEAR), np.float32
    )


def _scored_frames(
    split: Split,
    model: Model,
    settings: Settings,
    every_frame: Callable[[FrameResult], None] | None,
) -> Generator[Scored, None, None]:
    wanted = {sample.frame_index: sample for sample in split.samples}
    assert split.drive is not None
    with closing(results(split.drive, settings, model=model)) as frames:
        for result in told(frames, split.drive):
            if every_frame is not None:
                every_frame(result)
            sample = wanted.pop(result.frame.index, None)
            if sample is not None:
                image = to_rgb(result.frame)
                scores = enlarged(result.anomaly_map)
                gt_mask = sample.labels(image.shape[:2])
                yield _checked(Scored(sample, image, scores, gt_mask))
            if not wanted and every_frame is None:
                return
    if not wanted:
        return
    missing = min(wanted)
    raise DataError(
        f"{wanted[missing].gt} is of frame {missing}, which {split.drive.name} does not have "
        "or the settings leave out"
    )


def told(frames: Iterator[ItemT], drive: Path) -> Iterator[ItemT]:
    """Pass what is made of frames on, and name the drive whose scores are no numbers."""
    try:
        yield from frames
    except ValueError as error:  # what the regions of a map are refused with
        raise DataError(f"{drive}: {error}") from error


def _checked(scored: Scored) -> Scored:
    if not np.isfinite(scored.scores).all():
        where = scored.sample.image or scored.sample.gt
        raise DataError(f"{where}: a score is not a finite number")
    return scored
