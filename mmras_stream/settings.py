"""Everything a run can be told, as frozen data read from a TOML file and the command line."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_type_hints

from mmras_stream.errors import SettingsError
from mmras_stream.types import VideoInfo
from mmras_stream.values import at_least, cast, unknown, within_0_and_1

Values = Mapping[str, Mapping[str, object]]
"""Section -> key -> value, the shape of the TOML file."""


@dataclass(frozen=True, slots=True)
class VideoSettings:
    """Which frames are read, and how."""

    decoder: str = "auto"
    """Plugin name; `auto` takes `images` for a folder or a pattern of pictures, else `pyav`."""
    start_seconds: float | None = None
    """Since the first frame; earlier frames are decoded and dropped."""
    end_seconds: float | None = None
    """Since the first frame, exclusive."""
    every_seconds: float | None = None
    """Keep the first frame in each interval of this length."""
    stride: int = 1
    """Keep each n-th frame."""
    batch_size: int = 4
    decode_ahead: int = 4
    """Batches that decoding may run ahead of the network."""

    def __post_init__(self) -> None:
        at_least("video.stride", self.stride, 1)
        at_least("video.batch_size", self.batch_size, 1)
        at_least("video.decode_ahead", self.decode_ahead, 1)
        at_least("video.start_seconds", self.start_seconds, 0)
        if self.every_seconds is not None and self.every_seconds <= 0:
            raise SettingsError(f"video.every_seconds must be above 0, got {self.every_seconds:g}")
        if self.every_seconds is not None and self.stride != 1:
            raise SettingsError("video.every_seconds and video.stride exclude each other; give one")
        if self.end_seconds is not None and self.end_seconds <= (self.start_seconds or 0):
            start = self.start_seconds or 0
            raise SettingsError(
                f"video.end_seconds {self.end_seconds:g} is not after the start, {start:g}"
            )


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """The network and where it runs."""

    name: str = "compact"
    """Backend plugin: `compact`, `r50` or `r101` (the paper's network), `hf` or another."""
    weights: str = "embedded"
    """`embedded` (of `compact`), the path of a checkpoint, or what the plugin takes for one."""
    device: str = "auto"
    """`auto` takes `cuda` where there is one, else `cpu`."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """`auto` takes bfloat16 where the hardware multiplies it faster; networks that predict masks
    have to be `fast` for it."""
    input_width: int | None = None
    """Of `compact`: pixels; the height follows the picture's shape, in steps of 16. None takes what
    the weights were calibrated at."""
    short_edge: int | None = None
    """Of networks that predict masks: pixels to which a picture's shorter side is brought; None
    takes what the weights name, else 1024 as published."""
    long_edge: int | None = None
    """Of networks that predict masks: pixels that the longer side has at most; None: twice the
    shorter, or what the weights name."""
    fast: bool = False
    """Of networks that predict masks: sum the masks at half the input's size, and let `precision`
    take what is fastest."""

    def __post_init__(self) -> None:
        at_least("model.input_width", self.input_width, 32)
        at_least("model.short_edge", self.short_edge, 32)
        at_least("model.long_edge", self.long_edge, self.short_edge or 32)


@dataclass(frozen=True, slots=True)
class ScoreSettings:
    """How a network's output becomes one score per place; see `mmras_stream.scoring`."""

    name: str = "auto"
    """Scorer plugin, or several with their shares: `outlier=0.95,msp=0.05`. `auto` takes what
    fits the network: these two where it has an outlier head, else `maxlogits`."""
    alpha: float = 0.99
    """Of `mmras` and `mmras_aligned`: share of the image's class scores in the blend with text."""
    w: float = 0.7
    """Of the same: share of the blended score in the sum with the plain one."""
    tta: Literal["auto", "none", "flip", "scales"] = "auto"
    """Test-time augmentation. `flip`: average with the score of the mirrored picture, at twice the
    cost. `scales`, of `compact`: look at half the size too, which costs a quarter more. `auto`
    takes what the weights were calibrated with, else `none`."""

    def __post_init__(self) -> None:
        within_0_and_1("score.alpha", self.alpha)
        within_0_and_1("score.w", self.w)


@dataclass(frozen=True, slots=True)
class TextSettings:
    """The words that scores and names are made from, and what knows them."""

    clip: str = "auto"
    """What `mmras_stream.models.clip_source.find_clip` takes, such as `RN50:openai` or a folder;
    `none` for the network's own text space. `auto` takes RN50 where it is on this machine, else the
    network's own where its weights have one, else fetches RN50."""
    vectors: str | None = None
    """Of the score `mmras`: a .npy or .safetensors file with a row per class; None asks
    what `clip` names, which has to fit the network's features."""
    classes: str | None = None
    """Vocabulary whose words stand for the network's classes; None takes their own names."""
    templates: str | None = None
    """Text file with a template to a line; None takes those that come with the library."""
    name_things: bool = False
    """Give each thing the words of `obstacles` that it looks most like."""
    obstacles: str = "obstacles"
    """Vocabulary of what should not be on a road."""
    suppress_known: float | None = None
    """Confidence, 0..1, that a thing is one of `known` and none of `obstacles`, above which it is
    no find; published practice is 0.85. None suppresses nothing."""
    known: str = "cityscapes"
    """Vocabulary of what is ordinary."""

    def __post_init__(self) -> None:
        if self.suppress_known is not None:
            within_0_and_1("text.suppress_known", self.suppress_known)


@dataclass(frozen=True, slots=True)
class TemporalSettings:
    """How scores and regions are followed over time."""

    smoother: str = "flow"
    """Plugin name: `flow` (follows the motion), `median` (too), `ema` or `none`."""
    motion: str = "dis"
    """Plugin name: how the motion of the picture is found; `dis` (dense), `lucas_kanade` (too, on
    the device of the pictures), `homography` (of the road plane) or `none`."""
    half_life_seconds: float = 0.15
    """Time after which a past score has lost half its weight."""
    rise_half_life_seconds: float = 0.08
    """Of `flow`: the same where a score is higher than any that was near before."""
    min_duration_seconds: float = 0.2
    """A thing must be seen this long before it is proposed."""
    max_gap_seconds: float = 0.8
    """A thing unseen for longer gets a new id when it returns."""
    look_back_seconds: float = 3.0
    """Results are held back for so long, so that a thing is proposed on its first frames too."""
    retrace: bool = True
    """Follow things by their texture to frames in which they were not noticed, or in part, within
    that time but for the 0.6 s in which it shows how a thing is seen best."""

    def __post_init__(self) -> None:
        for name in ("half_life_seconds", "rise_half_life_seconds"):
            value = getattr(self, name)
            if value <= 0:
                raise SettingsError(f"temporal.{name} must be above 0, got {value:g}")
        at_least("temporal.min_duration_seconds", self.min_duration_seconds, 0)
        at_least("temporal.max_gap_seconds", self.max_gap_seconds, 0)
        at_least("temporal.look_back_seconds", self.look_back_seconds, 0)


@dataclass(frozen=True, slots=True)
class ProposalSettings:
    """Which regions are worth a label."""

    threshold: float | Literal["auto"] = "auto"
    """Score above which a place is strange; `auto` takes the one calibrated for the weights."""
    calibration: str | None = None
    """File of `mmras-stream calibrate`, whose threshold `auto` takes then."""
    keep_share: float = 0.6
    """Of the threshold: a thing that was above it is followed, and masks reach, down to this share
    of it."""
    outline: bool = True
    """Bring masks to the edges that the picture shows, which maps are too coarse for; takes about
    a millisecond for each thing in a frame."""
    min_area: int | None = None
    """Frame pixels; None means four cells of the anomaly map."""
    min_peak: float | None = None
    """Score that a thing must reach once."""
    on_road: float | None = None
    """Share of the ground at a thing's foot that must be road, 0..1; needs a network that knows
    the road."""

    def __post_init__(self) -> None:
        within_0_and_1("proposals.keep_share", self.keep_share)
        at_least("proposals.min_area", self.min_area, 0)
        if self.on_road is not None:
            within_0_and_1("proposals.on_road", self.on_road)

    def faint_threshold(self, threshold: float) -> float:
        """Return the score down to which a thing is followed that was above a threshold.

        >>> ProposalSettings().faint_threshold(0.5), ProposalSettings().faint_threshold(-0.5)
        (0.3, -0.7)
        """
        return threshold - (1 - self.keep_share) * abs(threshold)


@dataclass(frozen=True, slots=True)
class OutputSettings:
    """What is written."""

    exporters: tuple[str, ...] = ("overlay", "coco", "frames", "timeline")
    encoder: str = "libx264"
    """Any H.264, HEVC or AV1 encoder that PyAV has."""
    frames_per_track: int = 3
    context_frames: int = 0
    """Frames kept before and after each of these, for whoever labels."""
    timeline: Literal["parquet", "csv"] = "parquet"

    def __post_init__(self) -> None:
        at_least("output.frames_per_track", self.frames_per_track, 0)
        at_least("output.context_frames", self.context_frames, 0)


@dataclass(frozen=True, slots=True)
class Settings:
    """All of the above; one default set serves all footage."""

    video: VideoSettings = field(default_factory=VideoSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    score: ScoreSettings = field(default_factory=ScoreSettings)
    text: TextSettings = field(default_factory=TextSettings)
    temporal: TemporalSettings = field(default_factory=TemporalSettings)
    proposals: ProposalSettings = field(default_factory=ProposalSettings)
    output: OutputSettings = field(default_factory=OutputSettings)

    def to_dict(self) -> dict[str, object]:
        """Return plain values, section by section, as `load` reads them."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class RunContext:
    """What an exporter is told when it is built."""

    info: VideoInfo
    folder: Path
    """Where the files of this drive go; it exists."""
    drive: str
    """Name of the drive and of `folder`; unique within the run."""
    settings: Settings


def load(path: Path | None = None, overrides: Values | None = None) -> Settings:
    """Read settings from a TOML file, then replace those that `overrides` names.

    >>> load(overrides={"video": {"stride": 2}}).video.stride
    2

    Raises:
        SettingsError: the file cannot be read, or a name or value in it makes no sense.
    """
    values = {} if path is None else _read(path)
    sections = {name: dict(keys) for name, keys in values.items()}
    for name, keys in (overrides or {}).items():
        sections.setdefault(name, {}).update(keys)
    built = {name: _section(name, keys) for name, keys in sections.items()}
    return Settings(**built)


def _read(path: Path) -> dict[str, dict[str, object]]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read settings {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}") from error
    for name, keys in values.items():
        if not isinstance(keys, dict):
            raise SettingsError(f"{path}: {name!r} stands outside a section; known: {_SECTIONS}")
    return values


_SECTIONS = ", ".join(f"[{section.name}]" for section in fields(Settings))


def _section(name: str, values: Mapping[str, object]) -> Any:  # noqa: ANN401 - one of the classes above
    classes = get_type_hints(Settings)
    if name not in classes:
        raise SettingsError(unknown("section", name, list(classes)))
    hints = get_type_hints(classes[name])
    for key in values:
        if key not in hints:
            raise SettingsError(unknown(f"setting in [{name}]", key, list(hints)))
    checked = {key: cast(f"{name}.{key}", value, hints[key]) for key, value in values.items()}
    return classes[name](**checked)
