"""Draw whole drives with the truth about them, to measure with: DRIVE.mp4 and DRIVE.coco.json.

Things lie, cross, appear, leave, and hide behind a passing car; masks and ids are exact. Every
second drive has a cut, every third is wet.

Run: python samples/draw_drives.py drawn --drives 3
Then: mmras-stream evaluate drawn --video --smoothers flow,none
"""

from __future__ import annotations

from pathlib import Path

import typer

from mmras_stream.inserting.filming import film_drive
from mmras_stream.synthetic.drive import DriveSettings
from mmras_stream.synthetic.held_out import HELD_OUT


def main(out: Path, *, drives: int = 3, seconds: float = 6.0, held_out: bool = False) -> None:
    """Draw drives of shots of some seconds; held-out things are in no training scene."""
    out.mkdir(parents=True, exist_ok=True)
    for number in range(1, drives + 1):
        settings = DriveSettings(
            seed=number,
            shots=2 if number % 2 == 0 else 1,
            shot_seconds=seconds,
            kinds=tuple(HELD_OUT) if held_out else (),
            rain=0.7 if number % 3 == 0 else 0.0,
        )
        typer.echo(film_drive(settings, out, f"drawn-{number}"))


if __name__ == "__main__":
    typer.run(main)
