"""What every command shares: errors in one line, tables, progress, common options."""

from __future__ import annotations

import functools
import json
import logging
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn, ParamSpec

import typer

P = ParamSpec("P")

INTERRUPTED = 130

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON to standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log what is being done.")]
Config = Annotated[
    Path | None, typer.Option(help="TOML file of settings; options here win over it.")
]
ModelName = Annotated[
    str | None,
    typer.Option("--model", help="compact (built in), r50, r101, or PLUGIN:WEIGHTS as in hf:NAME."),
]
Weights = Annotated[
    str | None,
    typer.Option("--weights", "--checkpoint", help="'embedded', or a file of weights."),
]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Precision = Annotated[str | None, typer.Option(help="auto, float32 or bfloat16.")]
InputWidth = Annotated[
    int | None, typer.Option(help="Width in pixels at which the compact network looks.")
]
ShortEdge = Annotated[
    int | None, typer.Option(help="Shorter side in pixels at which networks of masks look.")
]
Fast = Annotated[
    bool | None, typer.Option("--fast/--exact", help="Networks of masks: near the exact scores.")
]
Score = Annotated[
    str | None, typer.Option(help="auto, a scorer, or shares as in outlier=0.95,msp=0.05.")
]
Alpha = Annotated[float | None, typer.Option(help="Share of the image in its blend with text.")]
EnsembleW = Annotated[
    float | None, typer.Option("--w", help="Share of the blended score in the MMRAS ensemble.")
]
Clip = Annotated[
    str | None,
    typer.Option(
        help="Model of open_clip, such as RN50:openai, or a folder with its files; none for the "
        "words that the network's weights know."
    ),
]
Classes = Annotated[
    str | None, typer.Option(help="Words for the network's classes: cityscapes or a file.")
]
TextVectors = Annotated[
    str | None,
    typer.Option(help="Of the score mmras: .npy or .safetensors, a row for each class."),
]
Templates = Annotated[
    str | None, typer.Option(help="Text file with lines such as 'a photo of a {}.'")
]
NameThings = Annotated[
    bool | None, typer.Option("--name-things/--no-name-things", help="Say in words what is found.")
]
SuppressKnown = Annotated[
    float | None,
    typer.Option(help="Drop things that look ordinary with this confidence, e.g. 0.85."),
]
Threshold = Annotated[
    str | None, typer.Option(help="Score above which a place is strange, or 'auto'.")
]
Tta = Annotated[str | None, typer.Option(help="none, or flip to look at the mirror image too.")]


def reported(command: Callable[P, None]) -> Callable[P, None]:
    """Turn our errors into one line and exit code 1, and Ctrl-C into exit code 130."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        from mmras_stream.errors import MmrasError

        try:
            with terminated_like_interrupted():
                command(*args, **kwargs)
        except MmrasError as error:
            complain(str(error))
            raise typer.Exit(1) from error
        except KeyboardInterrupt as error:
            complain("interrupted")
            raise typer.Exit(INTERRUPTED) from error

    return wrapped


def complain(message: str) -> None:
    """Print one line to standard error."""
    line = message.replace("\n", "\\n").replace("\r", "\\r")
    typer.echo(f"mmras-stream: {line}", err=True)


def model_options(
    model: str | None, weights: str | None, **others: object
) -> dict[str, object]:  # others: keys of [model]
    """Return the keys of the section [model] that options name; `PLUGIN:WEIGHTS` names two."""
    name, has_weights, rest = (model or "").partition(":")
    return {"name": name or None, "weights": rest if has_weights else weights, **others}


def given(chosen: Mapping[str, Mapping[str, object]]) -> dict[str, dict[str, object]]:
    """Leave out the options that were not given, in every section of the settings."""
    return {
        section: {key: value for key, value in values.items() if value is not None}
        for section, values in chosen.items()
    }


def threshold_value(text: str | None) -> float | str | None:
    """Read what `--threshold` says.

    Raises:
        typer.BadParameter: it is neither a number nor `auto`.
    """
    if text is None or text == "auto":
        return text
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is neither a number nor 'auto'") from None


def print_json(value: object) -> None:
    """Print a value as JSON to standard output."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def show_log(*, verbose: bool) -> None:
    """Send the library's log to standard error."""
    level = logging.DEBUG if verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(name)s: %(message)s", stream=sys.stderr)


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Let SIGTERM finish files as Ctrl-C does; signals reach only the main thread."""

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not in the main thread, where signals are none of our business
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
