"""A training run as data: what is learnt from, how, and for how long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from difflib import get_close_matches
from typing import Any

from mmras_stream.errors import SettingsError
from mmras_stream.models.compact import CompactConfig
from mmras_stream.values import within_0_and_1

CLASSES, OUTLIERS, EVERYTHING, TEXT = "classes", "outliers", "everything", "text"

IGNORED = "ignore"
"""Name for labels that say nothing."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """What all stages share."""

    batch_size: int
    crop_height: int
    crop_width: int
    weight_decay: float
    average_decay: float
    kept_share: float = 0.0
    """Of the weights that the run begins with, in the mean that is written: what is learnt anew
    then costs less of what was known (Wortsman et al. 2022, arXiv 2109.01903)."""

    def __post_init__(self) -> None:
        within_0_and_1("schedule.kept_share", self.kept_share)


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the run, with its own learning rate, which falls to nothing over it."""

    name: str
    learns: str
    """`classes`: all but the outlier head; `outliers`: that head alone; `everything` but text; or
    `text`: the projection onto words alone, after which every score is what it was."""
    minutes: float
    steps: int
    """The stage ends with whichever comes first."""
    learning_rate: float
    ranking: float = 0.0
    """Weight of the part of the loss that ranks strange places above ordinary ones."""
    frozen_statistics: bool = False
    """Leave the means and variances of batch normalisation as they are: few pictures move them."""

    def __post_init__(self) -> None:
        learnt = (CLASSES, OUTLIERS, EVERYTHING, TEXT)
        check_known(self.learns, learnt, f"stage {self.name!r}: learns")


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
    leaves: float = 0.0
    """Patches of leaves and dirt on the road."""
    wet: float = 0.0
    """A road that mirrors what stands on it."""


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
    """Of a crop to get ordinary things from another picture, pasted alike."""
    inliers: tuple[str, ...]
    """Names of the labels that such things are cut out by; name one twice and it comes twice as
    often."""
    height_range: tuple[float, float] = (0.1, 1.4)
    """Of a thing, as shares of how far below the horizon it stands."""
    least_height: float = 6.0
    """Pixels."""
    cut_off: float = 0.0
    """Probability that a thing stands so near that its foot is below the picture."""
    validation_kinds: Mapping[str, float] = field(default_factory=dict)
    """The same for validation: kinds that training does not see."""

    def __post_init__(self) -> None:
        within_0_and_1("outliers.cut_off", self.cut_off)


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
    label_names: tuple[str, ...]
    """Class or group for each label value; "ignore" leaves it out of the loss, as it does higher
    values."""
    share: float
    wide_is_doubtful: str | None = None
    """A class or group whose regions wider than tall say nothing about being ordinary."""
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
    label_names: tuple[str, ...]
    """Class or group for each of `scene.LABEL_NAMES`."""
    beside: float = 0.0
    """Probability that a picture shows something strange beside the road too, near or far."""

    def __post_init__(self) -> None:
        within_0_and_1("drawn.beside", self.beside)


@dataclass(frozen=True, slots=True)
class Text:
    """Which words stages that learn `text` bring features to."""

    encoder: str = "minilm"
    """What `mmras_stream.models.encoders.load_encoder` takes."""
    logit_scale: float = 20.0
    """Factor that makes logits of cosines."""
    words: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """For a class the words whose mean it is brought to; its own name where nothing is said."""
    strange: tuple[str, ...] = ()
    """The same for all that is strange; without any, strange places are left out."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """All of a training run."""

    seed: int
    input_width: int
    """Pixels at which the network looks at whole pictures, unless told otherwise."""
    network: CompactConfig
    schedule: Schedule
    augmentation: Augmentation
    outliers: Outliers
    loss: Loss
    sources: tuple[Source, ...]
    drawn: Drawn
    stages: tuple[Stage, ...]
    drives: tuple[Drive, ...] = ()
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names for several classes together, as data sets of coarser labels know them."""
    reviewed: tuple[Reviewed, ...] = ()
    text: Text = field(default_factory=Text)

    @property
    def classes(self) -> tuple[str, ...]:
        """What the network tells apart; the first is what can be driven on."""
        return self.network.classes

    @property
    def group_numbers(self) -> tuple[tuple[int, ...], ...]:
        """Numbers of the classes in each group."""
        return tuple(
            tuple(self.classes.index(name) for name in names) for names in self.groups.values()
        )

    @property
    def learns_words(self) -> bool:
        """Tell whether a stage teaches words."""
        return any(stage.learns == TEXT for stage in self.stages)

    @property
    def keeps_scores(self) -> bool:
        """Tell whether nothing is learnt that a score depends on."""
        return all(stage.learns == TEXT for stage in self.stages)

    def label_number(self, name: str) -> int:
        """Return the number of a class, or of a group, which are counted after the classes.

        Raises:
            SettingsError: there is neither.
        """
        if name == IGNORED:
            return 255
        names = (*self.classes, *self.groups)
        check_known(name, names, "class or group")
        return names.index(name)

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
            check_known(name, [stage.name for stage in self.stages], "stage")
        return replace(self, stages=tuple(s for s in self.stages if s.name in names))

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values
        """Return plain JSON values, for the record beside the weights."""
        return asdict(self)


def check_known(name: str, names: Sequence[str], what: str) -> None:
    """Raise `SettingsError` with a guess unless a name is one of those known."""
    if name not in names:
        guess = get_close_matches(name, names, n=1)
        hint = f"did you mean {guess[0]!r}?" if guess else f"known: {', '.join(names)}"
        raise SettingsError(f"{what} {name!r} is unknown; {hint}")
