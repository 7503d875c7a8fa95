"""Take the trails away that smoothing over time leaves behind what moves."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from mmras_stream.types import AnomalyMap, Mask

STRONGEST = 0.5
"""How high a trail may be, as a share of the way from the faint threshold to the other. What was
higher a moment ago may be a thing that is missed in one frame."""

_NEIGHBOURS = np.ones((3, 3), np.uint8)


def without_trails(
    steady: AnomalyMap, raw: AnomalyMap, *, threshold: float, faint_threshold: float
) -> AnomalyMap:
    """Return steady scores without those that only memory keeps above the faint threshold.

    Motion is known to a fraction of a cell only, so that averages lag behind small things, and two
    that part stay one region. A trail is what no score of this frame supports, neither there nor in
    a neighbouring cell, in a region that is seen elsewhere in this frame. A region that is not seen
    at all keeps its scores: to bridge such frames is what they are averaged for.

    Args:
        steady: Smoothed scores.
        raw: Those of the frame alone. On another grid it tells nothing, and `steady` is returned.
        threshold: Score above which a place is strange.
        faint_threshold: Score down to which regions reach.
    """
    scores, seen = steady.scores, raw.scores
    if scores is seen or scores.shape != seen.shape:
        return steady
    faint: Mask = scores > faint_threshold
    highest = faint_threshold + STRONGEST * (threshold - faint_threshold)
    trails: Mask = faint & (scores <= highest)
    if not trails.any():
        return steady
    trails &= np.asarray(cv2.dilate(seen, _NEIGHBOURS)) <= faint_threshold
    if not trails.any():
        return steady
    count, labels = cv2.connectedComponents(faint.view(np.uint8), connectivity=8)
    is_seen = np.zeros(count, np.bool_)
    is_seen[labels[faint & (seen > faint_threshold)]] = True
    trails &= is_seen[labels]
    return replace(steady, scores=np.where(trails, seen, scores))
