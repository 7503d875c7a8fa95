"""Training crops: cut from labelled pictures, varied, with strange things pasted in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from mmras_stream.errors import SettingsError
from mmras_stream.synthetic.cutouts import OUTLIER, Cutout, load_cutouts
from mmras_stream.training import augment, outliers, weather
from mmras_stream.training.loading import (
    DRIVABLE,
    Picture,
    load_drawn,
    load_drive,
    load_source,
)
from mmras_stream.training.outliers import (
    DOUBTFUL,
    GROUND,
    IGNORE,
    LEAST_MARK,
    Labels,
)
from mmras_stream.training.recipe import Outliers, Recipe
from mmras_stream.training.things import KINDS, Supply
from mmras_stream.types import Image, Mask

STRIDE = 4
"""Pixels of the crop per cell of the network's output."""


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """One training example."""

    image: Image
    """(H, W, 3)."""
    classes: npt.NDArray[np.int64]
    """(H / 4, W / 4), classes and groups, 255 where neither is known."""
    outliers: npt.NDArray[np.float32]
    """(H / 4, W / 4), 1 strange, 0 ordinary, -1 not known."""
    weights: npt.NDArray[np.float32]
    """(H / 4, W / 4), of the outlier loss; 0 where the network is to say what it said before."""


@dataclass(frozen=True, slots=True, eq=False)
class Composition:
    """A crop at the size of its pixels, before it becomes a `Crop`."""

    image: Image
    """(H, W, 3)."""
    labels: Labels
    """(H, W), classes and the marks of `outliers`."""
    weights: npt.NDArray[np.float32]
    """(H, W), of the outlier loss."""


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """A picture scaled, perhaps mirrored, and cut to the size of a crop."""

    image: Image
    labels: Labels
    horizon: float
    """Row."""
    vanishing: float
    """Column of the picture's middle."""
    enlargement: float
    """Pixels of the crop for one of the picture."""


class CropSource:
    """Makes the n-th crop of a recipe, the same on every call.

    Raises:
        DataError: a picture, its labels or a drive cannot be read.
        SettingsError: there is nothing to cut crops from, or a kind of thing is unknown.
    """

    def __init__(self, recipe: Recipe, data: Path, *, validation: bool = False) -> None:
        self._recipe = recipe
        sources = [source for source in recipe.sources if source.validation == validation]
        if not sources:
            kept = "with validation = true " if validation else ""
            raise SettingsError(f"the recipe has no [[sources]] {kept}to cut crops from")
        self._groups = [load_source(recipe, source, data) for source in sources]
        self._shares = [source.share for source in sources]
        self._labelled = [picture for group in self._groups for picture in group]
        self._textures = [picture.image for picture in self._labelled]
        if not validation:
            self._add_unlabelled(data)
        how = recipe.outliers
        self._kinds = (how.validation_kinds or how.kinds) if validation else how.kinds
        if unknown := sorted(self._kinds.keys() - KINDS.keys()):
            raise SettingsError(
                f"the recipe names a kind of thing {unknown[0]!r}; known: {', '.join(KINDS)}"
            )
        self._inliers = [recipe.label_number(name) for name in how.inliers]
        cutouts = load_cutouts(data / how.cutouts)
        held = max(1, round(how.held_out * len(cutouts)))
        order = np.random.default_rng(recipe.seed).permutation(len(cutouts))
        chosen = order[:held] if validation else order[held:]
        self._cutouts = [cutouts[i] for i in chosen]

    def __getitem__(self, number: int) -> Crop:
        """Return crop `number`; any whole number from 0 will do."""
        return to_cells(self.compose(number))

    def compose(self, number: int) -> Composition:
        """Return what crop `number` is made from."""
        rng = np.random.default_rng([self._recipe.seed, number])
        shares = np.array(self._shares)
        group = self._groups[rng.choice(len(shares), p=shares / shares.sum())]
        picture = group[rng.integers(len(group))]
        view = self._cut(picture, rng)
        image, labels, horizon = view.image, view.labels, view.horizon
        weights = np.ones(labels.shape, np.float32)
        style = self._recipe.augmentation
        if rng.random() < style.shadow:
            augment.cast_shadow(image, rng)
        if rng.random() < style.marking:
            augment.paint_marking(image, _ground(labels), horizon, view.vanishing, rng)
        if rng.random() < style.leaves:
            augment.scatter_leaves(image, _ground(labels), rng)
        if rng.random() < style.wet:
            augment.wet_road(image, _ground(labels), horizon, rng)
        self._paste_things(view, weights, rng)
        image = augment.weathered(image, horizon, style, rng)
        if rng.random() < style.bonnet:
            augment.park_bonnet(image, labels, rng)
        if rng.random() < style.reflection:
            augment.reflect_in_windscreen(image, rng)
        if rng.random() < style.rain:
            image = weather.splash_drops(image, rng)
        if rng.random() < style.text:
            augment.stamp_text(image, labels, rng)
        return Composition(augment.photograph(image, style, rng), labels, weights)

    def _add_unlabelled(self, data: Path) -> None:
        recipe = self._recipe
        if recipe.drawn.share > 0:
            self._groups.append(load_drawn(recipe))
            self._shares.append(recipe.drawn.share)
        for drive in recipe.drives:
            self._groups.append(load_drive(drive, data))
            self._shares.append(drive.share)

    def _cut(self, picture: Picture, rng: np.random.Generator) -> _View:
        """Scale, mirror and crop in one step."""
        schedule = self._recipe.schedule
        height, width = picture.labels.shape
        low, high = self._recipe.augmentation.width_range
        across = np.exp(rng.uniform(np.log(low), np.log(high))) / width
        down = across * np.exp(rng.uniform(-0.15, 0.15))
        room_x = schedule.crop_width - across * width
        room_y = schedule.crop_height - down * height
        left, top = rng.uniform(min(0, room_x), max(0, room_x)), _vertical(room_y, rng)
        matrix = np.array([[across, 0, left], [0, down, top]])
        if rng.random() < 0.5:
            matrix[0] = [-across, 0, left + across * width]
        size = (schedule.crop_width, schedule.crop_height)
        source = cv2.blur(picture.image, (2, 2)) if across < 0.7 else picture.image
        image = cv2.warpAffine(source, matrix, size, borderMode=cv2.BORDER_REFLECT_101)
        labels = cv2.warpAffine(
            _marked(picture), matrix, size, flags=cv2.INTER_NEAREST, borderValue=(IGNORE,)
        )
        return _View(
            np.asarray(image, np.uint8),
            np.asarray(labels, np.uint8),
            horizon=picture.horizon * height * down + top,
            vanishing=left + across * width / 2,
            enlargement=across,
        )

    def _paste_things(
        self, view: _View, weights: npt.NDArray[np.float32], rng: np.random.Generator
    ) -> None:
        image, labels, horizon = view.image, view.labels, view.horizon
        how = self._recipe.outliers
        ground = _ground(labels)
        supply = Supply(self._cutouts, self._textures, image, ground)
        things: list[Cutout] = []
        if rng.random() < how.inlier_probability:
            other = self._labelled[rng.integers(len(self._labelled))]
            ordinary = outliers.inlier_cutout(other.image, _marked(other), self._inliers, rng)
            things += [ordinary] if ordinary is not None else []
        if rng.random() < how.probability:
            things += [self._strange(supply, rng) for _ in range(rng.integers(1, how.most + 1))]
        for thing in things:
            foot, tall = _stance(ground, horizon, how, rng)
            height = float(np.clip(tall, how.least_height, 0.9 * labels.shape[0]))
            outliers.paste(
                image,
                labels,
                weights,
                thing,
                foot=foot,
                height=height,
                rng=rng,
                enlargement=view.enlargement * rng.uniform(0, 1.2),
            )

    def _strange(self, supply: Supply, rng: np.random.Generator) -> Cutout:
        shares = np.array(list(self._kinds.values()))
        kind = list(self._kinds)[rng.choice(len(shares), p=shares / shares.sum())]
        return KINDS[kind](supply, rng)


def _ground(labels: Labels) -> Mask:
    ground: Mask = (labels == DRIVABLE) | (labels == GROUND)
    return ground


def _stance(
    ground: npt.NDArray[np.bool_], horizon: float, how: Outliers, rng: np.random.Generator
) -> tuple[tuple[int, int], float]:
    """Choose where a thing stands, and how tall it is there; of one cut off some is in sight."""
    low, high = np.log(how.height_range)
    height, width = ground.shape
    # without `cut_off` nothing is drawn from `rng`, so that crops stay what they were
    if how.cut_off > 0 and horizon < 0.8 * height and rng.random() < how.cut_off:
        below = rng.uniform(0, 0.6) * (height - horizon)
        tall = float(np.exp(rng.uniform(low, high))) * (height + below - horizon)
        shown = rng.uniform(0.02, 0.3) * height
        return (round(height + below), int(rng.integers(width))), max(tall, below + shown)
    foot = _foot(ground, horizon, how, rng)
    return foot, float(np.exp(rng.uniform(low, high))) * (foot[0] - horizon)


def _foot(
    ground: npt.NDArray[np.bool_], horizon: float, how: Outliers, rng: np.random.Generator
) -> tuple[int, int]:
    """Choose where a thing stands: a drivable pixel, or anywhere below the horizon."""
    if rng.random() < how.on_road:
        places = np.flatnonzero(ground)
        if places.size:
            place = int(places[rng.integers(places.size)])
            return place // ground.shape[1], place % ground.shape[1]
    first = int(np.clip(horizon, 0, 0.8 * ground.shape[0]))
    return int(rng.integers(first, ground.shape[0])), int(rng.integers(ground.shape[1]))


def _vertical(room: float, rng: np.random.Generator) -> float:
    """Offset of the picture's top edge; large pictures are cut around their road, mostly."""
    if room >= 0:
        return float(rng.uniform(0, room))
    return float(room * rng.beta(2.2, 1.1))


def _marked(picture: Picture) -> Labels:
    if picture.doubtful is None:
        return picture.labels
    labels = picture.labels.copy()
    labels[picture.doubtful] = DOUBTFUL
    return labels


def to_cells(whole: Composition) -> Crop:
    """Bring labels and weights to the cells of the network's output."""
    labels = whole.labels
    height, width = labels.shape
    size = (width // STRIDE, height // STRIDE)
    middle = np.s_[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
    classes = labels[middle].astype(np.int64)
    classes[classes >= LEAST_MARK] = IGNORE
    strange = cv2.resize((labels == OUTLIER).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    unknown = (labels == IGNORE) | (labels == DOUBTFUL)
    target = (strange > 0.4).astype(np.float32)
    classes[target == 1] = IGNORE  # the middle of a cell may show what is beside the thing
    target[(target == 0) & ((strange > 0.05) | unknown[middle])] = -1
    cells = cv2.resize(whole.weights, size, interpolation=cv2.INTER_NEAREST)
    return Crop(whole.image, classes, target, np.asarray(cells, np.float32))
