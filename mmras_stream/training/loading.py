"""The pictures that crops are cut from, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from mmras_stream.errors import DataError
from mmras_stream.pipeline import open_decoder
from mmras_stream.settings import VideoSettings
from mmras_stream.synthetic.cutouts import OUTLIER
from mmras_stream.synthetic.scene import Mover, RoadScene, SceneSettings
from mmras_stream.training.outliers import CLASSLESS, GROUND, IGNORE, Labels
from mmras_stream.training.recipe import Drive, Recipe, Source
from mmras_stream.training.rendering import strange_solid
from mmras_stream.types import Image
from mmras_stream.video.colour import to_rgb

DRIVABLE = 0
"""The first class of every recipe."""

WIDEST = 960
"""Pixels; wider frames of a drive are made smaller, since crops never need them so large."""

BESIDE_AHEAD = (12.0, 70.0)
BESIDE_ASIDE = (3.5, 10.0)
"""Metres from the camera, and from the middle of the road, of what lies beside it."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One labelled picture in memory; 32 MB hold about 150."""

    image: Image
    labels: Labels
    """Class, group, `IGNORE`, or `OUTLIER` where the picture shows something strange itself."""
    doubtful: npt.NDArray[np.bool_] | None
    horizon: float
    """Row of the horizon as a share of the height, judged by where the road begins."""


def load_source(recipe: Recipe, source: Source, data: Path) -> list[Picture]:
    """Read every picture of a source with its labels.

    Raises:
        DataError: a picture is missing, unreadable, or of another size than its labels.
    """
    table = _label_table(recipe, source.label_names)
    wide = source.wide_is_doubtful
    doubtful = None if wide is None else recipe.label_number(wide)
    return [_load_pair(source, table, doubtful, *pair) for pair in listed_pairs(source, data)]


def _label_table(recipe: Recipe, names: Sequence[str]) -> Labels:
    """Return what each value of a label picture becomes."""
    table = np.full(256, IGNORE, np.uint8)
    table[: len(names)] = [recipe.label_number(name) for name in names]
    return table


def _load_pair(
    source: Source, table: Labels, doubtful: int | None, path: Path, label_path: Path
) -> Picture:
    picture, labels = cv2.imread(str(path)), cv2.imread(str(label_path), cv2.IMREAD_UNCHANGED)
    if picture is None or labels is None:
        raise DataError(f"source {source.name!r}: cannot read {path} or {label_path}")
    if labels.ndim != 2 or labels.shape != picture.shape[:2]:
        raise DataError(
            f"source {source.name!r}: {path.name} is {picture.shape[1]}x{picture.shape[0]}, "
            f"its labels have shape {labels.shape}"
        )
    classes = table[labels]
    image = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8)
    return Picture(image, classes, _wide_regions(classes, doubtful), _horizon(classes))


def load_drawn(recipe: Recipe) -> list[Picture]:
    """Draw the scenes of a recipe; three in four hold something strange on the road."""
    table = _label_table(recipe, recipe.drawn.label_names)
    pictures = []
    for scene_number in range(recipe.drawn.scenes):
        obstacle = None if scene_number % 4 == 0 else "auto"
        seed = recipe.seed * 10_000 + scene_number
        scene = RoadScene(SceneSettings(height=270, width=480, seed=seed, obstacle=obstacle))
        numbers = np.linspace(0, len(scene) - 1, recipe.drawn.frames_per_scene).astype(int)
        for number in numbers:
            rng = np.random.default_rng([seed, int(number)])
            beside = rng.random() < recipe.drawn.beside
            extra = [_beside(scene, int(number), rng)] if beside else []
            drawn = scene.frame(int(number), extra=extra)
            labels = table[drawn.labels]
            labels[drawn.obstacle_mask] = OUTLIER
            pictures.append(Picture(drawn.image, labels, None, _horizon(labels)))
    return pictures


def _beside(scene: RoadScene, number: int, rng: np.random.Generator) -> Mover:
    """Lay something strange beside the road ahead of the camera of a frame."""
    here = scene.travel(float(number / scene.settings.frame_rate))
    ahead = float(np.exp(rng.uniform(*np.log(BESIDE_AHEAD))))
    aside = float(rng.choice([-1.0, 1.0]) * rng.uniform(*BESIDE_ASIDE))
    yaw = float(rng.uniform(-np.pi, np.pi))
    return Mover(strange_solid(rng), here + ahead, aside, 0.0, yaw, number=1)


def load_drive(drive: Drive, data: Path) -> list[Picture]:
    """Read frames of a drive, evenly spaced in time.

    Raises:
        DataError: there is no such video.
        VideoError: it cannot be read.
    """
    path = data / drive.video
    if not path.is_file():
        raise DataError(f"drive {drive.name!r}: no video at {path}; is --data right?")
    settings = VideoSettings(every_seconds=drive.every_seconds, end_seconds=drive.end_seconds)
    with closing(open_decoder(path, settings)) as decoder:
        images = [to_rgb(frame) for batch in decoder for frame in batch]
    return [_ordinary(_narrowed(image), drive.horizon) for image in images]


def _narrowed(image: Image) -> Image:
    height, width = image.shape[:2]
    if width <= WIDEST:
        return image
    size = (WIDEST, round(height * WIDEST / width))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _ordinary(image: Image, horizon: float) -> Picture:
    height, width = image.shape[:2]
    labels = np.full((height, width), CLASSLESS, np.uint8)
    corners = [(width // 2, int(horizon * height)), (width, height), (0, height)]
    cv2.fillPoly(labels, [np.array(corners, np.int32)], (GROUND,))
    return Picture(image, labels, None, horizon)


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


def listed_pairs(source: Source, data: Path) -> list[tuple[Path, Path]]:
    """Return the paths of each picture of a source and of its labels, sorted by name.

    Raises:
        DataError: a folder is missing or empty, or a picture has no labels.
    """
    folder, labels = data / source.images, data / source.labels
    if not folder.is_dir():
        raise DataError(f"source {source.name!r}: no folder {folder}; is --data right?")
    pairs = [(path, labels / f"{path.stem}.png") for path in sorted(folder.iterdir())]
    if not pairs:
        raise DataError(f"source {source.name!r}: {folder} is empty")
    for path, label in pairs:
        if not label.is_file():
            raise DataError(f"source {source.name!r}: {path.name} has no labels at {label}")
    return pairs
