"""Recipes as TOML files."""

from __future__ import annotations

import itertools
import tomllib
from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from mmras_stream.errors import SettingsError
from mmras_stream.models.compact import CompactConfig
from mmras_stream.training.recipe import (
    Augmentation,
    Drawn,
    Drive,
    Loss,
    Outliers,
    Recipe,
    Reviewed,
    Schedule,
    Source,
    Stage,
    Text,
    check_known,
)

SectionT = TypeVar("SectionT")


def load_recipe(name: str | Path) -> Recipe:
    """Read a recipe from a TOML file, or one that ships with the library by its name.

    A recipe that `extends` another, which may do so too, takes from it what it does not say
    itself: whole lists, such as the stages, and single values of the tables.

    >>> load_recipe("embedded").classes[0]
    'road'

    Raises:
        SettingsError: there is no such recipe, or a key in it is missing or unknown.
    """
    values = _whole(name)
    lists = {"sources": Source, "stages": Stage, "drives": Drive, "reviewed": Reviewed}
    for key, kind in lists.items():
        values[key] = tuple(_section(kind, v, key) for v in values.get(key, ()))
    if not values["stages"]:
        raise SettingsError(f"{name} has no [[stages]], so there is nothing to train")
    classes = values.pop("classes", ())
    shape = {**values.get("network", {}), "classes": classes}
    values["network"] = _section(CompactConfig, shape, "network")
    values["groups"] = {k: tuple(v) for k, v in values.get("groups", {}).items()}
    for section in (Schedule, Augmentation, Outliers, Loss, Drawn, Text):
        key = section.__name__.lower()
        values[key] = _section(section, values.get(key, {}), key)
    recipe = _section(Recipe, values, "the recipe")
    for name in (*itertools.chain.from_iterable(recipe.groups.values()), *recipe.text.words):
        check_known(name, recipe.classes, "class")
    return recipe


def _whole(name: str | Path, above: tuple[str, ...] = ()) -> dict[str, Any]:  # Any: TOML values
    """Read a recipe with all that it takes from those it extends."""
    if str(name) in above:
        raise SettingsError(f"recipe {name} extends itself, by way of {' and '.join(above)}")
    values = _read(name)
    if "extends" not in values:
        return values
    return _merged(_whole(values.pop("extends"), (*above, str(name))), values)


def _read(name: str | Path) -> dict[str, Any]:  # Any: TOML values
    shipped = files("mmras_stream.training") / "recipes" / f"{name}.toml"
    try:
        text = shipped.read_text("utf-8") if shipped.is_file() else Path(name).read_text("utf-8")
        return tomllib.loads(text)
    except OSError as error:
        raise SettingsError(
            f"no recipe {str(name)!r}: neither a file nor shipped with the library; "
            "try 'embedded', 'further', 'broader', 'roadside', 'staged', 'text' or 'tuning'"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name} is not TOML: {error}") from error


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:  # Any: TOML values
    both = {
        key: {**under[key], **value}
        for key, value in over.items()
        if isinstance(value, dict) and isinstance(under.get(key), dict)
    }
    return {**under, **over, **both}


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
