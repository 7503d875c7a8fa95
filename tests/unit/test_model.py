from __future__ import annotations

from fractions import Fraction

import numpy as np
import torch

from mmras_stream.model import Model
from mmras_stream.testing import FakeBackend
from mmras_stream.types import (
    AnomalyMap,
    ColourMatrix,
    FrameBatch,
    PixelFormat,
    SegmentationOutput,
)


class Bright:
    """Scores a picture by what the batch shows, whatever the network said."""

    def score(self, batch: FrameBatch, _output: SegmentationOutput) -> list[AnomalyMap]:
        grids = batch.planes[0][:, ::4, ::4].float().numpy()
        return [
            AnomalyMap(index, grid, batch.height, batch.width)
            for index, grid in zip(batch.index, grids, strict=True)
        ]


def test_a_score_that_looks_at_the_picture_sees_the_mirror_image_too() -> None:
    # 61 wide: every fourth column from the left is one from the right too
    plane = torch.randint(0, 256, (2, 40, 61), generator=torch.Generator().manual_seed(0))
    plane = plane.to(torch.uint8)
    rgb = PixelFormat(ColourMatrix.RGB, full_range=True)
    batch = FrameBatch((0, 1), (0, 1), Fraction(1, 25), (plane, plane, plane), rgb)
    model = Model(FakeBackend(), Bright(), threshold=0.5, flip=True)
    seen = model.score_maps(batch, model.predict(batch))
    for one, plain in zip(seen, Bright().score(batch, model.predict(batch)[0]), strict=True):
        np.testing.assert_array_equal(one.scores, plain.scores)
