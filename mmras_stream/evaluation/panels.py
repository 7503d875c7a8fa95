"""Show each picture with its scores, what was found and where that is wrong."""

from __future__ import annotations

import base64
import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from mmras_stream.evaluation.measure import PictureResult
from mmras_stream.evaluation.pixel import ANOMALY, IGNORE, PixelCurve
from mmras_stream.evaluation.store import Stored
from mmras_stream.render.colormap import ScoreScale
from mmras_stream.types import Image, ScoreMap

_Floats: TypeAlias = npt.NDArray[np.float64]

MOST = 300
"""Pictures that are shown, the worst ones."""

BYTES = 6_500_000
"""Of all panels together, before base64 makes a third more of them."""

_LARGEST = 40_000
"""Bytes of one panel."""

_FOUND, _FALSE, _MISSED = (0, 158, 115), (240, 160, 20), (214, 60, 140)
"""Okabe and Ito's green, and amber and magenta, that colour-blind people tell apart."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture and its panels."""

    picture: PictureResult
    panels: Mapping[str, str]
    """Name -> data URI of a JPEG."""


class PanelMaker:
    """A visitor of `evaluate` that draws panels, of the worst pictures if there are many."""

    def __init__(self, pictures: int) -> None:
        self._budget = min(_LARGEST, BYTES // (4 * max(1, min(pictures, MOST))))
        self._worst: list[tuple[float, int, Shown]] = []
        self._seen = 0

    def __call__(self, stored: Stored, picture: PictureResult, curve: PixelCurve) -> None:
        """Draw one picture, if it is among the worst so far."""
        self._seen += 1
        rank = (-picture.agreement, -self._seen)
        if len(self._worst) >= MOST and rank <= self._worst[0][:2]:
            return
        drawn = {
            name: _data_uri(panel, self._budget)
            for name, panel in draw_panels(stored, curve).items()
        }
        heapq.heappush(self._worst, (*rank, Shown(picture, drawn)))
        if len(self._worst) > MOST:
            heapq.heappop(self._worst)

    @property
    def worst_first(self) -> list[Shown]:
        """What was drawn, the picture with the least agreement first."""
        return [shown for _, _, shown in sorted(self._worst, key=lambda row: row[:2], reverse=True)]


def draw_panels(stored: Stored, curve: PixelCurve) -> dict[str, Image]:
    """Draw a picture, its scores, what lies above the oracle threshold, and what is wrong."""
    image = stored.thumbnail
    size = (image.shape[1], image.shape[0])
    counts = stored.gt_mask != IGNORE
    found = _share((stored.scores > curve.best_threshold) & counts, size)
    strange = _share(stored.gt_mask == ANOMALY, size)
    ignored = _share(stored.gt_mask == IGNORE, size)[..., None]
    grey: _Floats = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2)
    errors: _Floats = 0.45 * grey + 95
    for colour, share in (
        (_FOUND, np.minimum(found, strange)),
        (_FALSE, np.maximum(found - strange, 0)),
        (_MISSED, np.maximum(strange - found, 0)),
    ):
        errors = _blended(errors, colour, share)
    errors = errors * (1 - 0.5 * ignored) + 45 * ignored
    return {
        "input": image,
        "map": _heat(stored.scores, curve, size),
        "mask": np.asarray(_blended(0.5 * grey, (255, 225, 120), found), np.uint8),
        "errors": np.asarray(np.clip(errors, 0, 255), np.uint8),
    }


def _share(mask: npt.NDArray[np.bool_], size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Return which share of each pixel of a smaller picture a mask covers."""
    covered = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    # a thing of a few pixels shall not fade away when the picture is made small
    return np.asarray(np.minimum(1, 3 * covered), np.float32)


def _blended(
    image: _Floats, colour: tuple[int, int, int], share: npt.NDArray[np.float32]
) -> _Floats:
    opacity = 0.85 * share[..., None].astype(np.float64)
    return np.asarray(image * (1 - opacity) + np.array(colour) * opacity, np.float64)


def _heat(scores: ScoreMap, curve: PixelCurve, size: tuple[int, int]) -> Image:
    """Colour scores so that the oracle threshold lies in the middle of the scale."""
    middle = min(max(curve.best_threshold, curve.lowest + 1e-6), curve.highest - 1e-6)
    scale = ScoreScale(min(curve.lowest, middle - 1e-6), middle, max(curve.highest, middle + 1e-6))
    small = np.asarray(cv2.resize(scores, size, interpolation=cv2.INTER_AREA), np.float32)
    heat = cv2.applyColorMap(scale.index(small), cv2.COLORMAP_INFERNO)
    return np.asarray(cv2.cvtColor(heat, cv2.COLOR_BGR2RGB), np.uint8)


def _data_uri(image: Image, budget: int) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg_within(image, budget)).decode("ascii")


def jpeg_within(image: Image, budget: int) -> bytes:
    """Return a JPEG of at most so many bytes, of lower quality or smaller where it has to be."""
    while True:
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        for quality in (85, 75, 60, 45):
            _, coded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
            if coded.size <= budget or min(image.shape[:2]) < 16:
                return coded.tobytes()
        size = (round(0.75 * image.shape[1]), round(0.75 * image.shape[0]))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
