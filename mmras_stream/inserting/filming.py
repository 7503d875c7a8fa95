"""Write a drawn drive as `insert` writes a real one: a video, and the truth about every pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmras_stream.export.truth import TruthWriter
from mmras_stream.synthetic.drive import DriveSettings, draw_drive
from mmras_stream.video.colour import rgb_batch
from mmras_stream.video.writer import VideoWriter
from mmras_stream.video.yuv420 import to_yuv420, yuv420_format


def film_drive(settings: DriveSettings, out: Path, name: str) -> Path:
    """Write `NAME.mp4` and `NAME.coco.json` to a folder that exists; return the video.

    Raises:
        OutputError: a file cannot be written.
        SettingsError: there is no such kind of thing.
        VideoError: no encoder takes pictures of this size.
    """
    tick = 1 / settings.frame_rate
    size = settings.height, settings.width
    video = out / f"{name}.mp4"
    truth = TruthWriter(name, size=size, frame_rate=settings.frame_rate)
    writer: VideoWriter | None = None
    for drawn in draw_drive(settings):
        frame = rgb_batch(drawn.image, index=drawn.index, tick=tick)[0]
        if writer is None:
            writer = VideoWriter(
                video,
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
    assert writer is not None
    writer.close()
    truth.write(out / f"{name}.coco.json", uri=video.name)
    return video
