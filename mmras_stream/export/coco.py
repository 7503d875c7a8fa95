"""`proposals.coco.json`: every proposal of a drive, to label or to count."""

from __future__ import annotations

from mmras_stream.export.coco_writer import CocoWriter
from mmras_stream.settings import RunContext
from mmras_stream.tracks import TrackLog
from mmras_stream.types import FrameResult


class CocoExporter:
    """Writes each frame that carries proposals, and nothing of the others."""

    warnings: tuple[str, ...] = ()

    def __init__(self, context: RunContext) -> None:
        self._writer = CocoWriter(context.folder / "proposals.coco.json", context)
        self._tracks = TrackLog()
        self._length = 0
        self._closed = False

    def write(self, result: FrameResult) -> None:
        """Add the frame, if there is something on it."""
        self._length += 1
        for proposal in result.proposals:
            self._tracks.add(result.frame.moment, proposal)
        if result.proposals:
            self._writer.write(result.frame.moment, result.proposals)

    def close(self) -> None:
        """Finish the file and check that pycocotools reads it."""
        if not self._closed:
            self._closed = True
            self._writer.close(length=self._length, tracks=self._tracks.tracks())
