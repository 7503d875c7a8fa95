"""The way of a car, read from the clip that its camera recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from mmras_stream.inserting.fitting import Doubles, Paths, Step, find_goal, fit_step
from mmras_stream.synthetic.camera import Camera, level_camera

Bytes = npt.NDArray[np.uint8]
Observer = Callable[[float, str], None]

FOCAL_SHARE = 0.9
"""Focal length over width of the picture, of a dashcam that sees 58 degrees."""

WORKING_WIDTH = 640
USUAL_HORIZON = 0.47
USUAL_METRES_PER_SECOND = 14.0
_GOAL_STEPS = 30
_SURE_SHARE = 0.05
_CORNERS = {"maxCorners": 150, "qualityLevel": 0.01, "minDistance": 7, "blockSize": 5}
_BANDS = (0.0, USUAL_HORIZON, 0.64, 1.0)
_LK = {"winSize": (17, 17), "maxLevel": 4}


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """Where the camera was in every frame, on flat ground.

    Metres from the first place, x to the right of the first heading and z along it; the heading is
    in radians to the right. `horizon` is a row and `goal` a column, in pixels of the clip.
    """

    height: int
    width: int
    focal: float
    elevation: float
    goal: float
    horizon: Doubles
    x: Doubles
    z: Doubles
    heading: Doubles
    assumed: str | None = None
    """What had to be assumed because it could not be seen."""

    def __len__(self) -> int:
        return len(self.x)

    def camera(self, index: int) -> Camera:
        """Return the camera of a frame, which looks level along its heading."""
        return level_camera(
            height=self.height,
            width=self.width,
            focal=self.focal,
            elevation=self.elevation,
            principal=(self.goal, float(self.horizon[index])),
        )

    def seen_from(self, index: int, x: float, z: float) -> tuple[float, float]:
        """Turn a place on the ground into metres right of and ahead of a frame's camera."""
        dx, dz = x - self.x[index], z - self.z[index]
        sin, cos = np.sin(self.heading[index]), np.cos(self.heading[index])
        return float(cos * dx - sin * dz), float(sin * dx + cos * dz)

    def place(self, index: int, right: float, ahead: float) -> tuple[float, float]:
        """Turn metres right of and ahead of a frame's camera into a place on the ground."""
        sin, cos = np.sin(self.heading[index]), np.cos(self.heading[index])
        return (
            float(self.x[index] + cos * right + sin * ahead),
            float(self.z[index] - sin * right + cos * ahead),
        )


def follow_points(lumas: Iterable[Bytes]) -> list[Paths]:
    """Follow corners from each picture to the next; one entry fewer than pictures.

    Bouguet 2000, "Pyramidal implementation of the Lucas Kanade feature tracker".
    """
    steps: list[Paths] = []
    before: Bytes | None = None
    for luma in lumas:
        if before is not None:
            steps.append(_followed(before, luma))
        before = luma
    return steps


def _followed(before: Bytes, after: Bytes) -> Paths:
    found = []
    # each band has its own best corners, else a city leaves none for the road
    for begin, end in pairwise(int(share * before.shape[0]) for share in _BANDS):
        top, part = begin, before[begin:end]
        corners = cv2.goodFeaturesToTrack(part, **_CORNERS)  # type: ignore[call-overload]  # by name
        if corners is not None:
            found.append(corners.reshape(-1, 2) + np.array([0, top], np.float32))
    if not found:
        return Paths(np.empty((0, 2)), np.empty((0, 2)))
    points = np.concatenate(found)[:, None]
    there, ok, _ = cv2.calcOpticalFlowPyrLK(before, after, points, None, **_LK)  # type: ignore[call-overload]  # by name
    back, back_ok, _ = cv2.calcOpticalFlowPyrLK(after, before, there, None, **_LK)  # type: ignore[call-overload]  # by name
    kept = (ok & back_ok).ravel().astype(bool)
    kept &= np.linalg.norm((back - points)[:, 0], axis=1) < 0.5
    moved = (there - points)[kept, 0].astype(np.float64)
    return Paths(points[kept, 0].astype(np.float64), moved)


def estimate_motion(
    steps: Sequence[Paths],
    *,
    working_size: tuple[int, int],
    size: tuple[int, int],
    elevation: float,
    frame_seconds: float,
    horizon: float | None = None,
) -> Motion:
    """Estimate how the camera moved from followed points.

    Args:
        steps: From `follow_points`.
        working_size: (height, width) of the pictures that points were followed in.
        size: (height, width) of the clip.
        elevation: Metres of the camera above the road.
        frame_seconds: From one frame to the next.
        horizon: Row of the horizon over the height, 0..1, if it is known.
    """
    height, width = working_size
    usual = (width / 2, height * (horizon or USUAL_HORIZON))
    goal = _goal(steps, working_size, usual)
    if horizon is not None:
        goal = (goal[0], usual[1])
    fitted = [fit_step(paths, goal) for paths in steps]
    sure = np.array([step.is_sure for step in fitted], bool)
    scale, focal = size[1] / width, FOCAL_SHARE * size[1]
    assumed = None
    if sure.mean() < _SURE_SHARE:
        ahead = np.full(len(steps), USUAL_METRES_PER_SECOND * frame_seconds)
        assumed = (
            f"the road is seen to move in {sure.mean():.0%} of the frames only; assumed a straight "
            f"drive at {3.6 * USUAL_METRES_PER_SECOND:.0f} km/h"
        )
    else:
        ahead = _steady(np.array([step.k for step in fitted]), sure) * FOCAL_SHARE * width
        ahead = np.maximum(ahead, 0.0) * elevation
    right, down = _shifts(fitted, sure) if assumed is None else np.zeros((2, len(steps)))
    if assumed is None and float(np.sum(ahead)) < 1.0:
        assumed = "the car stands still; only things that move by themselves change"
    return _chained(
        ahead, right * scale, down * scale, goal=((goal[0] + 0.5) * scale, (goal[1] + 0.5) * scale),
        focal=focal, elevation=elevation, size=size, assumed=assumed,
    )  # fmt: skip


def _goal(
    steps: Sequence[Paths], size: tuple[int, int], usual: tuple[float, float]
) -> tuple[float, float]:
    lively = [p for p in steps if len(p.points) > 30 and np.abs(p.flow).mean() > 0.5]
    chosen = lively[:: max(1, len(lively) // _GOAL_STEPS)]
    return find_goal(chosen, size=size, start=usual) if chosen else usual


def _steady(values: Doubles, sure: npt.NDArray[np.bool_]) -> Doubles:
    """Fill in what is not sure from its neighbours and take out jumps, as cars have mass."""
    places = np.flatnonzero(sure)
    # twice: few sure frames, far apart, would else each speak for all around them
    filled = np.interp(np.arange(len(values)), places, _median(values[places], 4))
    return _smooth(_median(filled, 7), 4.0)


def _median(values: Doubles, reach: int) -> Doubles:
    padded = np.pad(values, reach, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    return np.asarray(np.median(windows, axis=1), np.float64)


def _smooth(values: Doubles, sigma: float) -> Doubles:
    kernel = np.exp(-0.5 * np.square(np.arange(-3 * sigma, 3 * sigma + 1) / sigma))
    padded = np.pad(values, len(kernel) // 2, mode="edge")
    return np.asarray(np.convolve(padded, kernel / kernel.sum(), mode="valid"))[: len(values)]


def _shifts(steps: Sequence[Step], sure: npt.NDArray[np.bool_]) -> tuple[Doubles, Doubles]:
    limit = 40.0
    right = np.array([s.right if abs(s.right) < limit else 0.0 for s in steps])
    down = np.array([s.down if abs(s.down) < limit else 0.0 for s in steps])
    return right, np.where(sure, down, 0.0)


def _chained(
    ahead: Doubles, right: Doubles, down: Doubles, *, goal: tuple[float, float], focal: float,
    elevation: float, size: tuple[int, int], assumed: str | None,
) -> Motion:  # fmt: skip
    heading = np.concatenate([[0.0], np.cumsum(-right / focal)])
    x = np.concatenate([[0.0], np.cumsum(ahead * np.sin(heading[:-1]))])
    z = np.concatenate([[0.0], np.cumsum(ahead * np.cos(heading[:-1]))])
    tilt = np.concatenate([[0.0], np.cumsum(down)])
    # the sum of small errors wanders, the road does not: only quick nods are kept
    tilt -= _smooth(tilt, min(20.0, max(1.0, len(tilt) / 8)))
    limit = 0.03 * size[0]
    horizon = goal[1] + np.clip(tilt, -limit, limit)
    return Motion(
        size[0], size[1], focal, elevation, goal[0], horizon, x, z, heading, assumed=assumed
    )
