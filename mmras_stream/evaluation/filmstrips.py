"""Show over time what was missed and what was found where nothing is."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import cv2
import numpy as np

from mmras_stream.evaluation.drive_figures import Seen, VideoEvaluation
from mmras_stream.evaluation.overlaps import Rules
from mmras_stream.evaluation.panels import jpeg_within
from mmras_stream.evaluation.tracks import Thing, Track
from mmras_stream.regions.rle import decode
from mmras_stream.types import Image, Mask
from mmras_stream.video.colour import to_rgb

PICTURES = 6
"""Of each strip."""

MOST = 40
"""Strips of each kind that are shown."""

_KEPT = 250
"""Strips that are held at once, each of up to 12 small pictures."""

_WIDTH = 320
_BYTES = 16_000

_THERE, _HIT, _WRONG = (214, 60, 140), (0, 158, 115), (240, 160, 20)
"""Outlines of what is there, of the region that was paired with it, and of other regions."""

Key: TypeAlias = tuple[str, bool, int]
"""Drive; whether it is a thing of the ground truth or a predicted track; number."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One small picture of a strip."""

    seconds: float
    uri: str
    """Data URI of a JPEG."""


@dataclass(frozen=True, slots=True)
class Filmstrip:
    """What was missed or false, over time."""

    drive: str
    is_missed: bool
    number: int
    seconds: float
    """From the first sight to the last."""
    frames: int
    peak_score: float
    pictures: tuple[Picture, ...]


@dataclass(slots=True)
class _Film:
    """Pictures at even steps, however long it becomes: at 12 every other is dropped."""

    step: int = 1
    seen: int = 0
    pictures: list[tuple[float, bytes]] = field(default_factory=list)

    def wants(self) -> bool:
        self.seen += 1
        return (self.seen - 1) % self.step == 0

    def add(self, seconds: float, picture: bytes) -> None:
        self.pictures.append((seconds, picture))
        if len(self.pictures) >= 2 * PICTURES:
            self.pictures = self.pictures[::2]
            self.step *= 2

    def spread(self) -> tuple[Picture, ...]:
        places = np.linspace(0, len(self.pictures) - 1, PICTURES).round().astype(int)
        chosen = [self.pictures[place] for place in sorted(set(places.tolist()))]
        return tuple(Picture(seconds, _data_uri(jpeg)) for seconds, jpeg in chosen)


class FilmMaker:
    """A watcher of `evaluate_drives` that films what has not been found, or proved right, yet."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._films: dict[Key, _Film] = {}
        self._cleared: set[Key] = set()

    def __call__(self, seen: Seen) -> None:
        """Film one frame."""
        self._clear((seen.drive, True, thing) for thing in seen.pairs)
        shares = zip(seen.overlaps.tracks, seen.overlaps.on_strange.tolist(), strict=True)
        self._clear((seen.drive, False, t) for t, share in shares if share >= self._rules.overlap)
        wanted = [(True, thing) for thing in seen.overlaps.things]
        wanted += [(False, track) for track in seen.overlaps.tracks]
        image: Image | None = None
        for is_thing, number in wanted:
            film = self._film((seen.drive, is_thing, number))
            if film is None or not film.wants():
                continue
            image = to_rgb(seen.result.frame) if image is None else image
            film.add(seen.result.frame.seconds, _drawn(image, seen, is_thing, number))

    def strips(self, evaluation: VideoEvaluation) -> tuple[Filmstrip, ...]:
        """Return what is missed, then what is false, each beginning with what lasts longest."""
        strips = []
        for drive in evaluation.drives:
            tracks = drive.courses[evaluation.smoothers[0]].tracks
            missed = [thing for thing in tracks.things if not thing.found]
            strips += [self._missed(drive.name, thing) for thing in missed]
            strips += [self._false(drive.name, track) for track in tracks.false_tracks]
        strips.sort(key=lambda strip: (not strip.is_missed, -strip.frames, -strip.peak_score))
        return tuple(strips)

    def _clear(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._cleared.add(key)
            self._films.pop(key, None)

    def _film(self, key: Key) -> _Film | None:
        if key in self._cleared or (key not in self._films and len(self._films) >= _KEPT):
            return None
        return self._films.setdefault(key, _Film())

    def _missed(self, drive: str, thing: Thing) -> Filmstrip:
        first, last = thing.sights[0].moment, thing.sights[-1].moment
        film = self._films.get((drive, True, thing.thing_id), _Film())
        return Filmstrip(
            drive,
            is_missed=True,
            number=thing.thing_id,
            seconds=last.seconds - first.seconds,
            frames=len(thing.sights),
            peak_score=max(sight.score for sight in thing.sights),
            pictures=film.spread() if film.pictures else (),
        )

    def _false(self, drive: str, track: Track) -> Filmstrip:
        film = self._films.get((drive, False, track.track_id), _Film())
        return Filmstrip(
            drive,
            is_missed=False,
            number=track.track_id,
            seconds=track.last.seconds - track.first.seconds,
            frames=track.frames,
            peak_score=track.peak_score,
            pictures=film.spread() if film.pictures else (),
        )


def _drawn(image: Image, seen: Seen, is_thing: bool, number: int) -> bytes:  # noqa: FBT001 - half of a key
    """Cut out what a strip is about, with outlines of what is there and what was found."""
    finds = [find for find in seen.result.finds if is_thing or find.track_id == number]
    if is_thing:
        mask = seen.truth.things[number]
    else:
        mask = np.any([decode(find.rle) for find in finds], axis=0)
    left, top, share = _window(mask)
    height, width = (max(1, round(share * side)) for side in image.shape[:2])
    scale = _WIDTH / width
    cut = image[top : top + height, left : left + width]
    small = cv2.resize(cut, (_WIDTH, max(1, round(scale * height))), interpolation=cv2.INTER_AREA)
    canvas = np.ascontiguousarray(small, np.uint8)
    for thing in seen.truth.things.values():
        _outline(canvas, thing, (left, top, scale), _THERE)
    for find in finds:
        colour = _HIT if find.track_id in seen.pairs.values() else _WRONG
        _outline(canvas, decode(find.rle), (left, top, scale), colour)
    return jpeg_within(canvas, _BYTES)


def _window(mask: Mask) -> tuple[int, int, float]:
    """Return the left, the top and the share of a picture in which a mask takes a third."""
    height, width = mask.shape
    x, y, w, h = cv2.boundingRect(mask.view(np.uint8))
    share = min(1.0, max(0.25, 3 * w / width, 3 * h / height))
    left = round(min(max(0.0, x + w / 2 - share * width / 2), (1 - share) * width))
    top = round(min(max(0.0, y + h / 2 - share * height / 2), (1 - share) * height))
    return left, top, share


def _outline(
    canvas: Image, mask: Mask, place: tuple[int, int, float], colour: Sequence[int]
) -> None:
    left, top, scale = place
    found, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    for contour in found:
        moved = (np.asarray(contour, np.float64) - (left, top) + 0.5) * scale * 16
        points = moved.round().astype(np.int32)
        cv2.polylines(canvas, [points], True, colour, 2, cv2.LINE_AA, 4)  # noqa: FBT003 - cv2's own


def _data_uri(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
