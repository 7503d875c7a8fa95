"""Values that a person wrote, checked one by one."""

from __future__ import annotations

import types
from difflib import get_close_matches
from typing import Literal, Union, get_args, get_origin

from mmras_stream.errors import SettingsError


def cast(name: str, value: object, hint: object) -> object:
    """Return a value of the type that a hint names.

    Raises:
        SettingsError: it is of another.
    """
    choices = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    for choice in choices:
        if get_origin(choice) is Literal:
            if value in get_args(choice):
                return value
        elif get_origin(choice) is tuple:
            if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
                return tuple(value)
        elif choice is float and isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        elif isinstance(choice, type) and type(value) is choice:
            return value
    raise SettingsError(f"{name} must be {_readable(choices)}, got {value!r}")


def _readable(choices: tuple[object, ...]) -> str:
    words = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "text",
        types.NoneType: "nothing",
    }
    parts: list[str] = []
    for choice in choices:
        if get_origin(choice) is Literal:
            parts += [repr(word) for word in get_args(choice)]
        else:
            parts.append(words.get(choice, "a list of names"))  # type: ignore[call-overload]  # tuple[str, ...] is the one left
    return " or ".join(parts)


def unknown(what: str, name: str, names: list[str]) -> str:
    """Say that there is no such thing, and what may have been meant."""
    guess = get_close_matches(name, names, n=1)
    hint = f"did you mean {guess[0]!r}?" if guess else f"known: {', '.join(names)}"
    return f"no {what} called {name!r}; {hint}"


def at_least(name: str, value: float | None, least: float) -> None:
    """Refuse what is lower; None is not.

    Raises:
        SettingsError: it is, or is not a number.
    """
    if value is not None and not value >= least:
        raise SettingsError(f"{name} must be at least {least:g}, got {value:g}")


def within_0_and_1(name: str, value: float) -> None:
    """Refuse what lies outside.

    Raises:
        SettingsError: it does, or is not a number.
    """
    if not 0 <= value <= 1:
        raise SettingsError(f"{name} must lie in 0..1, got {value:g}")
