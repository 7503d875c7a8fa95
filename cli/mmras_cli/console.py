"""What every command shares: errors in one line, JSON, and the options that all take."""

from __future__ import annotations

import functools
import json
import logging
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, NoReturn, ParamSpec

import typer

P = ParamSpec("P")

INTERRUPTED = 130

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON to standard output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log what is being done.")]


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


def names_of(text: str) -> list[str]:
    """Return the names in a list such as `flow,none`."""
    return [name.strip() for name in text.split(",") if name.strip()]


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
