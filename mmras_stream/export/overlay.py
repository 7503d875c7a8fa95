"""`overlay.mp4`: the drive with what was found drawn on, to watch."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path

from mmras_stream.render.colormap import ScoreScale
from mmras_stream.render.overlay import draw_overlay
from mmras_stream.render.timeline_strip import WINDOW_SECONDS, Instant
from mmras_stream.settings import RunContext
from mmras_stream.types import Frame, FrameResult
from mmras_stream.video.encoders import require_encoder
from mmras_stream.video.writer import VideoWriter
from mmras_stream.video.yuv420 import Planes420, yuv420_format

_ROUNDING_SECONDS = 0.5
"""By which a header may overstate the length of a drive."""


class OverlayExporter:
    """Writes every frame at its own time, with the sound of the drive.

    A part of a drive (`video.start_seconds`) starts at 0. Frames picked out of it (`video.stride`,
    `video.every_seconds`) go without sound.
    """

    def __init__(self, context: RunContext) -> None:
        require_encoder(context.settings.output.encoder)
        self._context = context
        self._writer: VideoWriter | None = None
        self._scale: ScoreScale | None = None
        self._history: deque[Instant] = deque()
        self._first_seconds = 0.0

    @property
    def warnings(self) -> Sequence[str]:
        return () if self._writer is None else [f"overlay: {w}" for w in self._writer.warnings]

    def write(self, result: FrameResult) -> None:
        """Draw and encode one frame."""
        scores = result.anomaly_map.scores
        self._scale = (self._scale or ScoreScale.around(result.threshold)).including(scores)
        self._remember(Instant(result.frame.seconds, float(scores.max()), len(result.finds)))
        planes = draw_overlay(result, self._scale, self._history)
        if self._writer is None:
            self._first_seconds = result.frame.seconds
            self._writer = self._begin(result.frame, planes)
        self._writer.write(planes, result.frame.pts)

    def close(self) -> None:
        """Finish the video; without a frame there is none."""
        if self._writer is not None:
            self._writer.close(all_sound=self._is_at_the_end())

    def _is_at_the_end(self) -> bool:
        """Tell whether the drive was seen to its end, where the sound may go on a little."""
        length = self._context.info.duration_seconds
        if length is None or self._context.settings.video.end_seconds is not None:
            return False
        return self._history[-1].seconds - self._first_seconds >= length - _ROUNDING_SECONDS

    def _remember(self, instant: Instant) -> None:
        self._history.append(instant)
        # One instant older than the window stays: it reaches into it.
        while (
            len(self._history) > 1 and self._history[1].seconds < instant.seconds - WINDOW_SECONDS
        ):
            self._history.popleft()

    def _begin(self, frame: Frame, planes: Planes420) -> VideoWriter:
        context, video = self._context, self._context.settings.video
        source = Path(context.info.uri)
        is_whole = video.stride == 1 and video.every_seconds is None
        height, width = planes[0].shape
        return VideoWriter(
            context.folder / "overlay.mp4",
            height=height,
            width=width,
            time_base=frame.time_base,
            pixel_format=yuv420_format(frame),
            encoder=context.settings.output.encoder,
            frame_rate=context.info.frame_rate / video.stride,
            sound_from=source if is_whole and source.is_file() else None,
            start_pts=None if video.start_seconds is None else frame.pts,
        )
