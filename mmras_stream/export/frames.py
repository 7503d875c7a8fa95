"""`frames/`: the best pictures of each thing, and the labels that belong to them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

import cv2

from mmras_stream.atomic import partial_path, publish, reported
from mmras_stream.export.coco_writer import CocoWriter, picture_name
from mmras_stream.settings import RunContext
from mmras_stream.tracks import TrackLog
from mmras_stream.types import Frame, FrameResult, Moment, Proposal
from mmras_stream.video.colour import to_rgb

JPEG_QUALITY = 92
APART_SECONDS = 0.5
"""Pictures of one thing are taken at least this far apart."""

BETTER = 1.2
"""A picture replaces another only if it is this many times better: encoding costs time."""

FORGET_SECONDS = 5.0
"""A thing unseen for this long gets no more pictures, and its own go to disk."""


@dataclass(slots=True)
class _Pick:
    """A frame chosen to show one thing."""

    quality: float
    seconds: float
    frame_index: int


@dataclass(frozen=True, slots=True, eq=False)
class _Picture:
    moment: Moment
    proposals: tuple[Proposal, ...]
    jpeg: bytes


class FramesExporter:
    """Keeps at most `frames_per_track` pictures of each thing, and `keyframes.coco.json`.

    That file has the shape of `proposals.coco.json`, for the pictures that are there; its tracks
    tell of the whole drive. The two together are what a labelling tool imports. Candidates wait
    in memory as JPEG while their thing is in view.
    """

    warnings: tuple[str, ...] = ()

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._limit = context.settings.output.frames_per_track
        self._folder = context.folder / "frames"
        self._picks: dict[int, list[_Pick]] = {}
        self._last_seen: dict[int, float] = {}
        self._waiting: dict[int, _Picture] = {}
        self._kept: dict[int, _Picture] = {}
        self._tracks = TrackLog()
        self._length = 0
        self._closed = False
        with reported(self._folder):
            shutil.rmtree(partial_path(self._folder), ignore_errors=True)
            partial_path(self._folder).mkdir()

    def write(self, result: FrameResult) -> None:
        """Take the picture if it shows one of its things better than those taken so far."""
        self._length += 1
        chosen = False
        for proposal in result.finds:
            self._tracks.add(result.frame.moment, proposal)
            chosen |= self._choose(proposal, result.frame)
        if chosen:
            self._waiting[result.frame.index] = _Picture(
                result.frame.moment, result.finds, _jpeg(result.frame)
            )
            self._drop_unpicked()
        self._flush_things_gone(result.frame.seconds)

    def close(self) -> None:
        """Write the pictures still waiting, then the labels of all."""
        if self._closed:
            return
        self._closed = True
        for track_id in list(self._picks):
            self._flush(track_id)
        publish(self._folder)
        writer = CocoWriter(self._context.folder / "keyframes.coco.json", self._context)
        for _, picture in sorted(self._kept.items()):
            writer.write(picture.moment, picture.proposals)
        writer.close(length=self._length, tracks=self._tracks.tracks())

    def _choose(self, proposal: Proposal, frame: Frame) -> bool:
        """Decide whether this frame is one of the best of a thing, and make room for it."""
        assert proposal.track_id is not None
        self._last_seen[proposal.track_id] = frame.seconds
        picks = self._picks.setdefault(proposal.track_id, [])
        pick = _Pick(proposal.score * proposal.area**0.5, frame.seconds, frame.index)
        near = [p for p in picks if abs(p.seconds - pick.seconds) < APART_SECONDS]
        rivals = near or (picks if len(picks) >= self._limit else [])
        if rivals:
            worst = min(rivals, key=lambda p: p.quality)
            if pick.quality < BETTER * worst.quality:
                return False
            picks.remove(worst)
        if self._limit:
            picks.append(pick)
        return self._limit > 0

    def _drop_unpicked(self) -> None:
        used = {pick.frame_index for picks in self._picks.values() for pick in picks}
        self._waiting = {i: picture for i, picture in self._waiting.items() if i in used}

    def _flush_things_gone(self, now: float) -> None:
        for track_id, seen in list(self._last_seen.items()):
            if now - seen > FORGET_SECONDS:
                self._flush(track_id)

    def _flush(self, track_id: int) -> None:
        for pick in self._picks.pop(track_id):
            self._keep(pick.frame_index)
        del self._last_seen[track_id]
        self._drop_unpicked()

    def _keep(self, frame_index: int) -> None:
        picture = self._waiting.get(frame_index)
        if picture is None or frame_index in self._kept:
            return
        name = picture_name(self._context.drive, frame_index).rpartition("/")[2]
        with reported(self._folder / name):
            (partial_path(self._folder) / name).write_bytes(picture.jpeg)
        self._kept[frame_index] = _Picture(picture.moment, picture.proposals, b"")


def _jpeg(frame: Frame) -> bytes:
    picture = cv2.cvtColor(to_rgb(frame), cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return data.tobytes()
