"""Training crops: cut from labelled pictures, varied, with strange things pasted in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from mmras_stream.errors import DataError
from mmras_stream.training import augment, outliers
from mmras_stream.training.outliers import CLASSLESS, DOUBTFUL, IGNORE, OUTLIER, Cutout, Labels
from mmras_stream.training.recipe import Outliers, Recipe, Source, listed_pairs
from mmras_stream.types import Image

STRIDE = 4
"""Pixels of the crop per cell of the network's output."""

DRIVABLE = 0


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One labelled picture in memory; 32 MB hold about 150."""

    image: Image
    labels: Labels
    """Class, `IGNORE`, or `OUTLIER` where the picture shows something strange itself."""
    doubtful: npt.NDArray[np.bool_] | None
    horizon: float
    """Row of the horizon as a share of the height, judged by where the road begins."""


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """One training example."""

    image: Image
    """(H, W, 3)."""
    classes: npt.NDArray[np.int64]
    """(H / 4, W / 4), 255 where the class is not known."""
    outliers: npt.NDArray[np.float32]
    """(H / 4, W / 4), 1 strange, 0 ordinary, -1 not known."""
    weights: npt.NDArray[np.float32]
    """(H / 4, W / 4), of the outlier loss."""


class CropSource:
    """Makes the n-th crop of a recipe, the same on every call."""

    def __init__(self, recipe: Recipe, data: Path, *, validation: bool = False) -> None:
        self._recipe = recipe
        self._groups = [_load_source(source, data) for source in recipe.sources]
        self._shares = [source.share for source in recipe.sources]
        if recipe.drawn.share > 0:
            self._groups.append(_load_drawn(recipe))
            self._shares.append(recipe.drawn.share)
        self._real = [picture for group in self._groups[: len(recipe.sources)] for picture in group]
        cutouts = outliers.load_cutouts(data / recipe.outliers.cutouts)
        held = max(1, round(recipe.outliers.held_out * len(cutouts)))
        order = np.random.default_rng(recipe.seed).permutation(len(cutouts))
        chosen = order[:held] if validation else order[held:]
        self._cutouts = [cutouts[i] for i in chosen]

    def __getitem__(self, number: int) -> Crop:
        """Return crop `number`; any whole number from 0 will do."""
        rng = np.random.default_rng([self._recipe.seed, number])
        shares = np.array(self._shares)
        group = self._groups[rng.choice(len(shares), p=shares / shares.sum())]
        picture = group[rng.integers(len(group))]
        image, labels, horizon, vanishing = self._cut(picture, rng)
        weights = np.ones(labels.shape, np.float32)
        style = self._recipe.augmentation
        if rng.random() < style.shadow:
            augment.cast_shadow(image, rng)
        if rng.random() < style.marking:
            augment.paint_marking(image, labels == DRIVABLE, horizon, vanishing, rng)
        self._paste_things(image, labels, weights, horizon, rng)
        if rng.random() < style.bonnet:
            augment.park_bonnet(image, labels, rng)
        if rng.random() < style.reflection:
            augment.reflect_in_windscreen(image, rng)
        if rng.random() < style.text:
            augment.stamp_text(image, labels, rng)
        image = augment.photograph(image, style, rng)
        return _to_cells(image, labels, weights)

    def _cut(
        self, picture: Picture, rng: np.random.Generator
    ) -> tuple[Image, Labels, float, float]:
        """Scale, mirror and crop in one step; returns the horizon's row and its middle column."""
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
        horizon = picture.horizon * height * down + top
        return (
            np.asarray(image, np.uint8),
            np.asarray(labels, np.uint8),
            horizon,
            left + across * width / 2,
        )

    def _paste_things(
        self,
        image: Image,
        labels: Labels,
        weights: npt.NDArray[np.float32],
        horizon: float,
        rng: np.random.Generator,
    ) -> None:
        how = self._recipe.outliers
        ground = labels == DRIVABLE
        things: list[Cutout] = []
        if rng.random() < how.inlier_probability:
            other = self._real[rng.integers(len(self._real))]
            ordinary = outliers.inlier_cutout(other.image, other.labels, rng)
            things += [ordinary] if ordinary is not None else []
        if rng.random() < how.probability:
            things += [self._strange(rng) for _ in range(rng.integers(1, how.most + 1))]
        for thing in things:
            foot = _foot(ground, horizon, how, rng)
            tall = np.exp(rng.uniform(np.log(0.1), np.log(1.4))) * (foot[0] - horizon)
            height = float(np.clip(tall, 6, 0.9 * labels.shape[0]))
            outliers.paste(image, labels, weights, thing, foot=foot, height=height, rng=rng)

    def _strange(self, rng: np.random.Generator) -> Cutout:
        how = self._recipe.outliers
        chance = rng.random()
        if chance < how.cutout_share:
            chosen: Cutout = self._cutouts[rng.integers(len(self._cutouts))]
            return chosen
        texture = self._texture(rng)
        if chance < how.cutout_share + how.box_share:
            return outliers.box_cutout(texture, rng)
        return outliers.shape_cutout(texture, rng)

    def _texture(self, rng: np.random.Generator) -> Image:
        image = self._real[rng.integers(len(self._real))].image
        height, width = image.shape[:2]
        h, w = int(rng.integers(16, height // 2)), int(rng.integers(16, width // 2))
        y, x = int(rng.integers(height - h)), int(rng.integers(width - w))
        return image[y : y + h, x : x + w]


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


def _to_cells(image: Image, labels: Labels, weights: npt.NDArray[np.float32]) -> Crop:
    height, width = labels.shape
    size = (width // STRIDE, height // STRIDE)
    middle = np.s_[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
    classes = labels[middle].astype(np.int64)
    classes[classes >= CLASSLESS] = IGNORE
    strange = cv2.resize((labels == OUTLIER).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    unknown = (labels == IGNORE) | (labels == DOUBTFUL)
    target = (strange > 0.4).astype(np.float32)
    target[(target == 0) & ((strange > 0.05) | unknown[middle])] = -1
    cells = cv2.resize(weights, size, interpolation=cv2.INTER_NEAREST)
    return Crop(image, classes, target, np.asarray(cells, np.float32))


def _load_source(source: Source, data: Path) -> list[Picture]:
    return [_load_pair(source, *pair) for pair in listed_pairs(source, data)]


def _load_pair(source: Source, path: Path, label_path: Path) -> Picture:
    picture, labels = cv2.imread(str(path)), cv2.imread(str(label_path), cv2.IMREAD_UNCHANGED)
    if picture is None or labels is None:
        raise DataError(f"source {source.name!r}: cannot read {path} or {label_path}")
    if labels.ndim != 2 or labels.shape != picture.shape[:2]:
        raise DataError(
            f"source {source.name!r}: {path.name} is {picture.shape[1]}x{picture.shape[0]}, "
            f"its labels have shape {labels.shape}"
        )
    table = np.full(256, IGNORE, np.uint8)
    table[: len(source.labels_to_classes)] = source.labels_to_classes
    classes = table[labels]
    image = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8)
    doubtful = _wide_regions(classes, source.wide_class_is_doubtful)
    return Picture(image, classes, doubtful, _horizon(classes))


def _load_drawn(recipe: Recipe) -> list[Picture]:
    from mmras_stream.synthetic.scene import RoadScene, SceneSettings

    pictures = []
    for scene_number in range(recipe.drawn.scenes):
        obstacle = None if scene_number % 4 == 0 else "auto"
        seed = recipe.seed * 10_000 + scene_number
        scene = RoadScene(SceneSettings(height=270, width=480, seed=seed, obstacle=obstacle))
        numbers = np.linspace(0, len(scene) - 1, recipe.drawn.frames_per_scene).astype(int)
        for number in numbers:
            drawn = scene.frame(int(number))
            labels = drawn.labels.copy()
            labels[drawn.obstacle_mask] = OUTLIER
            pictures.append(Picture(drawn.image, labels, None, _horizon(labels)))
    return pictures


def _horizon(labels: Labels) -> float:
    rows = np.nonzero((labels == DRIVABLE).sum(axis=1) > 2)[0]
    return float(rows[0]) / labels.shape[0] if rows.size else 0.45


def _wide_regions(labels: Labels, label: int | None) -> npt.NDArray[np.bool_] | None:
    if label is None or not (labels == label).any():
        return None
    _, regions, stats, _ = cv2.connectedComponentsWithStats((labels == label).astype(np.uint8))
    wide = stats[:, cv2.CC_STAT_WIDTH] > 0.9 * stats[:, cv2.CC_STAT_HEIGHT]
    wide[0] = False
    return np.asarray(wide[regions], np.bool_)
