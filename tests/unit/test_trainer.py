from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmras_stream.errors import CheckpointError, DataError
from mmras_stream.models.checkpoint import load_network
from mmras_stream.training.data import Crop, CropSource
from mmras_stream.training.loop import Trainer
from mmras_stream.training.losses import class_loss, outlier_loss, ranking_loss
from mmras_stream.training.recipe import Loss, Recipe, Stage
from mmras_stream.types import SegmentationOutput
from road_pictures import small_recipe, write_pictures


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_pictures(tmp_path)


@pytest.fixture
def recipe() -> Recipe:
    return small_recipe()


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
        total = class_loss(output, classes) + outlier_loss(logits, outliers, weights, how)
        return float(total)

    assert loss(8.0, 3.0) == loss(8.0, -30.0)
    assert loss(8.0, 0.0) < loss(1.0, 0.0) < loss(-4.0, 0.0)


def test_ranking_asks_for_a_margin_between_strange_and_ordinary() -> None:
    outliers = torch.tensor([[[1.0, 0.0, -1.0]], [[0.0, 0.0, 0.0]]])

    def loss(strange: float, ordinary: float) -> float:
        logits = torch.tensor([[[strange, ordinary, 99.0]], [[50.0, 50.0, 50.0]]])
        return float(ranking_loss(logits, outliers, margin=2.0))

    assert loss(2.0, 0.0) == pytest.approx(np.log(2))
    assert loss(5.0, 0.0) == loss(7.0, 2.0) < loss(2.0, 0.0) < loss(0.0, 2.0)
    nothing = torch.zeros(1, 1, 3, requires_grad=True)
    assert float(ranking_loss(nothing, -torch.ones(1, 1, 3), margin=2.0).detach()) == 0


@pytest.mark.parametrize(("learns", "moves"), [("classes", False), ("outliers", True)])
def test_a_stage_leaves_alone_what_it_does_not_learn(
    data: Path, recipe: Recipe, tmp_path: Path, learns: str, *, moves: bool
) -> None:
    before, after = tmp_path / "before.safetensors", tmp_path / "after.safetensors"
    list(Trainer(recipe, data, before).run())
    stage = replace(recipe.stages[0], learns=learns, ranking=0.5)
    list(Trainer(replace(recipe, stages=(stage,)), data, after, start=before).run())
    first, second = (load_network(path)[0].state_dict() for path in (before, after))
    for name, value in first.items():
        is_head = name.startswith("outlier")
        if is_head != moves:
            torch.testing.assert_close(second[name], value, rtol=0, atol=0, msg=name)
    assert any(not torch.equal(second[name], value) for name, value in first.items())


def test_weights_that_are_written_may_keep_a_share_of_those_before(
    data: Path, recipe: Recipe, tmp_path: Path
) -> None:
    before = tmp_path / "before.safetensors"
    list(Trainer(recipe, data, before).run())
    states = []
    for share in (0.0, 0.5, 1.0):
        schedule = replace(recipe.schedule, kept_share=share)
        out = tmp_path / f"{share}.safetensors"
        list(Trainer(replace(recipe, schedule=schedule), data, out, start=before).run())
        states.append(load_network(out)[0].state_dict())
    new, mean, old = states
    start = load_network(before)[0].state_dict()
    assert any(not torch.equal(new[name], start[name]) for name in start)
    numbers = {name: value for name, value in start.items() if value.is_floating_point()}
    for name, value in numbers.items():
        torch.testing.assert_close(old[name], value, rtol=0, atol=0, msg=name)
        between = (new[name] + value) / 2
        torch.testing.assert_close(mean[name], between, rtol=2e-3, atol=1e-4, msg=name)


def test_training_resumes_in_the_stage_where_it_stopped(
    data: Path, recipe: Recipe, tmp_path: Path
) -> None:
    out = tmp_path / "w.safetensors"
    stages = tuple(
        Stage(name, learns, minutes=9.0, steps=2, learning_rate=1e-3)
        for name, learns in (("inlier", "classes"), ("head", "outliers"), ("joint", "everything"))
    )
    staged = replace(recipe, stages=stages)
    steps = Trainer(staged, data, out).run()
    assert [next(steps).stage for _ in range(3)] == ["inlier", "inlier", "head"]
    steps.close()
    with pytest.raises(CheckpointError, match="belongs to the stages inlier, head, joint"):
        Trainer(staged.only(["joint"]), data, out).resume()
    again = Trainer(staged, data, out)
    assert again.resume()
    rest = list(again.run())
    assert [(p.step, p.stage) for p in rest] == [(4, "head"), (5, "joint"), (6, "joint")]
    assert rest[-1].share_done == 1


def test_a_crop_that_fails_stops_training_and_leaves_no_thread(
    data: Path, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = CropSource.__getitem__

    def fail_later(self: CropSource, number: int) -> Crop:
        if number == 5:
            raise DataError("the disk is gone")
        return made(self, number)

    monkeypatch.setattr(CropSource, "__getitem__", fail_later)
    trainer = Trainer(recipe, data, tmp_path / "w.safetensors")
    with pytest.raises(DataError, match="the disk is gone"):
        list(trainer.run())
    assert not any(thread.name == "mmras-prefetch" for thread in threading.enumerate())
    assert trainer.checkpoint_path.exists()


def test_weights_of_other_classes_are_a_start_but_for_these(
    data: Path, recipe: Recipe, tmp_path: Path
) -> None:
    other = replace(recipe, network=replace(recipe.network, classes=(*recipe.classes, "ceiling")))
    list(Trainer(other, data, tmp_path / "other.safetensors").run())
    still = replace(recipe.stages[0], learning_rate=0.0)
    after = tmp_path / "w.safetensors"
    start = tmp_path / "other.safetensors"
    list(Trainer(replace(recipe, stages=(still,)), data, after, start=start).run())
    first, second = (load_network(path)[0] for path in (start, after))
    assert second.config.classes == recipe.classes
    before, now = first.state_dict(), second.state_dict()
    assert torch.equal(before["fuse4.0.weight"], now["fuse4.0.weight"])
    assert second.class_head.weight.shape[0] == len(recipe.classes)


def test_weights_of_another_shape_are_no_start(data: Path, recipe: Recipe, tmp_path: Path) -> None:
    other = replace(recipe, network=replace(recipe.network, fused_width=24))
    list(Trainer(other, data, tmp_path / "other.safetensors").run())
    with pytest.raises(CheckpointError, match=r"another shape, .*fused_width=24.*; the recipe has"):
        Trainer(recipe, data, tmp_path / "w.safetensors", start=tmp_path / "other.safetensors")


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
    resumed = load_network(parts)[0].state_dict()
    for name, value in load_network(whole)[0].state_dict().items():
        torch.testing.assert_close(resumed[name], value, rtol=1e-3, atol=1e-3)


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


def test_a_group_has_the_probability_of_its_classes() -> None:
    scores = torch.randn(2, 4, 3, 5, generator=torch.Generator().manual_seed(0))
    output = SegmentationOutput(class_scores=scores, features=scores)
    labels = torch.full((2, 3, 5), 255)
    labels[0, 0], labels[1, 2, :2], labels[1, 1] = 4, 5, 2  # classes 0 and 3; 1; class 2
    shares = scores.softmax(1)
    wanted = -torch.cat(
        [
            (shares[0, 0, 0] + shares[0, 3, 0]).log(),
            shares[1, 1, 2, :2].log(),
            shares[1, 2, 1].log(),
        ]
    ).mean()
    torch.testing.assert_close(class_loss(output, labels, [(0, 3), (1,)]), wanted)
    nothing = torch.full((2, 3, 5), 255)
    assert float(class_loss(output, nothing, [(0, 3)])) == 0


def test_frozen_statistics_keep_their_statistics(
    data: Path, recipe: Recipe, tmp_path: Path
) -> None:
    before, after = tmp_path / "before.safetensors", tmp_path / "after.safetensors"
    list(Trainer(recipe, data, before).run())
    stage = replace(recipe.stages[0], frozen_statistics=True)
    list(Trainer(replace(recipe, stages=(stage,)), data, after, start=before).run())
    first, second = (load_network(path)[0].state_dict() for path in (before, after))
    moved = {name for name, value in first.items() if not torch.equal(second[name], value)}
    assert moved
    assert not any(name.endswith(("running_mean", "running_var")) for name in moved)
