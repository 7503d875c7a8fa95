from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmras_stream.training.class_quality import _iou, class_quality
from mmras_stream.training.loop import Trainer
from road_pictures import small_recipe, write_pictures


def test_intersection_over_union_is_counted_from_pairs() -> None:
    counts = np.array([[6, 2, 0], [1, 3, 0], [0, 0, 0]])  # rows are the truth
    seen = _iou(["road", "sky", "yeti"], counts)
    assert seen == {"road": 6 / 9, "sky": 3 / 6}


def test_weights_are_measured_on_what_is_kept_for_validation(tmp_path: Path) -> None:
    data, recipe = write_pictures(tmp_path), small_recipe()
    weights = tmp_path / "w.safetensors"
    list(Trainer(recipe, data, weights).run())
    kept = replace(recipe.sources[0], name="kept", validation=True)
    measured = replace(recipe, sources=(*recipe.sources, kept))
    (quality,) = class_quality(weights, measured, data)
    assert (quality.source, quality.pictures) == ("kept", 8)
    # the network's classes summed into those of the labels: the same pixels, counted slowly
    assert set(quality.iou) <= {"road", "pavement", "living", "vehicle", "roadside", "far", "sky"}
    assert quality.mean_iou == pytest.approx(np.mean(list(quality.iou.values())))
    assert 0 <= quality.mean_iou < 0.9  # six steps teach little


def test_pictures_of_one_class_are_all_hit_or_all_missed(tmp_path: Path) -> None:
    data, recipe = write_pictures(tmp_path), small_recipe()
    weights = tmp_path / "w.safetensors"
    list(Trainer(recipe, data, weights).run())
    for path in (data / "labels").iterdir():
        cv2.imwrite(str(path), np.full((96, 144), 0, np.uint8))
    one = replace(recipe.sources[0], label_names=("road",), validation=True)
    (quality,) = class_quality(weights, replace(recipe, sources=(one,)), data)
    assert quality.iou == {"road": 1.0}  # the only label there is
