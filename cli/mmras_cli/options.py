"""The options that become settings of a run, once for all commands that take them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_type_hints

import typer

from mmras_cli.console import names_of

if TYPE_CHECKING:
    from mmras_stream.settings import Settings

Config = Annotated[
    Path | None, typer.Option(help="TOML file of settings; options here win over it.")
]


@dataclass(frozen=True, slots=True)
class Choice:
    """An option that makes a setting, where it is given."""

    setting: str
    """Section and key."""
    help: str
    kind: type = str
    flags: tuple[str, ...] = ()
    """Other than the name of the parameter."""
    read: Callable[[str], object] | None = None
    """Makes the setting of what is given."""

    @property
    def annotation(self) -> object:
        """What Typer is to know of the parameter."""
        return Annotated[self.kind | None, typer.Option(*self.flags, help=self.help)]


def threshold_value(text: str) -> float | str:
    """Read what `--threshold` says.

    Raises:
        typer.BadParameter: it is neither a number nor `auto`.
    """
    if text == "auto":
        return text
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is neither a number nor 'auto'") from None


MODEL = ("model", "weights", "device", "precision", "input_width", "short_edge", "fast")
"""The options that say what network looks, and how."""

CHOICES: dict[str, Choice] = {
    "start": Choice("video.start_seconds", "Seconds into the drive.", float),
    "end": Choice("video.end_seconds", "Seconds into the drive.", float),
    "every": Choice("video.every_seconds", "Look once in so many seconds.", float),
    "stride": Choice("video.stride", "Look at each n-th frame.", int),
    "decoder": Choice("video.decoder", "auto, pyav, images or decord."),
    "batch_size": Choice("video.batch_size", "Frames per network call.", int),
    "model": Choice(
        "model.name", "compact (built in), r50, r101, or PLUGIN:WEIGHTS as in hf:NAME."
    ),
    "weights": Choice(
        "model.weights", "'embedded', or a file of weights.", flags=("--weights", "--checkpoint")
    ),
    "device": Choice("model.device", "auto, cpu, cuda or cuda:N."),
    "precision": Choice("model.precision", "auto, float32 or bfloat16."),
    "input_width": Choice(
        "model.input_width", "Width in pixels at which the compact network looks.", int
    ),
    "short_edge": Choice(
        "model.short_edge", "Shorter side in pixels at which networks of masks look.", int
    ),
    "fast": Choice(
        "model.fast", "Networks of masks: near the exact scores.", bool, flags=("--fast/--exact",)
    ),
    "score": Choice("score.name", "auto, a scorer, or shares as in outlier=0.95,msp=0.05."),
    "alpha": Choice("score.alpha", "Share of the image in its blend with text.", float),
    "w": Choice(
        "score.w", "Share of the blended score in the MMRAS ensemble.", float, flags=("--w",)
    ),
    "tta": Choice(
        "score.tta", "auto, none, flip (the mirror image too) or scales (half the size too)."
    ),
    "clip": Choice(
        "text.clip",
        "Model of open_clip, such as RN50:openai, or a folder with its files; none for the words "
        "that the network's weights know.",
    ),
    "classes": Choice("text.classes", "Words for the network's classes: cityscapes or a file."),
    "text_vectors": Choice(
        "text.vectors", "Of the score mmras: .npy or .safetensors, a row for each class."
    ),
    "templates": Choice("text.templates", "Text file with lines such as 'a photo of a {}.'"),
    "name_things": Choice(
        "text.name_things",
        "Say in words what is found.",
        bool,
        flags=("--name-things/--no-name-things",),
    ),
    "suppress_known": Choice(
        "text.suppress_known",
        "Drop things that look ordinary with this confidence, e.g. 0.85.",
        float,
    ),
    "threshold": Choice(
        "proposals.threshold",
        "Score above which a place is strange, or 'auto'.",
        read=threshold_value,
    ),
    "calibration": Choice(
        "proposals.calibration", "Threshold from a file of `mmras-stream calibrate`."
    ),
    "min_area": Choice("proposals.min_area", "Smallest proposal, frame pixels.", int),
    "min_peak": Choice("proposals.min_peak", "Score a thing must reach to be proposed.", float),
    "on_road": Choice(
        "proposals.on_road", "Share of road, 0..1, that must lie at a thing's foot.", float
    ),
    "smoother": Choice("temporal.smoother", "flow, median, ema, none or a plugin."),
    "motion": Choice(
        "temporal.motion",
        "dis, lucas_kanade (on the device of the pictures), homography, none or a plugin.",
    ),
    "half_life": Choice("temporal.half_life_seconds", "Of the smoothing, in seconds.", float),
    "min_duration": Choice(
        "temporal.min_duration_seconds", "Seconds a thing must be seen to be proposed.", float
    ),
    "encoder": Choice("output.encoder", "Of the overlay, e.g. libx264."),
    "exporters": Choice(
        "output.exporters",
        "Comma-separated: overlay,coco,frames,timeline.",
        read=lambda text: tuple(names_of(text)),
    ),
    "frames_per_track": Choice(
        "output.frames_per_track", "Pictures kept for each thing found.", int
    ),
    "context_frames": Choice(
        "output.context_frames", "Frames kept before and after each of these.", int
    ),
    "timeline": Choice("output.timeline", "parquet or csv."),
}
"""Name of a parameter -> the setting that it makes."""


def takes_settings(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command `--config` and the options of these names, in place of its `settings`.

    The command is called with the `Settings` that they make; a bad one raises `SettingsError`, so
    this stands below `reported`.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def wrapped(*, config: Path | None, **values: object) -> None:
            chosen = {name: values.pop(name) for name in names}
            command(settings=_settings(config, chosen), **values)

        parameters = _parameters(command, names)
        # Typer reads what a command takes from these two
        wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # as PEP 362 has it
        wrapped.__annotations__ = {p.name: p.annotation for p in parameters}
        return wrapped

    return decorate


def _parameters(command: Callable[..., None], names: tuple[str, ...]) -> list[inspect.Parameter]:
    """Return the parameters of a command with options in place of `settings`, all by keyword."""
    hints = get_type_hints(command, localns={"Settings": object}, include_extras=True)
    options = {"config": Config, **{name: CHOICES[name].annotation for name in names}}
    parameters = []
    for own in inspect.signature(command).parameters.values():
        if own.name == "settings":
            parameters += [_by_keyword(name, kind, None) for name, kind in options.items()]
        else:
            parameters.append(_by_keyword(own.name, hints[own.name], own.default))
    return parameters


def _by_keyword(name: str, annotation: object, default: object) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


def _settings(config: Path | None, chosen: Mapping[str, object]) -> Settings:
    from mmras_stream.settings import load

    sections: dict[str, dict[str, object]] = {}
    for name, value in chosen.items():
        if value is not None:
            choice = CHOICES[name]
            section, key = choice.setting.split(".")
            made = value if choice.read is None else choice.read(str(value))
            sections.setdefault(section, {})[key] = made
    model = sections.get("model", {})
    name, has_weights, weights = str(model.get("name", "")).partition(":")
    if has_weights:
        model |= {"name": name, "weights": weights}
    return load(config, sections)
