"""Where the places of one small grey picture lie in another."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from torch import Tensor

from mmras_stream.motion import Flow
from mmras_stream.temporal.warping import fitted
from mmras_stream.types import Mask

_Grey = npt.NDArray[np.uint8]


SMALLEST = 16
"""Pixels of a side below which there is nothing to search in."""


class DisMotion:
    """Finds dense motion by Dense Inverse Search (Kroeger et al. 2016, arXiv 1603.03590).

    On half the picture's grid: the preset's quarter loses small things, the whole costs 4 x.
    """

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._dis.setFinestScale(1)

    def flow(self, source: Tensor, target: Tensor) -> Flow | None:
        """Return where each place went, smoothly where there is little to see."""
        if min(source.shape) < SMALLEST:
            return None
        found = self._dis.calc(_grey(source), _grey(target), None)  # type: ignore[call-overload]  # cv2's stub wants a buffer
        height, width = source.shape
        return fitted(np.asarray(found, np.float32), (height // 2, width // 2))


class HomographyMotion:
    """Fits the motion of one plane, the road, to corners in the lower part of the picture.

    What stands on the road or moves is not followed. Cheap and calm where there is little else
    than road to see.
    """

    def flow(self, source: Tensor, target: Tensor) -> Flow | None:
        """Return where each place of the plane went; None if too few of its corners agree."""
        if min(source.shape) < SMALLEST:
            return None
        start, goal = _grey(source), _grey(target)
        height, width = start.shape
        lower: _Grey = np.zeros((height, width), np.uint8)
        lower[int(ROAD_FROM * height) :] = 255
        corners = cv2.goodFeaturesToTrack(start, 200, 0.01, 4, mask=lower)
        if corners is None or len(corners) < FEWEST_CORNERS:
            return None
        found, status, _ = cv2.calcOpticalFlowPyrLK(start, goal, corners, None)  # type: ignore[call-overload]  # cv2's stub wants a buffer
        known = status.ravel() == 1
        if known.sum() < FEWEST_CORNERS:
            return None
        plane, inliers = cv2.findHomography(corners[known], found[known], cv2.RANSAC, 1.0)
        if plane is None or inliers.sum() < FEWEST_CORNERS:
            return None
        return _of_plane(np.asarray(plane, np.float64), height, width)


ROAD_FROM = 0.4
"""Share of the picture's height above which no road is looked for."""

FEWEST_CORNERS = 8
"""Twice what a homography needs."""


def _of_plane(plane: npt.NDArray[np.float64], height: int, width: int) -> Flow:
    """Return the flow of a homography; beyond its horizon a place goes nowhere."""
    y, x = np.mgrid[0:height, 0:width]
    places = np.stack([x, y, np.ones_like(x)], axis=-1) @ plane.T
    below: Mask = places[..., 2] > 1e-3
    ends = places[..., :2] / np.where(below, places[..., 2], 1)[..., None]
    flow = np.where(below[..., None], ends - np.stack([x, y], axis=-1), 0)
    return flow.astype(np.float32)


class NoMotion:
    """Says nothing, so that scores and things are taken to stay where they are."""

    def flow(self, source: Tensor, target: Tensor) -> None:  # noqa: ARG002 - the protocol's
        """Return None."""
        return


def _grey(picture: Tensor) -> _Grey:
    return np.asarray(picture.cpu().numpy(), np.uint8)
