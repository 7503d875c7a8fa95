"""`frames/`: the best pictures of each thing, and the labels that belong to them."""

from __future__ import annotations

import shutil
from collections import deque
from dataclasses import dataclass

import cv2

from mmras_stream.atomic import partial_path, publish, reported
from mmras_stream.export.coco_writer import CocoWriter, picture_name
from mmras_stream.export.key_frames import Candidate, KeyFrames, candidate
from mmras_stream.settings import RunContext
from mmras_stream.tracks import TrackLog
from mmras_stream.types import Frame, FrameResult, Moment, Proposal
from mmras_stream.video.colour import to_rgb

JPEG_QUALITY = 92


@dataclass(frozen=True, slots=True, eq=False)
class _Picture:
    moment: Moment
    proposals: tuple[Proposal, ...]
    jpeg: bytes


class FramesExporter:
    """Keeps at most `frames_per_track` pictures of each thing, and `keyframes.coco.json`.

    With `context_frames`, the frames before and after each of them are kept too. The file has the
    shape of `proposals.coco.json`, for the pictures that are there, and its tracks tell of the
    whole drive: the two together are what a labelling tool imports. Candidates wait in memory as
    JPEG while their thing is in view.
    """

    warnings: tuple[str, ...] = ()

    def __init__(self, context: RunContext) -> None:
        self._context = context
        output = context.settings.output
        self._reach = output.context_frames
        self._key_frames = KeyFrames(limit=output.frames_per_track)
        self._recent: deque[tuple[int, FrameResult]] = deque(maxlen=self._reach)
        """Frames that a later one may want before itself."""
        self._last_wanted = -1
        """Position up to which frames are wanted after one that was chosen."""
        self._folder = context.folder / "frames"
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
        position, self._length = self._length, self._length + 1
        if self._is_chosen(result, position):
            for before, earlier in self._recent:
                self._take(before, earlier)
            self._last_wanted = position + self._reach
        if position <= self._last_wanted:
            self._take(position, result)
        self._recent.append((position, result))
        for looks in self._key_frames.gone(result.frame.seconds):
            self._keep(looks)
        self._drop_unwanted()

    def close(self) -> None:
        """Write the pictures still waiting, then the labels of all."""
        if self._closed:
            return
        self._closed = True
        for looks in self._key_frames.all():
            self._keep(looks)
        publish(self._folder)
        writer = CocoWriter(self._context.folder / "keyframes.coco.json", self._context)
        for _, picture in sorted(self._kept.items()):
            writer.write(picture.moment, picture.proposals)
        writer.close(length=self._length, tracks=self._tracks.tracks())

    def _is_chosen(self, result: FrameResult, position: int) -> bool:
        chosen = False
        for proposal in result.finds:
            assert proposal.track_id is not None
            self._tracks.add(result.frame.moment, proposal)
            if not proposal.is_retraced:  # those are hardly seen, and poor examples
                look = candidate(proposal, result.frame, position=position)
                chosen |= self._key_frames.offer(proposal.track_id, look)
        return chosen

    def _take(self, position: int, result: FrameResult) -> None:
        if position not in self._waiting and position not in self._kept:
            jpeg = _jpeg(result.frame)
            self._waiting[position] = _Picture(result.frame.moment, result.finds, jpeg)

    def _drop_unwanted(self) -> None:
        if not self._waiting:
            return
        positions = self._key_frames.positions
        self._waiting = {
            place: picture
            for place, picture in self._waiting.items()
            if any(abs(place - position) <= self._reach for position in positions)
        }

    def _keep(self, looks: list[Candidate]) -> None:
        for look in looks:
            for place in range(look.position - self._reach, look.position + self._reach + 1):
                self._write_picture(place)

    def _write_picture(self, place: int) -> None:
        picture = self._waiting.get(place)
        if picture is None or place in self._kept:
            return
        name = picture_name(self._context.drive, picture.moment.index).rpartition("/")[2]
        with reported(self._folder / name):
            (partial_path(self._folder) / name).write_bytes(picture.jpeg)
        self._kept[place] = _Picture(picture.moment, picture.proposals, b"")


def _jpeg(frame: Frame) -> bytes:
    picture = cv2.cvtColor(to_rgb(frame), cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return data.tobytes()
