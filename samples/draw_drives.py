"""Draw whole drives with the truth about them, to measure with: DRIVE.mp4 and DRIVE.coco.json.

Each has one shot or more with a cut between, things that lie, cross, appear, leave and hide
behind a passing car, and masks and ids that are exact. Every third drive is wet.

Run: python samples/draw_drives.py drawn --drives 3
Then: mmras-stream evaluate drawn --video --smoothers flow,none
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
import typer

from mmras_stream.export.truth import TruthWriter
from mmras_stream.synthetic.drive import DriveFrame, DriveSettings, draw_drive
from mmras_stream.synthetic.held_out import HELD_OUT
from mmras_stream.types import ColourMatrix, Frame, PixelFormat
from mmras_stream.video.writer import VideoWriter
from mmras_stream.video.yuv420 import to_yuv420, yuv420_format

RGB = PixelFormat(ColourMatrix.RGB, full_range=True)


def main(out: Path, *, drives: int = 3, seconds: float = 6.0, held_out: bool = False) -> None:
    """Draw drives of one, two, one, two ... shots of some seconds each.

    Held-out things are those that no training scene shows.
    """
    out.mkdir(parents=True, exist_ok=True)
    for number in range(drives):
        settings = DriveSettings(
            seed=number + 1,
            shots=1 + number % 2,
            shot_seconds=seconds,
            kinds=tuple(HELD_OUT) if held_out else (),
            rain=0.7 if number % 3 == 2 else 0.0,
        )
        frames = write_drive(settings, out, f"drawn-{number + 1}")
        typer.echo(f"{out / f'drawn-{number + 1}.mp4'}: {frames} frames")


def write_drive(settings: DriveSettings, out: Path, name: str) -> int:
    """Write one drive and its truth; return the number of frames."""
    size = settings.height, settings.width
    tick = 1 / settings.frame_rate
    truth = TruthWriter(name, size=size, frame_rate=settings.frame_rate)
    writer: VideoWriter | None = None
    for drawn in draw_drive(settings):
        frame = as_frame(drawn, tick)
        if writer is None:
            writer = VideoWriter(
                out / f"{name}.mp4",
                height=settings.height,
                width=settings.width,
                time_base=tick,
                pixel_format=yuv420_format(frame),
                frame_rate=settings.frame_rate,
            )
        writer.write(to_yuv420(frame), frame.pts)
        truth.add_frame(frame.index, pts=frame.pts, seconds=frame.seconds)
        for number in np.unique(drawn.ids[drawn.ids > 0]).tolist():
            truth.add_mask(number, drawn.kinds[number], drawn.ids == number)
    if writer is not None:
        writer.close()
    truth.write(out / f"{name}.coco.json", uri=f"{name}.mp4")
    return truth.frames


def as_frame(drawn: DriveFrame, tick: Fraction) -> Frame:
    """Return a picture as the library takes it."""
    first, second, third = torch.from_numpy(drawn.image).permute(2, 0, 1).contiguous()
    return Frame(drawn.index, drawn.index, tick, (first, second, third), RGB)


if __name__ == "__main__":
    typer.run(main)
