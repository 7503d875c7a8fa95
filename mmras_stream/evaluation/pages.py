"""What all pages of HTML have in common: one file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from mmras_stream.atomic import partial_path, publish, reported


def filled(template: str, parts: Mapping[str, str]) -> str:
    """Return `page.html` around the sections of a template of this folder, all filled in."""
    page, sections, style = (_read(name) for name in ("page.html", template, "page.css"))
    inner = Template(sections).substitute(parts)
    return Template(page).substitute(parts, sections=inner, style=style)


def _read(name: str) -> str:
    return (files("mmras_stream.evaluation") / name).read_text("utf-8")


def publish_page(text: str, path: Path) -> None:
    """Write a page, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    with reported(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial_path(path).write_text(text, encoding="utf-8", errors="replace")
    publish(path)


def card(name: str, figure: str, remark: str) -> str:
    """Return a figure that is to be seen first."""
    return f'<div class="card"><span>{name}</span><b>{figure}</b><small>{remark}</small></div>'


def pair_rows(pairs: Iterable[tuple[str, object]]) -> str:
    """Return rows of a table of names and values."""
    return "".join(
        f"<tr><td>{escape(name)}</td><td><code>{escape(str(value))}</code></td></tr>"
        for name, value in pairs
    )


def flat(value: object, prefix: str = "") -> list[tuple[str, object]]:
    """Return the leaves of nested values, each with the names on the way to it."""
    if not isinstance(value, Mapping):
        return [(prefix, value)]
    return [
        pair
        for key, inner in value.items()
        for pair in flat(inner, f"{prefix}.{key}" if prefix else str(key))
    ]


def percent(share: float | None) -> str:
    """Return a share as text, a dash where there is none."""
    return "-" if share is None else f"{100 * share:.1f} %"


def number(value: float | None, digits: int) -> str:
    """Return a number as text, a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"
