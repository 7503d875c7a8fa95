"""Carry the mask of a thing from picture to picture by the texture inside it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from mmras_stream.regions.place import Place
from mmras_stream.temporal.watching import shrink_step, thumbnail
from mmras_stream.types import Frame, Mask, Proposal

LONGEST = 640
"""Pixels of the longer side of the pictures in which points are followed, at most."""

POINTS = 8
"""Rows and columns of points over the box of a mask; those inside the mask are followed."""

FEWEST_POINTS = 6
"""That tell where a mask goes."""

RETURNED = 1.0
"""Pixels by which a point that is followed forth and back may miss where it began."""

RETURNING = 0.5
"""Share of the points that have to return, so that the mask is not lost."""

AGREEING = 1.5
"""Times the median distance from the median shift, up to which a point tells the scale. That
understates it, yet points further off show the ground beside a thing more often than its growth: on
drives 0.88 of the masks then lie on their things, 0.75 if points that fit the scale are taken."""

FASTEST = 1.1
"""Times that a mask grows or shrinks from one picture to the next, at most."""

LIKE = 0.45
"""Correlation with the look at the start, below which something else may be in its place."""

LIKER = 0.05
"""By which a place beside it must be more like the start, so that the mask is moved there. Errors
of the shift add up to a pixel in a few pictures, which takes a small thing out of its mask."""

BESIDE = 1
"""Cells of a look to each side, in which a better place is looked for."""

RESCALED = 1.03
"""Times by which a mask is tried smaller and larger, since errors of the scale add up too: over 60
pictures the masks of drives then overlap their things by 0.77 (intersection over union), by 0.74 if
they are only moved."""

LIKER_SCALED = 0.01
"""By which it must be more like the start for that."""

LOOK_SHARE = 0.8
"""Of the sides of a mask's box: its middle, in which there is little else, is how it looks."""

LOOK_SIDES = 8, 32
"""Rows or columns of a look, at least and at most. A look is compared as coarsely as it is seen
now: what is far away has no details."""

START_SIDES = 8, 64
"""The same of how it looked at the start."""

WINDOW_SIDES = 7, 21
"""Pixels of the window that is found again around a point, half as long as the mask: at least and
at most."""

REACH = 48
"""Pixels around a mask in which it is looked for, and half its size on top."""

LEVELS = 2
"""Of the pyramid above the picture itself."""

_Points = npt.NDArray[np.float32]
"""(N, 2), x and y."""

_Pair = npt.NDArray[np.floating]
"""(2,), x and y."""

_Grey = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Fit:
    """A place that a mask may have."""

    like: float
    """Correlation with the look at the start, -1..1."""
    corner: _Pair
    scale: float


class MaskTrace:
    """Follows one mask through pictures, forth or back in time, until it is lost.

    Points inside it are found in the next picture and from there again in the one before; those
    that return tell how it is shifted and scaled: median flow, Kalal et al. 2010, "Forward-backward
    error: automatic detection of tracking failures", with least squares for the scale, which tell
    it better where there are few pixels. What these miss by is taken back at each step: the mask
    settles where the picture is most like the start.

    Args:
        start: Whose mask is followed.
        frame: Of `start`.
    """

    def __init__(self, start: Proposal, frame: Frame) -> None:
        x, y, width, height = start.bbox_xywh
        self._mask = Place.of(start).mask
        self._step = shrink_step(frame, LONGEST)
        self._corner: _Pair = np.array([x, y], np.float32) / self._step
        self._side = np.array([width, height], np.float32) / self._step
        self._scale = 1.0
        self._picture = _grey(frame)
        size = _sides(LOOK_SHARE * self._side, START_SIDES)
        self._look = self._seen(self._corner, self._side, size)
        self._size = frame.height, frame.width

    def follow(self, frame: Frame) -> Place | None:
        """Return where the mask lies in the next frame; None for good once it is lost."""
        before, self._picture = self._picture, _grey(frame)
        motion = self._motion(before, self._picture)
        if motion is None:
            return None
        centre, shift, scale = motion
        self._corner = centre + shift + scale * (self._corner - centre)
        self._scale *= scale
        return self._place() if self._settle() >= LIKE else None

    def _settle(self) -> float:
        """Move and grow to where it is most like the start, by little; return how much, -1..1."""
        middle = self._corner + 0.5 * self._scale * self._side
        best = self._fit(middle, self._scale)
        for scale in (self._scale / RESCALED, self._scale * RESCALED):
            fit = self._fit(middle, scale)
            if fit.like > best.like + LIKER_SCALED:
                best = fit
        self._corner, self._scale = best.corner, best.scale
        return best.like

    def _fit(self, middle: _Pair, scale: float) -> _Fit:
        """Return the best place beside the one with this middle, if it is better by enough."""
        side = scale * self._side
        size = _sides(LOOK_SHARE * side, LOOK_SIDES)
        corner = middle - 0.5 * side
        look = cv2.resize(self._look, size, interpolation=cv2.INTER_AREA)
        like = cv2.matchTemplate(self._seen(corner, side, size, BESIDE), look, cv2.TM_CCOEFF_NORMED)
        here = float(like[BESIDE, BESIDE])
        _, best, _, (column, row) = cv2.minMaxLoc(like)
        if best <= here + LIKER:
            return _Fit(here, corner, scale)
        beside = np.array([column - BESIDE, row - BESIDE], np.float32)
        moved = corner + LOOK_SHARE * side / np.array(size, np.float32) * beside
        return _Fit(float(best), moved, scale)

    def _motion(self, before: _Grey, now: _Grey) -> tuple[_Points, _Points, float] | None:
        """Return the centre of the mask, its shift and how many times larger it becomes."""
        side = self._side * self._scale
        margin = REACH + 0.5 * float(side.max())
        height, width = before.shape
        left, top = np.maximum(self._corner - margin, 0).astype(int).tolist()
        right, bottom = np.ceil(self._corner + side + margin).astype(int).tolist()
        window = slice(top, min(bottom, height)), slice(left, min(right, width))
        corner = np.array([left, top], np.float32)
        points = self._points() - corner
        length = int(np.clip(side.max() / 2, *WINDOW_SIDES)) | 1
        found = _returned(before[window], now[window], points, length)
        if found is None:
            return None
        start, end = found
        moved = end - start
        shift = np.median(moved, axis=0)
        apart = np.linalg.norm(moved - shift, axis=1)
        agree = apart <= AGREEING * np.median(apart)
        return np.median(start, axis=0) + corner, shift, _scale(start[agree], end[agree])

    def _points(self) -> _Points:
        """Return points inside the mask, or all over its box where it is too thin for them."""
        height, width = self._mask.shape
        shares = (np.arange(POINTS) + 0.5) / POINTS
        x, y = np.meshgrid(shares, shares)
        inside = self._mask[(y * height).astype(int), (x * width).astype(int)]
        if np.count_nonzero(inside) < FEWEST_POINTS:
            inside[:] = True
        shares_xy = np.stack([x[inside], y[inside]], axis=1)
        return np.asarray(self._corner + self._scale * self._side * shares_xy, np.float32)

    def _seen(
        self, corner: _Pair, side: _Pair, size: tuple[int, int], beside: int = 0
    ) -> npt.NDArray[np.float32]:
        """Return the middle of a box as so many columns and rows, and some more at each side."""
        per_cell = LOOK_SHARE * side / np.array(size, np.float32)
        start = corner + 0.5 * (1 - LOOK_SHARE) * side + (0.5 - beside) * per_cell - 0.5
        matrix = np.array([[per_cell[0], 0, start[0]], [0, per_cell[1], start[1]]])
        columns, rows = size
        look = cv2.warpAffine(
            self._picture,
            matrix,
            (columns + 2 * beside, rows + 2 * beside),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(look, np.float32)

    def _place(self) -> Place | None:
        """Return the mask as it lies in the frame now; None if it has left it."""
        height, width = self._size
        corner = self._corner * self._step
        end = corner + self._scale * np.array(self._mask.shape[::-1])
        left, top = np.maximum(np.floor(corner), 0).astype(int).tolist()
        right, bottom = np.minimum(np.ceil(end), (width, height)).astype(int).tolist()
        if left >= right or top >= bottom:
            return None
        x, y = corner + (self._scale - 1) / 2 - (left, top)
        matrix = np.array([[self._scale, 0, x], [0, self._scale, y]])
        shares = cv2.warpAffine(self._mask.astype(np.float32), matrix, (right - left, bottom - top))
        return Place(np.asarray(shares) > 0.5, left, top)


def _returned(
    before: _Grey, now: _Grey, points: _Points, length: int
) -> tuple[_Points, _Points] | None:
    """Return points that are found again both ways, and where they are; None if these are few."""
    found, there = _found(before, now, points, length)
    back, here = _found(now, before, found, length)
    good = there & here & (np.linalg.norm(back - points, axis=1) < RETURNED)
    if np.count_nonzero(good) < max(FEWEST_POINTS, RETURNING * len(points)):
        return None
    return points[good], found[good]


def _found(source: _Grey, target: _Grey, points: _Points, length: int) -> tuple[_Points, Mask]:
    """Return where points of one picture lie in another, and which of them could be found."""
    window = (length, length)
    found, status, _ = cv2.calcOpticalFlowPyrLK(  # type: ignore[call-overload]  # cv2's stub wants a buffer
        source, target, points, None, winSize=window, maxLevel=LEVELS
    )
    return np.asarray(found, np.float32), np.asarray(status).ravel() == 1


def _scale(start: _Points, end: _Points) -> float:
    """Return by how much points move apart, by least squares."""
    start, end = start - start.mean(axis=0), end - end.mean(axis=0)
    spread = float((start * start).sum())
    scale = float((start * end).sum()) / spread if spread > 0 else 1.0
    return min(max(scale, 1 / FASTEST), FASTEST)


def _sides(pixels: _Pair, least_and_most: tuple[int, int]) -> tuple[int, int]:
    """Return the columns and rows of a look at so many pixels."""
    columns, rows = np.clip(np.rint(pixels), *least_and_most).astype(int).tolist()
    return columns, rows


def _grey(frame: Frame) -> _Grey:
    return np.asarray(thumbnail(frame, LONGEST).cpu().numpy(), np.uint8)
