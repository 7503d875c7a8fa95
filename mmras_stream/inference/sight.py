"""How a namer looks at things: through CLIP, or through what the network saw already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from mmras_stream.models.clip import Clip
from mmras_stream.models.dense_text import region_embeddings
from mmras_stream.models.naming import crops
from mmras_stream.regions.rle import decode
from mmras_stream.types import Frame, Proposal, TextSpace
from mmras_stream.video.colour import to_rgb

CROPS_AT_ONCE = 16


class Sight(Protocol):
    """Brings things into the space of a text encoder; serves all drives."""

    def look(self, frame: Frame, features: Tensor, proposals: Sequence[Proposal]) -> Tensor:
        """Return one embedding a proposal, (M, D) on the CPU.

        Args:
            frame: The picture.
            features: (C, h, w): the network's, of that picture.
            proposals: At least one.
        """
        ...


class ClipSight:
    """Cuts things out of the frame with their surroundings and shows them to CLIP."""

    def __init__(self, clip: Clip) -> None:
        self._clip = clip

    def look(self, frame: Frame, features: Tensor, proposals: Sequence[Proposal]) -> Tensor:  # noqa: ARG002 - of the protocol
        """Return one embedding a proposal, (M, D) on the CPU."""
        clip, boxes = self._clip, [proposal.bbox_xywh for proposal in proposals]
        picture = torch.from_numpy(to_rgb(frame)).permute(2, 0, 1).float()
        mean, std = (torch.tensor(colour).view(3, 1, 1) for colour in (clip.mean, clip.std))
        embeddings = []
        for start in range(0, len(boxes), CROPS_AT_ONCE):
            cut = crops(picture, boxes[start : start + CROPS_AT_ONCE], clip.image_size)
            embeddings.append(clip.encode_image((cut.clamp(0, 255) - mean) / std).cpu())
        return torch.cat(embeddings)


class FeatureSight:
    """Averages the network's own features over the mask of a thing and projects them."""

    def __init__(self, space: TextSpace) -> None:
        self._space = space

    def look(self, frame: Frame, features: Tensor, proposals: Sequence[Proposal]) -> Tensor:  # noqa: ARG002 - of the protocol
        """Return one embedding a proposal, (M, D) on the CPU."""
        masks = torch.stack([torch.from_numpy(decode(proposal.rle)) for proposal in proposals])
        return region_embeddings(features, self._space.projection, masks)
