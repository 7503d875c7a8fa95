from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmras_stream.errors import CheckpointError, DataError, SettingsError
from mmras_stream.models.checkpoint import (
    WeightsCard,
    load_network,
    read_card,
    rewrite_card,
    save_weights,
)
from mmras_stream.models.compact import CompactConfig, CompactNetwork
from mmras_stream.synthetic.cutouts import OUTLIER
from mmras_stream.training.examples import load_examples
from mmras_stream.training.loop import Trainer
from mmras_stream.training.losses import keep_loss, outlier_loss
from mmras_stream.training.recipe import Loss, Recipe, Reviewed
from mmras_stream.training.recipe_file import load_recipe
from mmras_stream.training.tuning import TuningCrops, tuned
from mmras_stream.training.weights import first_network
from mmras_stream.types import SegmentationOutput
from reviews import annotation, compressed, square, write_coco, write_pictures

RIGHT, WRONG = square(10, 40), square(80, 40)


@pytest.fixture
def review(tmp_path: Path) -> Reviewed:
    write_pictures(tmp_path, "000001.jpg", "000002.jpg")
    regions = [annotation(compressed(RIGHT)), annotation(compressed(WRONG), category_id=2)]
    write_coco(tmp_path / "reviewed.json", regions, ("000001.jpg", "000002.jpg"))
    return Reviewed("monday", "reviewed.json", ".")


@pytest.fixture
def recipe(review: Reviewed) -> Recipe:
    shipped = load_recipe("tuning")
    return replace(
        shipped,
        schedule=replace(shipped.schedule, batch_size=2, crop_height=64, crop_width=96),
        stages=tuple(replace(stage, steps=2) for stage in shipped.stages),
        augmentation=replace(shipped.augmentation, width_range=(96, 160)),
        sources=(),
        drawn=replace(shipped.drawn, share=0.0, scenes=1),
        reviewed=(review,),
    )


@pytest.fixture
def start(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config = CompactConfig(classes=("floor", "ceiling"))
    path = tmp_path / "start.safetensors"
    save_weights(path, CompactNetwork(config).state_dict(), WeightsCard(config))
    card = replace(read_card(path), threshold=0.625, calibration={"drives": ["calm"]})
    rewrite_card(path, card)
    return path


def calm(recipe: Recipe) -> Recipe:
    """Return the recipe without pastes."""
    return replace(
        recipe, outliers=replace(recipe.outliers, probability=0.0, inlier_probability=0.0)
    )


def test_what_was_accepted_is_strange_and_what_was_rejected_weighs_more_than_the_rest(
    tmp_path: Path, review: Reviewed
) -> None:
    first, second = load_examples(review, tmp_path, widest=640)
    assert (first.labels[RIGHT] == OUTLIER).all()
    assert (first.labels == OUTLIER).sum() == RIGHT.sum()
    assert (first.weights[WRONG] == 4.0).all()
    assert first.weights[5, 5] == second.weights[50, 90] == np.float32(0.3)
    assert not (second.labels == OUTLIER).any()


def test_large_pictures_are_made_smaller_and_small_regions_stay(tmp_path: Path) -> None:
    write_pictures(tmp_path, "000001.jpg")
    write_coco(tmp_path / "reviewed.json", [annotation(compressed(square(60, 40, 1)))])
    (example,) = load_examples(Reviewed("one", "reviewed.json", "."), tmp_path, widest=32)
    assert example.image.shape == (18, 32, 3)
    assert (example.labels == OUTLIER).any()


def test_crops_show_regions_of_both_kinds_with_the_pixels_that_belong_to_them(
    tmp_path: Path, recipe: Recipe
) -> None:
    still = replace(recipe.augmentation, shadow=0.0, motion=0.0, width_range=(128, 128))
    crops = [TuningCrops(replace(calm(recipe), augmentation=still), tmp_path)[n] for n in range(40)]
    strange = [crop for crop in crops if (crop.outliers == 1).any()]
    rejected = [crop for crop in crops if (crop.weights == 4.0).any()]
    assert len(strange) > 10
    assert len(rejected) > 10
    for crop in crops:
        assert (crop.classes == 255).all()
        blue, red = (
            cv2.resize(crop.image[..., channel], (24, 16), interpolation=cv2.INTER_AREA)
            for channel in (2, 0)
        )
        assert (blue.astype(int) - red)[crop.outliers == 1].min(initial=99) > 0
        inside = cv2.erode((crop.weights == 4.0).astype(np.uint8), np.ones((3, 3))) > 0
        assert (red.astype(int) - blue)[inside].min(initial=99) > 0
        assert (crop.outliers[inside] == 0).all()


def test_a_crop_is_the_same_each_time_it_is_asked_for(tmp_path: Path, recipe: Recipe) -> None:
    first, again = TuningCrops(recipe, tmp_path), TuningCrops(recipe, tmp_path)
    for number in (0, 7, 1000):
        np.testing.assert_array_equal(first[number].image, again[number].image)
        np.testing.assert_array_equal(first[number].weights, again[number].weights)


def test_things_are_pasted_though_nothing_was_accepted(tmp_path: Path, recipe: Recipe) -> None:
    write_coco(tmp_path / "reviewed.json", [annotation(compressed(WRONG), category_id=2)])
    always = replace(recipe, outliers=replace(recipe.outliers, probability=1.0))
    crops = TuningCrops(always, tmp_path)
    assert any((crops[number].outliers == 1).any() for number in range(10))


def test_drawn_scenes_teach_only_what_was_known_before(tmp_path: Path, recipe: Recipe) -> None:
    reviewed = (replace(recipe.reviewed[0], share=0.0),)
    drawn = replace(recipe, reviewed=reviewed, drawn=replace(recipe.drawn, share=1.0))
    crops = TuningCrops(drawn, tmp_path)
    for number in range(5):
        assert not crops[number].weights.any()
        assert (crops[number].classes == 255).all()


def test_a_picture_that_does_not_fit_its_review_is_named(tmp_path: Path, review: Reviewed) -> None:
    (tmp_path / "000002.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"review 'monday': cannot read the picture .*000002.jpg"):
        load_examples(review, tmp_path, widest=640)
    cv2.imwrite(str(tmp_path / "000002.jpg"), np.zeros((10, 20, 3), np.uint8))
    with pytest.raises(DataError, match=r"000002.jpg is 20x10, the file says 128x72"):
        load_examples(review, tmp_path, widest=640)


def test_weight_decides_how_much_an_ordinary_place_counts() -> None:
    how = Loss(outlier=1.0, positive_weight=4.0, dice=0.0)
    logits, outliers = torch.tensor([[[2.0, -2.0]]]), torch.zeros(1, 1, 2)

    def loss(first: float) -> float:
        return float(outlier_loss(logits, outliers, torch.tensor([[[first, 1.0]]]), how))

    assert loss(4.0) > loss(1.0) > loss(0.0)
    assert loss(0.0) == pytest.approx(float(torch.nn.functional.softplus(torch.tensor(-2.0))))


def test_what_the_network_said_before_is_kept_where_it_was_right() -> None:
    outliers = torch.tensor([[[1.0, 1.0, 0.0, 0.0, -1.0, 0.0]]])
    weights = torch.tensor([[[0.0, 0.0, 0.0, 0.0, 0.0, 1.0]]])
    before = torch.tensor([[[3.0, -3.0, -3.0, 3.0, 3.0, -3.0]]])

    def loss(outlier_logits: torch.Tensor, class_scores: torch.Tensor) -> float:
        said = SegmentationOutput(torch.zeros(1, 2, 1, 6), torch.zeros(1), before)
        now = SegmentationOutput(class_scores, torch.zeros(1), outlier_logits)
        return float(keep_loss(now, said, outliers, weights))

    same = torch.zeros(1, 2, 1, 6)
    assert loss(before, same) == pytest.approx(0, abs=1e-6)
    for place, counts in enumerate([True, False, True, False, False, False]):
        moved = before.clone()
        moved[0, 0, place] *= -1
        assert (loss(moved, same) > 0.1) is counts, place
    other = same.clone()
    other[0, 1] = 2.0
    assert loss(before, other) > 0.1


def test_tuning_keeps_threshold_statistics_and_classes_and_says_what_it_learnt_from(
    tmp_path: Path, recipe: Recipe, review: Reviewed, start: Path
) -> None:
    out = tmp_path / "tuned.safetensors"
    how = tuned(replace(recipe, reviewed=()), [review], read_card(start))
    list(Trainer(how, tmp_path, out, start=start).run())
    card, before = read_card(out), read_card(start)
    assert card.threshold == 0.625
    assert card.calibration == {"drives": ["calm"], "kept_from": before.sha256}
    assert card.config == before.config
    assert card.provenance["reviewed"] == ["reviewed.json"]
    assert card.recipe["reviewed"][0]["name"] == "monday"
    first, second = (load_network(path)[0].state_dict() for path in (start, out))
    moved = {name for name, value in first.items() if not torch.equal(value, second[name])}
    assert moved
    assert not any("running" in name for name in moved)


def test_tuning_without_weights_is_refused(tmp_path: Path, recipe: Recipe) -> None:
    with pytest.raises(SettingsError, match=r"give its weights, as in --from embedded"):
        Trainer(recipe, tmp_path, tmp_path / "w.safetensors")


def test_labelled_sources_are_rehearsed_for_their_classes_only(
    tmp_path: Path, recipe: Recipe, start: Path
) -> None:
    with_sources = replace(recipe, sources=load_recipe("tuning").sources)
    with pytest.raises(DataError, match=r"source 'idd_lite': no folder"):
        TuningCrops(with_sources, tmp_path)
    with pytest.raises(CheckpointError, match=r"knows the classes floor, ceiling; the labelled"):
        first_network(with_sources, start)
