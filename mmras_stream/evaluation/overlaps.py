"""Measure what lies on what in one frame of a drive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mmras_stream.errors import SettingsError
from mmras_stream.evaluation.drives import FrameTruth
from mmras_stream.regions.rle import decode
from mmras_stream.types import Mask, Proposal

IGNORED = 0.5
"""Share of a region above which it counts neither way if so much of it is ignored."""

_Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rules:
    """What counts as seen and as found."""

    overlap: float = 0.25
    """Intersection over union of masks from which a region is the thing: the loosest of
    SegmentMeIfYouCan's; segmentation challenges such as MOTS take 0.5."""
    visible_pixels: int = 50
    """Of a thing, in the pixels of the labels; smaller ones count neither way."""

    def __post_init__(self) -> None:
        if not 0 < self.overlap <= 1:
            raise SettingsError(f"the overlap must lie above 0 and up to 1, got {self.overlap:g}")
        if self.visible_pixels < 1:
            raise SettingsError(
                f"a thing is visible from 1 pixel on or more, got {self.visible_pixels}"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Overlaps:
    """What lies on what in one frame, without what counts neither way."""

    things: tuple[int, ...]
    """Of the ground truth, those that are visible."""
    tracks: tuple[int, ...]
    """Of the prediction."""
    iou: _Floats
    """(things, tracks), intersection over union."""
    on_strange: _Floats
    """(tracks,), share of a region that lies on visible things."""


def overlaps_of(truth: FrameTruth, proposals: Sequence[Proposal], rules: Rules) -> Overlaps:
    """Measure what the proposals of one frame lie on.

    Proposals of one track are one region. What is ignored, and what is too small to be visible,
    is taken from each region, and a region that mostly lies there counts neither way.

    Args:
        truth: Of the frame.
        proposals: With a `track_id`, at the size of the labels, none over another.
        rules: What is visible.
    """
    visible = {k: m for k, m in truth.things.items() if m.sum() >= rules.visible_pixels}
    strange, neither = np.zeros_like(truth.ignored), truth.ignored.copy()
    for mask in truth.things.values():
        neither |= mask
    for mask in visible.values():
        strange |= mask
    neither &= ~strange
    numbers, tracks = _numbered(proposals, neither.shape)
    whole = np.bincount(numbers.ravel(), minlength=len(tracks) + 1)[1:]
    areas = np.bincount(numbers[~neither], minlength=len(tracks) + 1)[1:]
    counts = (areas > 0) & (whole - areas <= IGNORED * whole)
    areas = areas[counts].astype(np.float64)
    shared = np.zeros((len(visible), areas.size))
    unions = np.ones_like(shared)
    for row, mask in enumerate(visible.values()):
        shared[row] = np.bincount(numbers[mask], minlength=len(tracks) + 1)[1:][counts]
        unions[row] = mask.sum() + areas - shared[row]
    on_strange = np.bincount(numbers[strange], minlength=len(tracks) + 1)[1:][counts] / areas
    kept = tuple(track for track, does in zip(tracks, counts.tolist(), strict=True) if does)
    return Overlaps(tuple(visible), kept, shared / unions, on_strange)


def _numbered(
    proposals: Sequence[Proposal], size: tuple[int, ...]
) -> tuple[npt.NDArray[np.int64], list[int]]:
    """Return which track covers each pixel, from 1, 0 for none, and the ids of the tracks."""
    numbers = np.zeros(size, np.int64)
    tracks: list[int] = []
    for proposal in proposals:
        assert proposal.track_id is not None
        if proposal.track_id not in tracks:
            tracks.append(proposal.track_id)
        mask: Mask = decode(proposal.rle)
        numbers[mask] = 1 + tracks.index(proposal.track_id)
    return numbers, tracks
