"""What is known to mislead small networks, one row each, on pictures that training never saw.

pytest -m benchmark -s tests/benchmarks/test_weaknesses.py
MMRAS_WEIGHTS=FILE pytest ...    other weights than the built-in ones
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from mmras_stream.model import Model, load_model
from mmras_stream.settings import load
from mmras_stream.synthetic.cutouts import OUTLIER
from mmras_stream.training.data import Composition, CropSource
from mmras_stream.training.recipe import Augmentation, Recipe
from mmras_stream.training.recipe_file import load_recipe
from mmras_stream.video.colour import rgb_batch

DATA = Path(os.environ.get("MMRAS_DATA", Path(__file__).parents[3] / "shared" / "data"))

pytestmark = [
    pytest.mark.benchmark,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no folder {DATA}; MMRAS_DATA names another"),
]

PICTURES = 40
MISLEADING = ("shadow", "leaves", "wet", "bonnet", "reflection", "text", "night", "fog", "rain")
SIZES = {"tiny and far": (0.05, 0.12), "medium": (0.3, 0.6), "large and near": (1.2, 2.0)}


@dataclass(frozen=True)
class Row:
    flagged: float
    """Share of the ordinary places above the threshold."""
    found: float
    """Share of the places of strange things above it; nan where there are none."""


def still(recipe: Recipe) -> Recipe:
    """Return the recipe without weather, light or things: pictures as they are, scaled."""
    names = [f.name for f in fields(Augmentation) if f.name != "width_range"]
    none: dict[str, Any] = dict.fromkeys(names, 0.0)  # Any: as below
    calm = replace(recipe.outliers, probability=0.0, inlier_probability=0.0)
    schedule = replace(recipe.schedule, crop_height=352, crop_width=640)
    style = Augmentation(width_range=(640, 641), **none)
    return replace(recipe, augmentation=style, outliers=calm, schedule=schedule)


def variants(recipe: Recipe) -> Iterator[tuple[str, Recipe]]:
    plain = still(recipe)
    yield "nothing added", plain
    for name in MISLEADING:
        only: dict[str, Any] = {name: 1.0}  # Any: mypy would take it for the range of widths
        yield name, replace(plain, augmentation=replace(plain.augmentation, **only))
    people = replace(plain.outliers, inlier_probability=1.0)
    yield "people and cars pasted", replace(plain, outliers=people)
    for name, heights in SIZES.items():
        things = replace(plain.outliers, probability=1.0, most=1, on_road=1.0, height_range=heights)
        yield name, replace(plain, outliers=things)


def scores_of(model: Model, whole: Composition) -> npt.NDArray[np.float32]:
    batch = rgb_batch(whole.image)
    (scored,) = model.score_maps(batch, model.predict(batch))
    return scored.scores


def measured(model: Model, source: CropSource) -> Row:
    ordinary, strange = [], []
    for number in range(PICTURES):
        whole = source.compose(number)
        labels = whole.labels
        scores = cv2.resize(scores_of(model, whole), labels.shape[::-1])
        ordinary.append(scores[labels < OUTLIER - 1] > model.threshold)
        strange.append(scores[labels == OUTLIER] > model.threshold)
    seen = np.concatenate(strange)
    return Row(float(np.concatenate(ordinary).mean()), float(seen.mean()) if seen.size else np.nan)


def test_what_misleads_is_flagged_little_and_things_of_all_sizes_are_found() -> None:
    weights = os.environ.get("MMRAS_WEIGHTS", "embedded")
    model = load_model(load(overrides={"model": {"weights": weights}}))
    rows = {}
    for name, recipe in variants(load_recipe("embedded")):
        rows[name] = measured(model, CropSource(recipe, DATA, validation=True))
        print(f"{name:24} flagged {rows[name].flagged:8.4%}  found {rows[name].found:6.1%}")
    assert all(rows[name].flagged < 0.02 for name in ("nothing added", *MISLEADING))
    assert rows["medium"].found > 0.3
