"""Score a labelled picture with a model, at the size of its labels."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

from mmras_stream.errors import DataError
from mmras_stream.evaluation.datasets import Sample
from mmras_stream.evaluation.pixel import PixelPool
from mmras_stream.model import Model
from mmras_stream.types import ColourMatrix, FrameBatch, Image, PixelFormat, ScoreMap


def add_sample(pool: PixelPool, sample: Sample, model: Model) -> None:
    """Score one picture and add it to the pool.

    Raises:
        DataError: the picture or its mask cannot be read, or their sizes differ.
    """
    picture = _read(sample.image, cv2.IMREAD_COLOR)
    gt_mask = _read(sample.gt_mask, cv2.IMREAD_UNCHANGED)
    if gt_mask.shape != picture.shape[:2]:
        raise DataError(
            f"{sample.image.name} is {picture.shape[1]}x{picture.shape[0]}, its mask "
            f"{sample.gt_mask} has shape {gt_mask.shape}; a mask is one channel of equal size"
        )
    image = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
    pool.add(score_picture(image, model), gt_mask, name=sample.image.name)


def score_picture(image: Image, model: Model) -> ScoreMap:
    """Return the anomaly scores of one RGB picture, enlarged bilinearly to its size."""
    planes = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[:, None]
    rgb = PixelFormat(ColourMatrix.RGB, full_range=True)
    batch = FrameBatch((0,), (0,), Fraction(1), (planes[0], planes[1], planes[2]), rgb)
    (anomaly_map,) = model.score_maps(batch, model.predict(batch))
    height, width = image.shape[:2]
    enlarged = cv2.resize(anomaly_map.scores, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(enlarged, np.float32)


def _read(path: Path, how: int) -> npt.NDArray[np.uint8]:
    picture = cv2.imread(str(path), how)
    if picture is None or picture.dtype != np.uint8:
        raise DataError(f"cannot read {path} as a picture of 8 bits")
    return np.asarray(picture, np.uint8)
