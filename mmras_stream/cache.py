"""Where what can be fetched or made again is kept."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HOME_VARIABLE = "MMRAS_STREAM_HOME"


def cache_folder() -> Path:
    """Return the folder of it all: $MMRAS_STREAM_HOME, or the platform's cache."""
    if home := os.environ.get(HOME_VARIABLE):
        return Path(home)
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home()))
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "mmras-stream"
