"""Read pages of HTML as a browser would."""

from __future__ import annotations

import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import cv2

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")

SINGLE = ("circle", "line", "polyline", "rect")
"""Elements of SVG that hold nothing."""

OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--v=0",
    "--window-size=900,1200",
)


class Tags(HTMLParser):
    """What a page opens and does not close, and what it asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "link", "img", *SINGLE):
            self.open.append(tag)
        self.sources += [v or "" for name, v in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        if tag not in SINGLE:
            assert self.open.pop() == tag


def complaints_of_a_browser(page: Path, folder: Path) -> list[str]:
    """Open a page in Chromium and return what its console says; it must show something."""
    assert CHROMIUM is not None
    picture = folder / "seen.png"
    profile = f"--user-data-dir={folder / 'profile'}"
    done = subprocess.run(
        [CHROMIUM, *OPTIONS, profile, f"--screenshot={picture}", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    seen = cv2.imread(str(picture))
    assert seen is not None
    assert seen.std() > 5
    return [line for line in done.stderr.splitlines() if "CONSOLE" in line]
