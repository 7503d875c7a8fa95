from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch

from mmras_stream.errors import SettingsError
from mmras_stream.model import Model, load_model
from mmras_stream.settings import ProposalSettings, Settings
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


def test_the_road_is_where_its_class_is_highest_and_unknown_without_one() -> None:
    plane = torch.zeros(2, 8, 8, dtype=torch.uint8)
    rgb = PixelFormat(ColourMatrix.RGB, full_range=True)
    batch = FrameBatch((0, 1), (0, 1), Fraction(1, 25), (plane, plane, plane), rgb)
    class_scores = torch.zeros(2, 3, 4, 4)
    class_scores[1, 2, 2:] = 1.0
    outputs = [SegmentationOutput(class_scores, class_scores)]
    model = Model(FakeBackend(), Bright(), threshold=0.5, road=2)
    first, second = model.road_masks(batch, outputs)
    assert first is not None
    assert second is not None
    assert (int(first.sum()), int(second[2:].sum()), int(second.sum())) == (0, 8, 8)
    blind = Model(FakeBackend(), Bright(), threshold=0.5)
    assert blind.road_masks(batch, outputs) == [None, None]


def test_a_place_on_the_road_cannot_be_asked_of_a_network_that_knows_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mmras_stream.model.load", lambda _kind, _name: lambda _s: FakeBackend())
    wanted = ProposalSettings(on_road=0.5)
    with pytest.raises(SettingsError, match="needs a network with a class for the road"):
        load_model(Settings(proposals=wanted))
