"""Which frames show each thing best: sure of it, large, sharp, and not twice the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from mmras_stream.types import Frame, Proposal

APART_SECONDS = 0.5
"""Pictures of one thing are taken at least this far apart."""

BETTER = 1.2
"""A picture replaces another only if it is this many times better: encoding costs time."""

FORGET_SECONDS = 5.0
"""A thing unseen for this long gets no more pictures."""

LOOK = 16
"""Rows and columns to which a thing is brought to be compared with itself."""

SAME_PLACE, SAME_LEVELS = 0.85, 4.0
"""Two pictures of a thing are the same if its boxes overlap by this share and its grey levels,
0..255, differ by less than this on average."""

Luma = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """One look at one thing."""

    position: int
    """Of the frame, among those that were looked at."""
    seconds: float
    quality: float
    """Score times the side of a square of the thing's area, times the root of its sharpness."""
    bbox_xywh: tuple[int, int, int, int]
    look: Luma
    """(LOOK, LOOK), grey levels 0..255."""


def candidate(proposal: Proposal, frame: Frame, *, position: int) -> Candidate:
    """Judge how well a frame shows the thing of a proposal.

    Sharpness is the standard deviation of the Laplacian inside the box, the root of the measure of
    Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy": any blur lowers it.

    Args:
        proposal: Of this frame.
        frame: As decoded.
        position: Of the frame, among those that were looked at.
    """
    seen = _luma(frame, proposal.bbox_xywh)
    sharpness = float(cv2.Laplacian(seen, cv2.CV_32F).std())
    quality = proposal.score * proposal.area**0.5 * (1 + sharpness) ** 0.5
    look = cv2.resize(seen, (LOOK, LOOK), interpolation=cv2.INTER_AREA)
    box = proposal.bbox_xywh
    return Candidate(position, frame.seconds, quality, box, np.asarray(look, np.float32))


def _luma(frame: Frame, bbox_xywh: tuple[int, int, int, int]) -> Luma:
    x, y, w, h = bbox_xywh
    seen = frame.planes[0][y : y + h, x : x + w].cpu().numpy().astype(np.float32)
    return seen / np.float32(2 ** (frame.pixel_format.bits - 8))


class KeyFrames:
    """Keeps the best few looks at each thing in view, apart in time and different from each other.

    Args:
        limit: Looks kept for each thing.
    """

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._picks: dict[int, list[Candidate]] = {}
        self._last_seen: dict[int, float] = {}

    @property
    def positions(self) -> set[int]:
        """Positions of all frames that are kept now."""
        return {pick.position for picks in self._picks.values() for pick in picks}

    def offer(self, track_id: int, look: Candidate) -> bool:
        """Take a look at a thing if it is one of its best; return whether it was taken."""
        self._last_seen[track_id] = look.seconds
        picks = self._picks.setdefault(track_id, [])
        if not self._limit:
            return False
        alike = [pick for pick in picks if _is_near(pick, look) or _is_same(pick, look)]
        rivals = alike or (picks if len(picks) >= self._limit else [])
        if rivals:
            worst = min(rivals, key=lambda pick: pick.quality)
            if look.quality < BETTER * worst.quality:
                return False
            picks.remove(worst)
        picks.append(look)
        return True

    def gone(self, now: float) -> Iterator[list[Candidate]]:
        """Give up the looks at each thing that has not been seen for a while."""
        for track_id, seen in list(self._last_seen.items()):
            if now - seen > FORGET_SECONDS:
                del self._last_seen[track_id]
                yield self._picks.pop(track_id)

    def all(self) -> Iterator[list[Candidate]]:
        """Give up all looks that are left."""
        yield from self.gone(float("inf"))


def _is_near(one: Candidate, other: Candidate) -> bool:
    return abs(one.seconds - other.seconds) < APART_SECONDS


def _is_same(one: Candidate, other: Candidate) -> bool:
    (ax, ay, aw, ah), (bx, by, bw, bh) = one.bbox_xywh, other.bbox_xywh
    across = max(0, min(ax + aw, bx + bw) - max(ax, bx))
    down = max(0, min(ay + ah, by + bh) - max(ay, by))
    if across * down < SAME_PLACE * (aw * ah + bw * bh - across * down):
        return False
    return float(np.abs(one.look - other.look).mean()) < SAME_LEVELS
