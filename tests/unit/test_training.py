from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from clips import Clip, write
from mmras_stream.errors import CheckpointError, DataError, SettingsError
from mmras_stream.evaluation.datasets import list_samples
from mmras_stream.models.checkpoint import load_network
from mmras_stream.training import weather
from mmras_stream.training.data import Crop, CropSource
from mmras_stream.training.loop import Trainer
from mmras_stream.training.losses import class_loss, outlier_loss, ranking_loss
from mmras_stream.training.outliers import OUTLIER, Cutout, paste
from mmras_stream.training.recipe import Drive, Loss, Recipe, Source, Stage, load_recipe
from mmras_stream.training.things import KINDS, Supply
from mmras_stream.training.validation import write_validation_set
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
    schedule = replace(shipped.schedule, batch_size=2, crop_height=64, crop_width=96)
    stage = replace(shipped.stages[0], steps=6, minutes=60.0)
    style = replace(shipped.augmentation, width_range=(96, 200))
    return replace(
        shipped,
        schedule=schedule,
        stages=(stage,),
        augmentation=style,
        sources=(source,),
        drawn=replace(shipped.drawn, share=0.0),
    )


def with_validation_source(recipe: Recipe) -> Recipe:
    kept = replace(recipe.sources[0], name="kept", validation=True)
    return replace(recipe, sources=(*recipe.sources, kept))


def crops_of_a_drive(data: Path, recipe: Recipe, count: int) -> list[Crop]:
    write(data / "calm.mp4", Clip(frames=6))
    drive = Drive("calm", "calm.mp4", share=1.0, horizon=0.4, every_seconds=0.05)
    sources = (replace(recipe.sources[0], share=0.0),)
    source = CropSource(replace(recipe, sources=sources, drives=(drive,)), data)
    return [source[number] for number in range(count)]


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


def test_validation_uses_cutouts_and_pictures_that_training_does_not(
    data: Path, recipe: Recipe
) -> None:
    kept = with_validation_source(recipe)
    training = CropSource(kept, data)
    validation = CropSource(kept, data, validation=True)
    assert len(training._cutouts) + len(validation._cutouts) == 3
    assert validation._cutouts
    assert len(training._labelled) == len(validation._labelled) == 8


def test_the_validation_set_is_the_same_on_every_call_and_never_overwritten(
    data: Path, recipe: Recipe, tmp_path: Path
) -> None:
    kept = with_validation_source(recipe)
    folders = [tmp_path / name for name in ("first", "again")]
    for folder in folders:
        assert len(list(write_validation_set(kept, data, folder, pictures=6))) == 6
    names = [sorted(p.relative_to(f) for p in f.rglob("*.png")) for f in folders]
    assert names[0] == names[1]
    for name in names[0]:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()
    masks = [cv2.imread(str(s.gt_mask), cv2.IMREAD_UNCHANGED) for s in list_samples(folders[0])]
    assert {int(v) for mask in masks for v in np.unique(np.asarray(mask))} == {0, 1, 255}
    with pytest.raises(DataError, match="is not empty; give a new folder"):
        next(write_validation_set(kept, data, folders[0]))


def test_validation_without_sources_of_its_own_is_refused(data: Path, recipe: Recipe) -> None:
    with pytest.raises(SettingsError, match=r"no \[\[sources\]\] with validation = true"):
        CropSource(recipe, data, validation=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_strange_thing_has_an_outline_and_a_look(kind: str) -> None:
    rng = np.random.default_rng(3)
    picture = rng.integers(0, 255, (90, 120, 3), np.uint8)
    cutout = Cutout(picture[:40, :40], np.ones((40, 40), np.float32))
    ground = np.zeros((90, 120), np.bool_)
    ground[50:] = True
    supply = Supply([cutout], [picture], picture, ground)
    for _ in range(20):
        thing = KINDS[kind](supply, rng)
        assert thing.image.dtype == np.uint8
        assert thing.image.shape == (*thing.alpha.shape, 3)
        assert (thing.alpha > 0.5).mean() > 0.01
        assert thing.label == OUTLIER


def test_an_unknown_kind_of_thing_is_named(data: Path, recipe: Recipe) -> None:
    odd = replace(recipe, outliers=replace(recipe.outliers, kinds={"cutout": 1.0, "yeti": 1.0}))
    with pytest.raises(SettingsError, match="a kind of thing 'yeti'; known: cutout, shape"):
        CropSource(odd, data)


def test_a_drive_teaches_that_all_of_it_is_ordinary_and_no_class(
    data: Path, recipe: Recipe
) -> None:
    calm = replace(recipe.outliers, probability=0.0, inlier_probability=0.0)
    for crop in crops_of_a_drive(data, replace(recipe, outliers=calm), 8):
        assert (crop.classes == 255).all()
        assert (crop.outliers <= 0).all()
        assert (crop.outliers == 0).any()


def test_what_may_be_an_animal_is_never_pasted_as_ordinary(data: Path, recipe: Recipe) -> None:
    wide = replace(recipe.sources[0], wide_class_is_doubtful=3)  # the vehicles, wider than tall
    always = replace(recipe.outliers, probability=0.0, inlier_probability=1.0)
    steady = replace(recipe.augmentation, bonnet=0.0, text=0.0)
    source = CropSource(
        replace(recipe, sources=(wide,), outliers=always, augmentation=steady), data
    )
    assert not any((source[number].classes == 3).any() for number in range(20))


def test_strange_things_are_pasted_onto_drives_too(data: Path, recipe: Recipe) -> None:
    crops = crops_of_a_drive(data, recipe, 8)
    assert any((crop.outliers == 1).any() for crop in crops)


def test_a_missing_drive_is_named(data: Path, recipe: Recipe) -> None:
    drive = Drive("calm", "nowhere.mp4", share=1.0, horizon=0.5)
    with pytest.raises(DataError, match=r"drive 'calm': no video at .*nowhere.mp4"):
        CropSource(replace(recipe, drives=(drive,)), data)


def test_weather_changes_the_picture_as_it_should() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(60, 200, (80, 120, 3), np.uint8)
    night, fog = weather.fall_night(picture, 40.0, rng), weather.raise_fog(picture, 40.0, rng)
    drops, smeared = weather.splash_drops(picture, rng), weather.smear(picture, rng)
    for changed in (night, fog, drops, smeared):
        assert changed.shape == picture.shape
        assert changed.dtype == np.uint8
    assert night.mean() < 0.9 * picture.mean()
    assert fog[:40].std() < fog[70:].std() < picture.std() + 1
    assert 0 < (drops != picture).mean() < 1
    assert np.abs(np.diff(smeared.astype(int), axis=1)).mean() < 40


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


def test_weights_of_other_classes_are_no_start(data: Path, recipe: Recipe, tmp_path: Path) -> None:
    other = replace(recipe, classes=(*recipe.classes[:-1], "ceiling"))
    list(Trainer(other, data, tmp_path / "other.safetensors").run())
    with pytest.raises(CheckpointError, match=r"knows the classes .*ceiling; the recipe has"):
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("seed = 7", "sed = 7"), "unknown 'sed'; known"),
        (("share = 0.55", "shard = 0.55"), "sources: unknown 'shard'"),
        (("dice = 0.5", ""), "loss: .*missing 1 required positional argument: 'dice'"),
        (("seed = 7", "seed ="), "is not TOML"),
        (("[[stages]]", "[[drives]]"), "drives: unknown 'learning_rate'"),
        (('"everything"', '"everythin"'), "learns 'everythin' is unknown; did you mean 'every"),
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


def test_stages_are_chosen_by_name_and_share_the_minutes() -> None:
    staged = load_recipe("staged")
    chosen = staged.only(["joint", "head"]).lasting(16.0)
    assert [stage.name for stage in chosen.stages] == ["head", "joint"]
    assert sum(stage.minutes for stage in chosen.stages) == pytest.approx(16.0)
    with pytest.raises(SettingsError, match="stage 'hed' is unknown; did you mean 'head'"):
        staged.only(["hed"])


def test_the_measured_clips_are_in_no_recipe() -> None:
    allowed = {"tmo_seattlestreet1", "tmo_night", "kb_dashcam", "carnd_vehicle_test_video"}
    for name in ("embedded", "staged"):
        recipe = load_recipe(name)
        assert {Path(drive.video).stem for drive in recipe.drives} <= allowed
        assert not any(source.images.startswith("dev") for source in recipe.sources)


def test_an_unknown_recipe_is_named() -> None:
    with pytest.raises(SettingsError, match=r"no recipe 'embeded'.*try 'embedded'"):
        load_recipe("embeded")
