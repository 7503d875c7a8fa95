"""Component metrics, summed over a set of pictures, as SegmentMeIfYouCan defines them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import cv2
import numpy as np
import numpy.typing as npt

from mmras_stream.errors import SettingsError
from mmras_stream.evaluation.pixel import ANOMALY, IGNORE, Labels
from mmras_stream.types import ScoreMap

TAUS: tuple[float, ...] = tuple(round(0.25 + 0.05 * step, 2) for step in range(11))
"""Overlaps from which a component counts as found; the loosest first."""

_Integers: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Track:
    """What is too small to count, in pixels."""

    name: str
    least_predicted: int
    """Smaller predicted components are dropped."""
    least_gt: int
    """Smaller components of the ground truth are ignored, and so is what is predicted on them."""


TRACKS = {"anomaly": Track("anomaly", 500, 100), "obstacle": Track("obstacle", 50, 10)}
"""The two of SegmentMeIfYouCan: large things anywhere, small things on the road."""

_OBSTACLE_WORDS = ("obst", "lost", "found", "laf")


def track_for(name: str, folder: str) -> Track:
    """Return the track of a name; `auto` takes `obstacle` where the folder's name speaks of them.

    >>> track_for("auto", "RoadObsticle21").name
    'obstacle'

    Raises:
        SettingsError: there is no such track.
    """
    if name == "auto":
        speaks = any(word in folder.casefold() for word in _OBSTACLE_WORDS)
        return TRACKS["obstacle" if speaks else "anomaly"]
    if name not in TRACKS:
        raise SettingsError(f"no track called {name!r}; known: auto, {', '.join(TRACKS)}")
    return TRACKS[name]


@dataclass(frozen=True, slots=True)
class FrameComponents:
    """What overlaps what in one picture."""

    siou: tuple[float, ...]
    """Of each component of the ground truth."""
    ppv: tuple[float, ...]
    """Of each predicted component: share of it that lies on the ground truth."""


@dataclass(frozen=True, slots=True)
class ComponentMetrics:
    """Over all components of a set; shares are 0..1."""

    threshold: float
    """Scores above it were predicted; those equal to it were not."""
    siou_gt: float
    """Mean over the components of the ground truth; 0 where there is none."""
    ppv: float
    """Mean over predicted components; 0 where there is none."""
    f1_mean: float
    """Over `TAUS`."""
    f1: tuple[float, ...]
    """At each of `TAUS`: 2 TP / (2 TP + FN + FP); 0 where nothing is there to be counted."""
    true_positives: tuple[int, ...]
    """Components of the ground truth with siou >= tau, at each of `TAUS`."""
    false_negatives: tuple[int, ...]
    """Those with siou < tau."""
    false_positives: tuple[int, ...]
    """Predicted components with ppv < tau."""
    gt_components: int
    predicted_components: int
    false_positives_per_frame: float
    """Predicted components with ppv below the loosest tau, 0.25, in a picture on average."""


def frame_components(
    scores: ScoreMap, gt_mask: Labels, *, threshold: float, track: Track
) -> FrameComponents:
    """Compare the 8-connected components above a threshold with those of the ground truth.

    The cost hardly depends on the number of components: everything is counted in one pass over
    the pixels.

    Args:
        scores: (H, W); higher = stranger.
        gt_mask: (H, W); 1 anomaly, 0 ordinary, 255 ignored.
        threshold: Scores above it are predicted.
        track: Sizes that count.
    """
    gt, gt_area = _components(gt_mask == ANOMALY)
    predicted, predicted_area = _components((scores > threshold) & (gt_mask != IGNORE))
    too_small = gt_area < track.least_gt
    too_small[0] = False
    dropped = predicted_area < track.least_predicted
    dropped[0] = False
    on_gt = (gt > 0) & (predicted > 0)
    pairs, shared = np.unique(
        gt[on_gt].astype(np.int64) * predicted_area.size + predicted[on_gt], return_counts=True
    )
    of_gt, of_predicted = np.divmod(pairs, predicted_area.size)
    # what is predicted on a component that is ignored is no part of the picture
    ignored = too_small[of_gt]
    visible = predicted_area - _sums(of_predicted[ignored], shared[ignored], predicted_area.size)
    kept = ~ignored & ~dropped[of_predicted]
    of_gt, of_predicted, shared = of_gt[kept], of_predicted[kept], shared[kept]
    on_any = _sums(of_predicted, shared, predicted_area.size)
    # the union with what touches it, less what of that lies on other components
    beyond = _sums(of_gt, visible[of_predicted] - on_any[of_predicted], gt_area.size)
    siou = _sums(of_gt, shared, gt_area.size) / np.maximum(gt_area + beyond, 1)
    ppv = on_any / np.maximum(visible, 1)
    counted = (visible > 0) & ~dropped
    return FrameComponents(
        tuple(siou[1:][~too_small[1:]].tolist()), tuple(ppv[1:][counted[1:]].tolist())
    )


def component_metrics(frames: Iterable[FrameComponents], *, threshold: float) -> ComponentMetrics:
    """Sum up the pictures of a set."""
    all_frames = list(frames)
    siou = np.array([value for frame in all_frames for value in frame.siou])
    ppv = np.array([value for frame in all_frames for value in frame.ppv])
    found = tuple(int((siou >= tau).sum()) for tau in TAUS)
    missed = tuple(int((siou < tau).sum()) for tau in TAUS)
    wrong = tuple(int((ppv < tau).sum()) for tau in TAUS)
    f1 = f1_scores(found, missed, wrong)
    return ComponentMetrics(
        threshold=threshold,
        siou_gt=_mean(siou),
        ppv=_mean(ppv),
        f1_mean=float(np.mean(f1)),
        f1=f1,
        true_positives=found,
        false_negatives=missed,
        false_positives=wrong,
        gt_components=siou.size,
        predicted_components=ppv.size,
        false_positives_per_frame=wrong[0] / max(1, len(all_frames)),
    )


def f1_scores(
    found: Sequence[int], missed: Sequence[int], wrong: Sequence[int]
) -> tuple[float, ...]:
    """Return F1 at each overlap, from counts at each overlap.

    >>> f1_scores([1, 0], [1, 0], [0, 0])
    (0.6666666666666666, 0.0)
    """
    counts = zip(found, missed, wrong, strict=True)
    return tuple(2 * tp / max(1, 2 * tp + fn + fp) for tp, fn, fp in counts)


def _components(mask: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int32], _Integers]:
    """Return the number of each pixel's component, 0 for none, and the area of each number."""
    _, labels, stats, _ = cast(
        "tuple[int, npt.NDArray[np.int32], npt.NDArray[np.int32], object]",
        cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8),
    )
    return labels, stats[:, cv2.CC_STAT_AREA].astype(np.int64)


def _sums(places: _Integers, values: _Integers, size: int) -> _Integers:
    """Add each value at its place; exact below 2^53."""
    return np.bincount(places, values, minlength=size).astype(np.int64)


def _mean(values: npt.NDArray[np.float64]) -> float:
    return float(values.mean()) if values.size else 0.0
