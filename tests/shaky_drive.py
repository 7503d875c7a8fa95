"""A made-up drive with known motion: a shaking camera nears an obstacle that is badly scored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
import numpy.typing as npt
import torch

from mmras_stream.types import AnomalyMap, ColourMatrix, Frame, Mask, PixelFormat, ScoreMap

HEIGHT, WIDTH = 360, 640
CELL = 5
"""Pixels of a cell of the anomaly map, as with the built-in network."""

GREY = PixelFormat(ColourMatrix.BT601, full_range=False)

_Places = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One frame, what was scored and what is true."""

    frame: Frame
    raw_map: AnomalyMap
    gt_mask: Mask
    """On the grid of the map."""
    before: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
    """Column and row of the grid where each of its cells was in the frame before."""


def frame_of(luma: npt.NDArray[np.uint8], index: int, *, milliseconds: int = 40) -> Frame:
    plane = torch.from_numpy(luma)
    grey = torch.full((luma.shape[0] // 2, luma.shape[1] // 2), 128, dtype=torch.uint8)
    return Frame(index, index * milliseconds, Fraction(1, 1000), (plane, grey, grey), GREY)


def texture(height: int, width: int, seed: int) -> npt.NDArray[np.float32]:
    """Return smooth random greys with detail of every size."""
    random = np.random.default_rng(seed)
    total = np.zeros((height, width), np.float32)
    for size in (8, 24, 80):
        grid = random.standard_normal((height // size + 2, width // size + 2)).astype(np.float32)
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(120 + 26 * total, 16, 235), np.float32)


def shaky_drive(frames: int = 60, *, seed: int = 0) -> Iterator[Shot]:
    """Yield a drive whose scores miss the obstacle in a quarter of the frames and see ghosts."""
    random = np.random.default_rng(seed)
    ground, skin = texture(2 * HEIGHT, 2 * WIDTH, seed), texture(200, 200, seed + 1)
    last: _Places | None = None
    for index in range(frames):
        zoom = 0.8 * 1.012**index
        shake = random.normal(0, 4, 2)
        camera = np.array([[zoom, 0, shake[0]], [0, zoom, shake[1]], [0, 0, 1.0]])
        camera[:2, 2] += np.array([WIDTH / 2, HEIGHT / 2]) * (1 - 2 * zoom)
        own = np.array([[0.16, 0, 560 + 2.5 * index], [0, 0.16, 370], [0, 0, 1]])
        thing = camera @ own
        picture = cv2.warpAffine(ground, camera[:2], (WIDTH, HEIGHT))
        covered = cv2.warpAffine(np.ones_like(skin), thing[:2], (WIDTH, HEIGHT)) > 0.5
        picture[covered] = 255 - cv2.warpAffine(skin, thing[:2], (WIDTH, HEIGHT))[covered]
        gt_mask = covered[CELL // 2 :: CELL, CELL // 2 :: CELL]
        scores = _scored(gt_mask, random)
        luma = np.asarray(np.clip(picture + random.normal(0, 2, picture.shape), 0, 255), np.uint8)
        raw_map = AnomalyMap(index, scores, HEIGHT, WIDTH)
        poses = np.stack([camera, thing])
        yield Shot(frame_of(luma, index), raw_map, gt_mask, _origins(gt_mask, poses, last))
        last = poses


def _scored(gt_mask: Mask, random: np.random.Generator) -> ScoreMap:
    scores = random.normal(0.25, 0.06, gt_mask.shape)
    if random.random() >= 0.25:
        scores[gt_mask] = random.normal(0.8, 0.08, int(gt_mask.sum()))
    for _ in range(random.integers(0, 4)):
        row, column = random.integers(0, gt_mask.shape[0] - 6), random.integers(0, 120)
        scores[row : row + 5, column : column + 7] = random.normal(0.8, 0.05)
    return np.asarray(cv2.GaussianBlur(scores.clip(0, 1), (3, 3), 0), np.float32)


def _origins(
    gt_mask: Mask, poses: _Places, last: _Places | None
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    rows, columns = np.indices(gt_mask.shape)
    pixels = np.stack([columns * CELL + CELL / 2, rows * CELL + CELL / 2, np.ones(rows.shape)])
    if last is None:
        last = poses
    ways = [before @ np.linalg.inv(now) for before, now in zip(last, poses, strict=True)]
    was = [np.tensordot(way[:2], pixels, 1) for way in ways]
    x, y = (np.where(gt_mask, was[1][axis], was[0][axis]) / CELL - 0.5 for axis in (0, 1))
    return x.astype(np.float32), y.astype(np.float32)
