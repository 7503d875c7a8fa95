"""A mask in a part of a frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mmras_stream.regions.rle import encode_crop, sample
from mmras_stream.types import AnomalyMap, Mask, Proposal


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A mask, and where in the frame it lies."""

    mask: Mask
    left: int
    """Pixels from the left border of the frame to that of the mask."""
    top: int

    @classmethod
    def of(cls, proposal: Proposal) -> Place:
        """Return the mask of a proposal within its box."""
        x, y, width, height = proposal.bbox_xywh
        mask = sample(proposal.rle, np.arange(y, y + height), np.arange(x, x + width))
        return cls(mask, x, y)

    @property
    def area(self) -> int:
        """Pixels that are covered."""
        return int(np.count_nonzero(self.mask))

    def tight(self) -> Place | None:
        """Return it without empty margins; None if it covers no pixel."""
        left, top, width, height = cv2.boundingRect(self.mask.view(np.uint8))
        if width == 0:
            return None
        mask = self.mask[top : top + height, left : left + width]
        return Place(mask, self.left + left, self.top + top)

    def within(self, other: Place) -> Mask:
        """Return it as a mask over the crop of another place."""
        mask: Mask = np.zeros_like(other.mask)
        rows, columns = other.mask.shape
        top, left = self.top - other.top, self.left - other.left
        above, before = max(0, -top), max(0, -left)
        part = self.mask[above : max(above, rows - top), before : max(before, columns - left)]
        top, left = max(0, top), max(0, left)
        mask[top : top + part.shape[0], left : left + part.shape[1]] = part
        return mask

    def meets(self, other: Proposal) -> bool:
        """Tell whether its box and that of a proposal have a pixel in common."""
        height, width = self.mask.shape
        x, y, columns, rows = other.bbox_xywh
        return (
            x < self.left + width
            and self.left < x + columns
            and y < self.top + height
            and self.top < y + rows
        )

    def without(self, other: Proposal) -> Place:
        """Return it without what a proposal covers."""
        if not self.meets(other):
            return self
        height, width = self.mask.shape
        rows = np.arange(self.top, self.top + height)
        columns = np.arange(self.left, self.left + width)
        return Place(self.mask & ~sample(other.rle, rows, columns), self.left, self.top)

    def proposal(self, anomaly_map: AnomalyMap, *, pts: int, score: float) -> Proposal:
        """Make a proposal for the frame of a map; there must be no empty margins."""
        height, width = self.mask.shape
        size = anomaly_map.frame_height, anomaly_map.frame_width
        return Proposal(
            frame_index=anomaly_map.frame_index,
            pts=pts,
            bbox_xywh=(self.left, self.top, width, height),
            area=self.area,
            rle=encode_crop(self.mask, top=self.top, left=self.left, size=size),
            score=score,
        )
