"""Compare each picture with the one before: how it moved, and whether it belongs to it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mmras_stream.motion import Cut, Flow, Motion
from mmras_stream.protocols import MotionEstimator
from mmras_stream.temporal.warping import consistent
from mmras_stream.types import Frame

LONGEST = 320
"""Pixels of the longer side of the picture in which motion is found, at most. In half of that, what
is small and fast is passed over, and its scores leave a trail."""

LONG_GAP_SECONDS = 2.0
"""Without frames, after which nothing is taken to belong together; three frames at least."""

FLOWING = 0.2
"""Share of the places of one scene whose motion is sure, at least: 0.51 was the least seen between
neighbouring frames of twelve real drives, 0.08 the most between frames of two of them."""

ALIKE = 0.4
"""Share of the histogram that frames of one scene have in common, at least, where they are too far
apart for `FLOWING` or motion is unknown."""

TELLING = 0.5
"""The same, below which motion between frames far apart is taken for unknown."""

SOON_SECONDS = 0.25
"""Frames that are further apart may be of one scene and differ in every place."""

DARK = 24
"""Of 255: level below which a picture without contrast shows nothing."""

CONTRAST = 2.0
"""Standard deviation of grey levels below which a picture has none, and is flat."""

FROZEN_SECONDS = 1.0
"""For which the same picture is shown before the camera is taken to stand still."""

BINS = 32


@dataclass(slots=True)
class _Noted:
    """What was odd, counted."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, float] = field(default_factory=dict)

    def count(self, what: str, seconds: float) -> None:
        self.counts[what] += 1
        self.first.setdefault(what, seconds)


@dataclass(frozen=True, slots=True)
class _Before:
    """What is remembered of the frame before."""

    seconds: float
    size: tuple[int, int]
    small: Tensor
    is_flat: bool
    """It shows nothing, whatever its brightness."""
    histogram: npt.NDArray[np.float32]


class MotionWatch:
    """Gives the motion of each frame since the one before, once for all that need it.

    Args:
        estimator: Of the motion; None if it is not to be found, only cuts.
        frame_seconds: Time between frames, as far as it is known.
    """

    def __init__(
        self, estimator: MotionEstimator | None = None, *, frame_seconds: float = 0.0
    ) -> None:
        self._estimator = estimator
        self._long_gap = max(LONG_GAP_SECONDS, 3 * frame_seconds)
        self._before: _Before | None = None
        self._noted = _Noted()
        self._frames = 0
        self._still_since: float | None = None
        self._longest_still = (0.0, 0.0)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what was odd about the frames so far, one sentence each."""
        sentences = [_sentence(what, n, self._noted.first[what]) for what, n in self._counts()]
        length, start = self._longest_still
        if length >= FROZEN_SECONDS:
            sentences.append(f"the picture stands still for {length:.1f} s (from {start:.2f} s)")
        if self._frames == 1:
            sentences.append("there is one frame only, so nothing could be followed over time")
        return tuple(sentences)

    def update(self, frame: Frame) -> Motion:
        """Compare with the frame before, and remember this one."""
        self._frames += 1
        before, now = self._before, _remembered(frame)
        self._before = now
        self._look(now, before)
        if before is None:
            return Motion(cut=Cut.START)
        cut = self._cut_in_time(before, now)
        if cut is not None:
            return Motion(cut=cut)
        if self._still_since is not None:
            return _still(now.small)
        return self._moved(before, now)

    def _counts(self) -> list[tuple[str, int]]:
        return list(self._noted.counts.items())

    def _look(self, now: _Before, before: _Before | None) -> None:
        """Note what is odd about the picture itself."""
        if now.is_flat and float(now.small.float().mean()) < DARK:
            self._noted.count(BLACK, now.seconds)
        if before is None or not _same(before.small, now.small):
            self._still_since = None
            return
        self._noted.count(REPEATED, now.seconds)
        if self._still_since is None:
            self._still_since = before.seconds
        length = now.seconds - self._still_since
        self._longest_still = max(self._longest_still, (length, self._still_since))

    def _cut_in_time(self, before: _Before, now: _Before) -> Cut | None:
        if before.size != now.size:
            self._noted.count(RESIZED, now.seconds)
            return Cut.SIZE
        if now.seconds < before.seconds:
            self._noted.count(BACKWARDS, now.seconds)
            return Cut.BACKWARDS
        return Cut.GAP if now.seconds - before.seconds > self._long_gap else None

    def _moved(self, before: _Before, now: _Before) -> Motion:
        alike = float(np.minimum(before.histogram, now.histogram).sum()) >= ALIKE
        if not alike and (before.is_flat or now.is_flat):
            return Motion(cut=Cut.SCENE)
        backward, forward = self._flow(now, before), self._flow(before, now)
        if backward is None or forward is None:
            return Motion(cut=None if alike else Cut.SCENE)
        sure = consistent(backward, forward)
        share = float(sure.mean())
        if now.seconds - before.seconds <= SOON_SECONDS:
            is_known, is_cut = True, share < FLOWING
        else:
            is_known, is_cut = share >= TELLING, share < FLOWING and not alike
        if is_cut:
            return Motion(cut=Cut.SCENE)
        return Motion(backward, forward, sure) if is_known else Motion()

    def _flow(self, source: _Before, target: _Before) -> Flow | None:
        if self._estimator is None:
            return None
        flow = self._estimator.flow(source.small, target.small)
        if flow is not None and not np.isfinite(flow).all():
            self._noted.count(FAILED, max(source.seconds, target.seconds))
            return None
        return flow


BLACK = "frame{s} without a picture, all black"
REPEATED = "frame{s} that repeat the one before"
RESIZED = "change{s} of the picture's size, where things and scores begin anew"
BACKWARDS = "step{s} back in time, where things and scores begin anew"
FAILED = "estimate{s} of motion gave no number and were left out"


def _sentence(what: str, count: int, first: float) -> str:
    return f"{count} {what.format(s='' if count == 1 else 's')} (first at {first:.2f} s)"


def _remembered(frame: Frame) -> _Before:
    small = thumbnail(frame)
    some = small[::2, ::2].flatten()  # a quarter of the pixels tells as much of their levels
    counts = torch.bincount(some.long() // (256 // BINS), minlength=BINS)
    histogram = (counts.float() / some.numel()).cpu().numpy()
    is_flat = float(some.float().std(correction=0)) < CONTRAST
    return _Before(frame.seconds, (frame.height, frame.width), small, is_flat, histogram)


def shrink_step(frame: Frame, longest: int = LONGEST) -> int:
    """Return how many pixels of a frame lie side by side in one of its thumbnail."""
    return -(-max(frame.height, frame.width) // longest)


def thumbnail(frame: Frame, longest: int = LONGEST) -> Tensor:
    """Return a small grey picture, at most `longest` pixels long, uint8, where the frame lies.

    Each of its pixels is the mean of a square of the frame; less than a square at the right and
    at the bottom is left out.
    """
    luma = frame.planes[0]
    step = shrink_step(frame, longest)
    height, width = max(1, frame.height // step), max(1, frame.width // step)
    whole = luma[: height * step, : width * step]
    excess = frame.pixel_format.bits - 8
    if luma.device.type == "cpu":  # without torch, see `_same`
        squares = cv2.resize(whole.numpy(), (width, height), interpolation=cv2.INTER_AREA)
        levels = np.asarray(squares, np.uint16) >> excess
        return torch.from_numpy(levels.astype(np.uint8))
    small = torch.nn.functional.avg_pool2d(whole[None].float(), step)[0].round()
    return (small.int() >> excess).to(torch.uint8)  # not tested: no such device was at hand


def _same(before: Tensor, now: Tensor) -> bool:
    # torch.equal would leave torch's threads spinning, in the way of the search for motion
    return np.array_equal(before.cpu().numpy(), now.cpu().numpy())


def _still(small: Tensor) -> Motion:
    height, width = small.shape
    flow: Flow = np.zeros((height, width, 2), np.float32)
    return Motion(flow, flow, np.ones((height, width), np.bool_))
