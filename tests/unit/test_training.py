from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from clips import Clip, write
from mmras_stream.errors import DataError, SettingsError
from mmras_stream.evaluation.datasets import open_split
from mmras_stream.synthetic.cutouts import OUTLIER, Cutout
from mmras_stream.training import weather
from mmras_stream.training.data import Crop, CropSource
from mmras_stream.training.loading import load_drawn
from mmras_stream.training.outliers import paste
from mmras_stream.training.recipe import Drive, Recipe
from mmras_stream.training.things import KINDS, Supply
from mmras_stream.training.validation import write_validation_set
from road_pictures import small_recipe, write_pictures


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_pictures(tmp_path)


@pytest.fixture
def recipe() -> Recipe:
    return small_recipe()


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
        assert set(np.unique(crop.classes)) <= {*range(14), 255}


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
    masks = [cv2.imread(str(s.gt), cv2.IMREAD_UNCHANGED) for s in open_split(folders[0]).samples]
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
    with pytest.raises(SettingsError, match="a kind of thing 'yeti'; known: cutout, silhouette"):
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
    wide = replace(recipe.sources[0], wide_is_doubtful="vehicle")  # the vehicles, wider than tall
    always = replace(recipe.outliers, probability=0.0, inlier_probability=1.0)
    steady = replace(recipe.augmentation, bonnet=0.0, text=0.0)
    source = CropSource(
        replace(recipe, sources=(wide,), outliers=always, augmentation=steady), data
    )
    assert not any(
        (source[number].classes == recipe.label_number("vehicle")).any() for number in range(20)
    )


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


def test_strange_things_lie_beside_the_road_of_drawn_scenes(recipe: Recipe) -> None:
    ordinary = replace(recipe, drawn=replace(recipe.drawn, scenes=1, frames_per_scene=6))
    strewn = replace(ordinary, drawn=replace(ordinary.drawn, beside=1.0))
    # nothing strange is in the first scene of a recipe
    assert not any((picture.labels == OUTLIER).any() for picture in load_drawn(ordinary))
    shown = [np.nonzero(picture.labels == OUTLIER)[1] for picture in load_drawn(strewn)]
    columns = [float(places.mean()) for places in shown if places.size]
    assert len(columns) >= 3  # others hide behind what grows there
    assert np.ptp(columns) > 20  # each picture has its own


def test_things_are_cut_off_by_the_lower_border_where_asked(data: Path, recipe: Recipe) -> None:
    alone = replace(
        recipe.outliers, probability=1.0, most=1, inlier_probability=0.0, kinds={"patch": 1.0}
    )
    shown = {}
    for share in (0.0, 1.0):
        source = CropSource(replace(recipe, outliers=replace(alone, cut_off=share)), data)
        masks = [source.compose(number).labels == OUTLIER for number in range(12)]
        shown[share] = [mask[-2:].any() for mask in masks if mask.any()]
    assert sum(shown[0.0]) < 3
    assert sum(shown[1.0]) >= 10


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
