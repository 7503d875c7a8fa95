from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmras_stream.errors import CheckpointError, DataError, SettingsError
from mmras_stream.models.checkpoint import load_network
from mmras_stream.training.data import CropSource
from mmras_stream.training.loop import Trainer
from mmras_stream.training.losses import segmentation_loss
from mmras_stream.training.outliers import OUTLIER, Cutout, paste
from mmras_stream.training.recipe import Loss, Recipe, Source, load_recipe
from mmras_stream.types import SegmentationOutput

ROAD, SKY = 0, 6


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Eight pictures of grey road under blue sky with a vehicle, and three round cut-outs."""
    rng = np.random.default_rng(0)
    for part in ("images", "labels", "cutouts"):
        (tmp_path / part).mkdir()
    for number in range(8):
        picture = np.full((96, 144, 3), (200, 150, 90), np.uint8)
        labels = np.full((96, 144), SKY, np.uint8)
        picture[40:], labels[40:] = (90, 90, 90), ROAD
        picture[45:75, 30:70], labels[45:75, 30:70] = (30, 30, 160), 3
        picture += rng.integers(0, 9, picture.shape, np.uint8)
        cv2.imwrite(str(tmp_path / "images" / f"{number}.png"), picture)
        cv2.imwrite(str(tmp_path / "labels" / f"{number}.png"), labels)
    for number in range(3):
        cutout = np.zeros((40, 40, 4), np.uint8)
        cv2.circle(cutout, (20, 20), 18, (0, 200, 255, 255), -1)
        cv2.imwrite(str(tmp_path / "cutouts" / f"{number}.png"), cutout)
    return tmp_path


@pytest.fixture
def recipe() -> Recipe:
    shipped = load_recipe("embedded")
    source = Source("tiny", "images", "labels", tuple(range(7)), share=1.0)
    schedule = replace(
        shipped.schedule, steps=6, minutes=60.0, batch_size=2, crop_height=64, crop_width=96
    )
    style = replace(shipped.augmentation, width_range=(96, 200))
    return replace(
        shipped,
        schedule=schedule,
        augmentation=style,
        sources=(source,),
        drawn=replace(shipped.drawn, share=0.0),
    )


def test_a_crop_is_the_same_each_time_it_is_asked_for(data: Path, recipe: Recipe) -> None:
    first, again = CropSource(recipe, data), CropSource(recipe, data)
    for number in (0, 7, 1000):
        np.testing.assert_array_equal(first[number].image, again[number].image)
        np.testing.assert_array_equal(first[number].outliers, again[number].outliers)


def test_crops_hold_strange_things_without_a_class_and_ordinary_ones_with(
    data: Path, recipe: Recipe
) -> None:
    crops = [CropSource(recipe, data)[number] for number in range(40)]
    strange = [crop for crop in crops if (crop.outliers == 1).any()]
    assert 15 <= len(strange) < 40
    for crop in crops:
        assert crop.image.shape == (64, 96, 3)
        assert crop.classes.shape == crop.outliers.shape == crop.weights.shape == (16, 24)
        assert (crop.classes[crop.outliers == 1] == 255).all()
        assert set(np.unique(crop.classes)) <= {0, 1, 2, 3, 4, 5, 6, 255}


def test_validation_uses_cutouts_that_training_does_not(data: Path, recipe: Recipe) -> None:
    training = CropSource(recipe, data)._cutouts
    validation = CropSource(recipe, data, validation=True)._cutouts
    assert len(training) + len(validation) == 3
    assert validation


def test_a_drawn_scene_teaches_its_obstacle(data: Path, recipe: Recipe) -> None:
    drawn = replace(recipe.drawn, share=1.0, scenes=2, frames_per_scene=3)
    outliers = replace(recipe.outliers, probability=0.0, inlier_probability=0.0)
    only_drawn = replace(
        recipe, drawn=drawn, outliers=outliers, sources=(replace(recipe.sources[0], share=0.0),)
    )
    source = CropSource(only_drawn, data)
    assert any((source[number].outliers == 1).any() for number in range(20))


def test_a_pasted_thing_stands_on_its_foot_with_a_rim_that_is_not_counted() -> None:
    image, labels = np.zeros((60, 80, 3), np.uint8), np.zeros((60, 80), np.uint8)
    thing = Cutout(np.full((20, 20, 3), 200, np.uint8), np.ones((20, 20), np.float32))
    weights = np.ones(labels.shape, np.float32)
    paste(image, labels, weights, thing, foot=(50, 40), height=10, rng=np.random.default_rng(0))
    rows, columns = np.nonzero(labels == OUTLIER)
    assert abs(int(rows.max()) - 49) <= 1
    assert (rows.max() - rows.min() + 1, columns.max() - columns.min() + 1) == (10, 10)
    assert (labels == 255).any()
    assert weights[labels == OUTLIER].min() > 1  # small things weigh more


@pytest.mark.parametrize("foot", [(0, 0), (59, 79), (200, 40), (30, -50)])
def test_a_thing_pasted_over_the_edge_is_cut(foot: tuple[int, int]) -> None:
    image, labels = np.zeros((60, 80, 3), np.uint8), np.zeros((60, 80), np.uint8)
    thing = Cutout(np.full((20, 20, 3), 200, np.uint8), np.ones((20, 20), np.float32))
    paste(
        image,
        labels,
        np.ones(labels.shape, np.float32),
        thing,
        foot=foot,
        height=30,
        rng=np.random.default_rng(0),
    )


def test_the_loss_ignores_what_is_not_known_and_falls_when_right() -> None:
    how = Loss(outlier=1.0, positive_weight=4.0, dice=0.5)
    classes = torch.tensor([[[0, 1], [255, 0]]])
    outliers = torch.tensor([[[0.0, 1.0], [-1.0, 0.0]]])
    weights = torch.ones_like(outliers)

    def loss(strength: float, doubtful: float) -> float:
        logits = torch.tensor([[[-strength, strength], [doubtful, -strength]]])
        scores = torch.zeros(1, 2, 2, 2)
        scores[0, 0, 0, 0] = scores[0, 1, 0, 1] = scores[0, 0, 1, 1] = strength
        scores[0, 1, 1, 0] = doubtful
        output = SegmentationOutput(scores, torch.zeros(1), logits)
        return float(segmentation_loss(output, classes, outliers, weights, how))

    assert loss(8.0, 3.0) == loss(8.0, -30.0)
    assert loss(8.0, 0.0) < loss(1.0, 0.0) < loss(-4.0, 0.0)


def test_training_writes_weights_that_load(data: Path, recipe: Recipe, tmp_path: Path) -> None:
    out = tmp_path / "w.safetensors"
    trainer = Trainer(recipe, data, out)
    progress = list(trainer.run())
    assert [p.step for p in progress] == [1, 2, 3, 4, 5, 6]
    assert progress[-1].share_done == 1
    network, card = load_network(out)
    assert card.recipe["seed"] == recipe.seed
    assert card.provenance["steps"] == 6
    assert not trainer.checkpoint_path.exists()
    assert network.config.classes == recipe.classes


def test_interrupted_training_ends_where_uninterrupted_training_does(
    data: Path, recipe: Recipe, tmp_path: Path
) -> None:
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    for _ in Trainer(recipe, data, whole).run():
        pass
    first = Trainer(recipe, data, parts)
    steps = first.run()
    for _ in range(3):
        next(steps)
    steps.close()
    second = Trainer(recipe, data, parts)
    assert second.resume()
    assert [p.step for p in second.run()] == [4, 5, 6]
    for name, value in load_network(whole)[0].state_dict().items():
        other = load_network(parts)[0].state_dict()[name]
        torch.testing.assert_close(other, value, rtol=1e-3, atol=1e-3)


def test_a_damaged_checkpoint_is_refused(data: Path, recipe: Recipe, tmp_path: Path) -> None:
    trainer = Trainer(recipe, data, tmp_path / "w.safetensors")
    assert not trainer.resume()
    trainer.checkpoint_path.write_bytes(b"no checkpoint")
    with pytest.raises(CheckpointError, match=r"cannot resume from .* delete it to start afresh"):
        trainer.resume()


def test_missing_data_are_named(data: Path, recipe: Recipe) -> None:
    (data / "labels" / "3.png").unlink()
    with pytest.raises(DataError, match=r"source 'tiny': 3.png has no labels at"):
        CropSource(recipe, data)
    with pytest.raises(DataError, match=r"no folder .*nowhere.*; is --data right"):
        CropSource(recipe, data / "nowhere")


def test_labels_of_another_size_are_named(data: Path, recipe: Recipe) -> None:
    cv2.imwrite(str(data / "labels" / "2.png"), np.zeros((4, 4), np.uint8))
    with pytest.raises(DataError, match=r"2.png is 144x96, its labels have shape \(4, 4\)"):
        CropSource(recipe, data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("seed = 7", "sed = 7"), "unknown 'sed'; known"),
        (("share = 0.55", "shard = 0.55"), "sources: unknown 'shard'"),
        (("dice = 0.5", ""), "loss: .*missing 1 required positional argument: 'dice'"),
        (("seed = 7", "seed ="), "is not TOML"),
    ],
)
def test_a_recipe_with_a_wrong_key_is_refused(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    from importlib.resources import files

    text = (files("mmras_stream.training") / "recipes" / "embedded.toml").read_text("utf-8")
    path = tmp_path / "r.toml"
    path.write_text(text.replace(*change))
    with pytest.raises(SettingsError, match=message):
        load_recipe(path)


def test_an_unknown_recipe_is_named() -> None:
    with pytest.raises(SettingsError, match=r"no recipe 'embeded'.*try 'embedded'"):
        load_recipe("embeded")
