"""Run our commands as a user does, and find the sample drive."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
from typer.testing import CliRunner

from mmras_cli.main import app

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "samples" / "drive.mp4"


def shown_at(path: Path) -> list[Fraction]:
    """Return when each frame of a video is shown, in seconds."""
    with av.open(str(path)) as container:
        times = [(frame.pts, frame.time_base) for frame in container.decode(video=0)]
    assert all(pts is not None and base is not None for pts, base in times)
    return [pts * base for pts, base in times if pts is not None and base is not None]


def annotate(*arguments: object, code: int = 0) -> str:
    """Run `mmras-stream annotate`, check its exit code and return what it printed."""
    result = CliRunner().invoke(app, ["annotate", *(str(a) for a in arguments)])
    assert result.exit_code == code, result.output
    return result.stdout
