"""Which files are pictures, and which paths mean many of them."""

from __future__ import annotations

import glob
from pathlib import Path

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


def is_picture(file: Path) -> bool:
    """Tell whether a file is a visible picture, by its name."""
    # macOS leaves "._name.jpg" beside "name.jpg" on memory cards.
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file()


def are_pictures(path: Path | str) -> bool:
    """Tell whether a path is a folder that holds pictures, or a pattern such as 'trip/*.jpg'."""
    where = Path(path)
    if where.is_dir():
        return any(is_picture(file) for file in where.iterdir())
    return not where.exists() and glob.has_magic(str(path)) and where.suffix.lower() in SUFFIXES
