"""A training run as data: what is learnt from, how, and for how long."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from mmras_stream.errors import DataError, SettingsError

SectionT = TypeVar("SectionT")


CLASSES, OUTLIERS, EVERYTHING = "classes", "outliers", "everything"


@dataclass(frozen=True, slots=True)
class Schedule:
    """What all stages share."""

    batch_size: int
    crop_height: int
    crop_width: int
    weight_decay: float
    average_decay: float


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the run, with its own learning rate, which falls to nothing over it."""

    name: str
    learns: str
    """`classes`: all but the outlier head; `outliers`: that head alone; or `everything`."""
    minutes: float
    steps: int
    """The stage ends with whichever comes first."""
    learning_rate: float
    ranking: float = 0.0
    """Weight of the part of the loss that ranks strange places above ordinary ones."""
    frozen_statistics: bool = False
    """Leave the means and variances of batch normalisation as they are: few pictures move them."""

    def __post_init__(self) -> None:
        _known(self.learns, (CLASSES, OUTLIERS, EVERYTHING), f"stage {self.name!r}: learns")


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
    night: float = 0.0
    fog: float = 0.0
    rain: float = 0.0
    """Drops on the glass."""
    motion: float = 0.0
    """Blur along the way things move."""


@dataclass(frozen=True, slots=True)
class Outliers:
    """What is pasted to stand for the unknown."""

    cutouts: str
    held_out: float
    probability: float
    most: int
    kinds: Mapping[str, float]
    """Share of each kind of thing of `things.KINDS`."""
    on_road: float
    inlier_probability: float
    height_range: tuple[float, float] = (0.1, 1.4)
    """Of a thing, as shares of how far below the horizon it stands."""
    least_height: float = 6.0
    """Pixels."""
    validation_kinds: Mapping[str, float] = field(default_factory=dict)
    """The same for validation: kinds that training does not see."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Weights of the parts of the loss; class cross-entropy has weight 1."""

    outlier: float
    positive_weight: float
    dice: float
    margin: float = 1.0
    """By how much logits of strange places should lie above ordinary ones."""
    keep: float = 0.0
    """Weight of the part that holds the network to what it said before training."""


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
    validation: bool = False
    """Never learnt from; validation pictures are made of these sources alone."""


@dataclass(frozen=True, slots=True)
class Drive:
    """A video without anything strange: all of it is ordinary, and of no known class."""

    name: str
    video: str
    share: float
    horizon: float
    """As a share of the height; below it, the triangle down to both corners is taken as road."""
    every_seconds: float = 0.5
    end_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Reviewed:
    """Proposals that a person went through, in a COCO file as labelling tools export it."""

    name: str
    coco: str
    images: str
    """Folder that holds its pictures, at any depth."""
    share: float = 1.0
    proposals: tuple[str, ...] = ()
    """The files before the review: what is gone since is taken as rejected."""
    horizon: float = 0.5
    """As a share of the height; things are pasted onto the triangle from there to both corners."""
    rejected_weight: float = 4.0
    """In the outlier loss, of rejected regions; accepted ones have `Loss.positive_weight`."""
    rest_weight: float = 0.3
    """The same, of what bears no annotation: looked at, but things are missed."""


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
    stages: tuple[Stage, ...]
    drives: tuple[Drive, ...] = ()
    reviewed: tuple[Reviewed, ...] = ()

    def lasting(self, minutes: float) -> Recipe:
        """Return the recipe with its stages stretched or shortened to `minutes` in all."""
        factor = minutes / sum(stage.minutes for stage in self.stages)
        stages = (replace(stage, minutes=factor * stage.minutes) for stage in self.stages)
        return replace(self, stages=tuple(stages))

    def only(self, names: Sequence[str]) -> Recipe:
        """Return the recipe with only these of its stages, in its own order.

        Raises:
            SettingsError: it has no such stage.
        """
        for name in names:
            _known(name, [stage.name for stage in self.stages], "stage")
        return replace(self, stages=tuple(s for s in self.stages if s.name in names))

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
            f"no recipe {str(name)!r}: neither a file nor shipped with the library; "
            "try 'embedded', 'staged' or 'tuning'"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name} is not TOML: {error}") from error
    lists = {"sources": Source, "stages": Stage, "drives": Drive, "reviewed": Reviewed}
    for key, kind in lists.items():
        values[key] = tuple(_section(kind, v, key) for v in values.get(key, ()))
    if not values["stages"]:
        raise SettingsError(f"{name} has no [[stages]], so there is nothing to train")
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


def _known(name: str, names: Sequence[str], what: str) -> None:
    if name not in names:
        guess = get_close_matches(name, names, n=1)
        hint = f"did you mean {guess[0]!r}?" if guess else f"known: {', '.join(names)}"
        raise SettingsError(f"{what} {name!r} is unknown; {hint}")


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
