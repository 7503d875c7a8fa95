"""Crops for tuning: around what a person reviewed, and drawn scenes against forgetting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
from torch import nn

from mmras_stream.models.checkpoint import WeightsCard, read_card
from mmras_stream.synthetic.cutouts import OUTLIER, Cutout
from mmras_stream.training import augment
from mmras_stream.training.data import Composition, Crop, CropSource, to_cells
from mmras_stream.training.examples import Example, Region, load_examples
from mmras_stream.training.loading import Picture, load_drawn
from mmras_stream.training.outliers import (
    CLASSLESS,
    GROUND,
    IGNORE,
    LEAST_MARK,
    Labels,
    paste,
    size_weight,
)
from mmras_stream.training.recipe import Recipe, Reviewed
from mmras_stream.training.things import KINDS, NEED_CUTOUTS, Supply
from mmras_stream.types import Image

ANYWHERE = 0.1
"""Probability that a crop is cut around no region."""

UNVARIED = 0.5
"""Probability that a crop keeps the camera's own light and colours."""

Weights: TypeAlias = npt.NDArray[np.float32]
Focus: TypeAlias = tuple[Example, Region | None]


class TuningCrops:
    """Makes the n-th crop of a recipe with reviewed pictures, the same on every call.

    Drawn scenes carry weight 0: there the network is to say what it said before. Sources and
    drives that the recipe has teach as they always do.

    Raises:
        DataError: a picture, its review, its labels or a drive cannot be read.
        SettingsError: what the recipe's sources need is missing.
    """

    def __init__(self, recipe: Recipe, data: Path) -> None:
        self._recipe = recipe
        widest = recipe.augmentation.width_range[1]
        reviews = [load_examples(review, data, widest=widest) for review in recipe.reviewed]
        self._reviews = [_Focuses(examples) for examples in reviews]
        self._labelled: CropSource | None = None
        if recipe.sources:
            undrawn = replace(recipe, drawn=replace(recipe.drawn, share=0.0))
            self._labelled = CropSource(undrawn, data)
        self._drawn = [_classless(one) for one in load_drawn(recipe)] if recipe.drawn.share else []
        self._shares = _shares(recipe)
        examples = [example for review in reviews for example in review]
        self._textures = [example.image for example in examples]
        self._accepted = [region.thing for one in examples for region in one.accepted]
        self._rejected = [region.thing for one in examples for region in one.rejected]
        kinds = recipe.outliers.kinds
        self._kinds = {k: v for k, v in kinds.items() if self._accepted or k not in NEED_CUTOUTS}

    def __getitem__(self, number: int) -> Crop:
        """Return crop `number`; any whole number from 0 will do."""
        rng = np.random.default_rng([self._recipe.seed, number])
        group = int(rng.choice(len(self._shares), p=self._shares))
        if group < len(self._reviews):
            return to_cells(self._reviewed(*self._reviews[group].choose(rng), rng))
        if group == len(self._reviews):
            return to_cells(self._remembered(self._drawn[rng.integers(len(self._drawn))], rng))
        assert self._labelled is not None  # its share is 0
        return self._labelled[number]

    def _reviewed(
        self, example: Example, focus: Region | None, rng: np.random.Generator
    ) -> Composition:
        matrix = self._window(example.image, focus, rng)
        image, labels = self._cut(example.image, example.labels, matrix)
        size = self._size
        weights = np.asarray(
            cv2.warpAffine(example.weights, matrix, size, flags=cv2.INTER_NEAREST), np.float32
        )
        strange = labels == OUTLIER
        weights[strange] = size_weight(int(strange.sum()))
        horizon = _horizon(matrix, example.image, example.horizon)
        self._paste_things(image, labels, weights, horizon, rng)
        return Composition(self._varied(image, horizon, rng), labels, weights)

    def _remembered(self, picture: Picture, rng: np.random.Generator) -> Composition:
        matrix = self._window(picture.image, None, rng)
        image, labels = self._cut(picture.image, picture.labels, matrix)
        horizon = _horizon(matrix, picture.image, picture.horizon)
        return Composition(
            self._varied(image, horizon, rng), labels, np.zeros(labels.shape, np.float32)
        )

    @property
    def _size(self) -> tuple[int, int]:
        schedule = self._recipe.schedule
        return schedule.crop_width, schedule.crop_height

    def _window(
        self, image: Image, focus: Region | None, rng: np.random.Generator
    ) -> npt.NDArray[np.float64]:
        """Choose scale, side and place, so that the middle of `focus` lies in the crop."""
        height, width = image.shape[:2]
        low, high = self._recipe.augmentation.width_range
        scale = float(np.exp(rng.uniform(np.log(low), np.log(high)))) / width
        x, y = focus.middle if focus else rng.uniform([0, 0.3 * height], [width, height])
        across, down = self._size
        left = _offset(rng.uniform(0.2, 0.8) * across - scale * x, across - scale * width)
        top = _offset(rng.uniform(0.2, 0.8) * down - scale * y, down - scale * height)
        if rng.random() < 0.5:
            return np.array([[-scale, 0, across - left], [0, scale, top]])
        return np.array([[scale, 0, left], [0, scale, top]])

    def _cut(
        self, image: Image, labels: Labels, matrix: npt.NDArray[np.float64]
    ) -> tuple[Image, Labels]:
        size = self._size
        source = cv2.blur(image, (2, 2)) if matrix[1, 1] < 0.7 else image
        pixels = cv2.warpAffine(source, matrix, size, borderMode=cv2.BORDER_REFLECT_101)
        marks = cv2.warpAffine(labels, matrix, size, flags=cv2.INTER_NEAREST, borderValue=(IGNORE,))
        return np.asarray(pixels, np.uint8), np.asarray(marks, np.uint8)

    def _paste_things(
        self,
        image: Image,
        labels: Labels,
        weights: Weights,
        horizon: float,
        rng: np.random.Generator,
    ) -> None:
        """Stand accepted, rejected and made-up things on the road, all in the same way."""
        how = self._recipe.outliers
        things: list[Cutout] = []
        if self._rejected and rng.random() < how.inlier_probability:
            things.append(self._rejected[rng.integers(len(self._rejected))])
        if self._kinds and rng.random() < how.probability:
            supply = Supply(self._accepted, self._textures, image, labels == GROUND)
            shares = np.array(list(self._kinds.values()))
            for _ in range(rng.integers(1, how.most + 1)):
                kind = list(self._kinds)[rng.choice(len(shares), p=shares / shares.sum())]
                things.append(KINDS[kind](supply, rng))
        places = np.flatnonzero(labels == GROUND)
        for thing in things if places.size else ():
            row, column = divmod(int(places[rng.integers(places.size)]), labels.shape[1])
            tall = np.exp(rng.uniform(*np.log(how.height_range))) * (row - horizon)
            height = float(np.clip(tall, how.least_height, 0.9 * labels.shape[0]))
            bare = labels == GROUND
            paste(image, labels, weights, thing, foot=(row, column), height=height, rng=rng)
            weights[bare & (labels == CLASSLESS)] = 1.0

    def _varied(self, image: Image, horizon: float, rng: np.random.Generator) -> Image:
        style = self._recipe.augmentation
        if rng.random() < style.shadow:
            augment.cast_shadow(image, rng)
        image = augment.weathered(image, horizon, style, rng)
        return image if rng.random() < UNVARIED else augment.photograph(image, style, rng)


class _Focuses:
    """Chooses the picture of a review to cut a crop from, and the region to cut it around."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self._examples = examples
        accepted = [(one, region) for one in examples for region in one.accepted]
        rejected = [(one, region) for one in examples for region in one.rejected]
        self._parts = [part for part in (accepted, rejected) if part]

    def choose(self, rng: np.random.Generator) -> Focus:
        """Return an accepted region as often as a rejected one, and now and then none."""
        if rng.random() < ANYWHERE:
            return self._examples[int(rng.integers(len(self._examples)))], None
        part = self._parts[rng.integers(len(self._parts))]
        return part[rng.integers(len(part))]


def tuned(recipe: Recipe, reviewed: Sequence[Reviewed], start: WeightsCard) -> Recipe:
    """Return a recipe that learns from reviews too, for pictures as wide as the weights want."""
    reviews = (*recipe.reviewed, *reviewed)
    return replace(recipe, reviewed=reviews, input_width=start.input_width)


def freeze_statistics(network: nn.Module) -> None:
    """Let batch normalisation use its means and variances and leave them as they are."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def with_threshold_of(start: Path, card: WeightsCard) -> WeightsCard:
    """Return the card with the threshold of the weights that tuning began with.

    Tuning holds the scale of the scores, and reviewed pictures, which were chosen because something
    was found in them, are no fair sample to find another on.
    """
    kept = read_card(start)
    record = {**kept.calibration, "kept_from": kept.sha256}
    return replace(card, threshold=kept.threshold, calibration=record)


def _shares(recipe: Recipe) -> npt.NDArray[np.float64]:
    """Of each review, of drawn scenes, and of what is labelled."""
    labelled = [part.share for part in recipe.sources] + [part.share for part in recipe.drives]
    reviewed = [review.share for review in recipe.reviewed]
    shares = np.array([*reviewed, recipe.drawn.share, sum(labelled) if recipe.sources else 0])
    return np.asarray(shares / shares.sum(), np.float64)


def _classless(picture: Picture) -> Picture:
    """Take classes away: the weights that are tuned may count them otherwise."""
    labels = picture.labels.copy()
    labels[labels < LEAST_MARK] = CLASSLESS
    return replace(picture, labels=labels)


def _offset(wanted: float, room: float) -> float:
    """Move a picture within a crop so that it fills as much of it as it can."""
    return float(np.clip(wanted, min(0.0, room), max(0.0, room)))


def _horizon(matrix: npt.NDArray[np.float64], image: Image, share: float) -> float:
    return float(matrix[1, 1] * share * image.shape[0] + matrix[1, 2])
