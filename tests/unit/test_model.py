from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from mmras_stream.errors import SettingsError
from mmras_stream.model import Model, load_model
from mmras_stream.models.checkpoint import read_card, rewrite_card, weights_path
from mmras_stream.scoring.views import with_coarse
from mmras_stream.settings import ModelSettings, ProposalSettings, ScoreSettings, Settings
from mmras_stream.testing import FakeBackend, FakeScorer
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


def noise(height: int, width: int) -> Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, height, width), generator=random).to(torch.uint8)


def batch_of(plane: Tensor) -> FrameBatch:
    rgb = PixelFormat(ColourMatrix.RGB, full_range=True)
    return FrameBatch((0, 1), (0, 1), Fraction(1, 25), (plane, plane, plane), rgb)


def test_a_score_that_looks_at_the_picture_sees_the_mirror_image_too() -> None:
    # 61 wide: every fourth column from the left is one from the right too
    batch = batch_of(noise(40, 61))
    model = Model(FakeBackend(), Bright(), threshold=0.5, flip=True)
    seen = model.score_maps(batch, model.predict(batch))
    for one, plain in zip(seen, Bright().score(batch, model.predict(batch)[0]), strict=True):
        np.testing.assert_array_equal(one.scores, plain.scores)


def test_the_road_is_where_its_class_is_highest_and_unknown_without_one() -> None:
    batch = batch_of(torch.zeros(2, 8, 8, dtype=torch.uint8))
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


def seen_by(model: Model, *, width: int) -> tuple[AnomalyMap, ...]:
    batch = batch_of(noise(48, width))
    return tuple(model.score_maps(batch, model.predict(batch)))


@dataclass
class Uniform(FakeBackend):
    """Says of every place, on a grid half as fine, how strange it is."""

    logit: float = 0.0

    def predict(self, batch: FrameBatch) -> SegmentationOutput:
        grid = torch.full((len(batch), batch.height // 8, batch.width // 8), self.logit)
        return SegmentationOutput(grid[:, None], grid[:, None], grid)


@pytest.mark.parametrize(("logit", "score"), [(1.0, 1.0), (-1.0, 0.0), (0.0, 0.5)])
def test_a_coarse_look_lifts_scores_half_the_way_and_lowers_them_a_fifth(
    logit: float, score: float
) -> None:
    plain = seen_by(Model(FakeBackend(), FakeScorer(), threshold=0.5), width=64)
    coarse = Uniform(logit=logit)
    joined = seen_by(Model(FakeBackend(), FakeScorer(), 0.5, coarse=coarse), width=64)
    assert len(joined) == 2
    for one, fine in zip(joined, plain, strict=True):
        away = score - fine.scores
        wanted = fine.scores + np.where(away > 0, 0.5, 0.2) * away
        np.testing.assert_allclose(one.scores, wanted, atol=1e-6)
        assert one.scores.dtype == np.float32
        assert one.frame_index == fine.frame_index


def test_the_compact_network_looks_at_half_the_size_where_scales_are_asked_for() -> None:
    small = ModelSettings(input_width=64, device="cpu", precision="float32")
    single, known = ScoreSettings(tta="none"), ProposalSettings(threshold=0.5)
    both = load_model(Settings(model=small, score=ScoreSettings(tta="scales"), proposals=known))
    fine, half = (
        load_model(Settings(model=replace(small, input_width=w), score=single, proposals=known))
        for w in (64, 32)
    )
    seen, plain, coarse = (seen_by(model, width=128) for model in (both, fine, half))
    assert coarse[0].scores.shape == tuple(side // 2 for side in plain[0].scores.shape)
    for one, own, other in zip(seen, plain, coarse, strict=True):
        np.testing.assert_array_equal(one.scores, with_coarse(own.scores, other.scores))


def calibrated(folder: Path, calibration: dict[str, object]) -> ModelSettings:
    own = Path(shutil.copy(weights_path("embedded"), folder / "own.safetensors"))
    rewrite_card(own, replace(read_card(own), calibration=calibration))
    return ModelSettings(weights=str(own))


def test_weights_are_looked_through_as_they_were_calibrated(tmp_path: Path) -> None:
    built_in = load_model(Settings())
    assert (built_in.tta, built_in.flip) == ("scales", False)
    assert built_in.coarse is not None
    model = load_model(Settings(model=calibrated(tmp_path, {"score": {"tta": "none"}})))
    assert (model.tta, model.coarse) == ("none", None)


@pytest.mark.parametrize("tta", ["none", "flip"])
def test_a_threshold_that_was_found_with_other_looks_is_refused(
    tta: Literal["none", "flip"],
) -> None:
    score = ScoreSettings(tta=tta)
    with pytest.raises(SettingsError, match=f"calibrated with score.tta 'scales', not '{tta}'"):
        load_model(Settings(score=score))
    own = load_model(Settings(score=score, proposals=ProposalSettings(threshold=0.8)))
    assert (own.tta, own.coarse, own.flip) == (tta, None, tta == "flip")


def test_looks_that_are_unknown_are_refused(tmp_path: Path) -> None:
    weights = calibrated(tmp_path, {"score": {"tta": "rotate"}})
    with pytest.raises(SettingsError, match="'rotate', which is not known"):
        load_model(Settings(model=weights))


@pytest.mark.parametrize("calibration", [{}, {"score": 5}, {"score": {}}, {"score": ["tta"]}])
def test_weights_that_do_not_say_were_calibrated_with_one_look(
    calibration: dict[str, object], tmp_path: Path
) -> None:
    assert load_model(Settings(model=calibrated(tmp_path, calibration))).tta == "none"


def test_scales_are_refused_of_a_network_that_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmras_stream.model.load", lambda _kind, _name: lambda _s: FakeBackend())
    scales = ScoreSettings(name="outlier", tta="scales")
    with pytest.raises(SettingsError, match="'scales' needs a network that can look at half"):
        load_model(Settings(score=scales, proposals=ProposalSettings(threshold=0.5)))
