"""Component metrics as their definitions read, a component at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import label

TAUS = [0.25 + 0.05 * step for step in range(11)]

Masks = npt.NDArray[Any]
Frame = tuple[list[float], list[float]]


def slow_frame(
    scores: Masks, gt_mask: Masks, threshold: float, least_predicted: int, least_gt: int
) -> Frame:
    """Return siou of each component of the ground truth and ppv of each predicted one."""
    gt = _masks(gt_mask == 1)
    ignored = gt_mask == 255
    predicted = _masks((scores > threshold) & ~ignored)
    predicted = [mask for mask in predicted if mask.sum() >= least_predicted]
    for small in [mask for mask in gt if mask.sum() < least_gt]:
        ignored = ignored | small
    gt = [mask for mask in gt if mask.sum() >= least_gt]
    predicted = [mask & ~ignored for mask in predicted]
    predicted = [mask for mask in predicted if mask.any()]
    siou = []
    for one in gt:
        union = np.zeros(gt_mask.shape, bool)
        for mask in predicted:
            if (mask & one).any():
                union |= mask
        for other in gt:
            if other is not one:
                union &= ~other
        siou.append((union & one).sum() / (union | one).sum())
    anything = np.any(gt, axis=0) if gt else np.zeros(gt_mask.shape, bool)
    return siou, [(mask & anything).sum() / mask.sum() for mask in predicted]


def slow_metrics(frames: list[Frame]) -> dict[str, Any]:
    """Return the fields of `ComponentMetrics` that do not depend on the threshold."""
    siou = [value for frame in frames for value in frame[0]]
    ppv = [value for frame in frames for value in frame[1]]
    found = [sum(value > tau - 1e-9 for value in siou) for tau in TAUS]
    missed = [len(siou) - count for count in found]
    wrong = [sum(value < tau - 1e-9 for value in ppv) for tau in TAUS]
    f1 = [
        2 * tp / (2 * tp + fn + fp) if tp + fn + fp else 0.0
        for tp, fn, fp in zip(found, missed, wrong, strict=True)
    ]
    return {
        "siou_gt": sum(siou) / len(siou) if siou else 0.0,
        "ppv": sum(ppv) / len(ppv) if ppv else 0.0,
        "f1_mean": sum(f1) / len(f1),
        "f1": f1,
        "true_positives": found,
        "false_negatives": missed,
        "false_positives": wrong,
        "gt_components": len(siou),
        "predicted_components": len(ppv),
        "false_positives_per_frame": wrong[0] / len(frames),
    }


def _masks(mask: Masks) -> list[Masks]:
    labels, count = label(mask, np.ones((3, 3)))
    return [labels == number for number in range(1, count + 1)]
