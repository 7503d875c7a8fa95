"""A training run as data: what is learnt from, how, and for how long."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from mmras_stream.errors import DataError, SettingsError

SectionT = TypeVar("SectionT")


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast."""

    minutes: float
    steps: int
    batch_size: int
    crop_height: int
    crop_width: int
    learning_rate: float
    weight_decay: float
    average_decay: float


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How pictures are varied; probabilities are per crop."""

    width_range: tuple[int, int]
    """Pixels to which the whole picture is brought before a crop is cut."""
    shadow: float
    marking: float
    bonnet: float
    reflection: float
    text: float
    blur: float
    noise: float
    compression: float


@dataclass(frozen=True, slots=True)
class Outliers:
    """What is pasted to stand for the unknown."""

    cutouts: str
    held_out: float
    probability: float
    most: int
    cutout_share: float
    box_share: float
    on_road: float
    inlier_probability: float


@dataclass(frozen=True, slots=True)
class Loss:
    """Weights of the parts of the loss; class cross-entropy has weight 1."""

    outlier: float
    positive_weight: float
    dice: float


@dataclass(frozen=True, slots=True)
class Source:
    """A folder of pictures and one of label pictures with equal stems."""

    name: str
    images: str
    labels: str
    labels_to_classes: tuple[int, ...]
    """Class for each label value; 255 leaves it out of the loss, as it does higher values."""
    share: float
    wide_class_is_doubtful: int | None = None
    """A class whose regions wider than tall say nothing about being ordinary."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Scenes drawn by `mmras_stream.synthetic.scene`."""

    share: float
    scenes: int
    frames_per_scene: int


@dataclass(frozen=True, slots=True)
class Recipe:
    """All of a training run."""

    seed: int
    classes: tuple[str, ...]
    schedule: Schedule
    augmentation: Augmentation
    outliers: Outliers
    loss: Loss
    sources: tuple[Source, ...]
    drawn: Drawn

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values
        """Return plain JSON values, for the record beside the weights."""
        return asdict(self)


def load_recipe(name: str | Path) -> Recipe:
    """Read a recipe from a TOML file, or one that ships with the library by its name.

    >>> load_recipe("embedded").classes[0]
    'drivable'

    Raises:
        SettingsError: there is no such recipe, or a key in it is missing or unknown.
    """
    shipped = files("mmras_stream.training") / "recipes" / f"{name}.toml"
    try:
        text = shipped.read_text("utf-8") if shipped.is_file() else Path(name).read_text("utf-8")
        values = tomllib.loads(text)
    except OSError as error:
        raise SettingsError(
            f"no recipe {str(name)!r}: neither a file nor shipped with the library; try 'embedded'"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name} is not TOML: {error}") from error
    values["sources"] = tuple(_section(Source, v, "sources") for v in values.get("sources", ()))
    for section in (Schedule, Augmentation, Outliers, Loss, Drawn):
        key = section.__name__.lower()
        values[key] = _section(section, values.get(key, {}), key)
    return _section(Recipe, values, "the recipe")


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


def _section(kind: type[SectionT], values: dict[str, Any], where: str) -> SectionT:
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]  # only dataclasses come here
    unknown = sorted(values.keys() - known)
    if unknown:
        raise SettingsError(f"{where}: unknown {unknown[0]!r}; known: {', '.join(sorted(known))}")
    plain = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    try:
        return kind(**plain)
    except TypeError as error:
        raise SettingsError(f"{where}: {error}") from error
