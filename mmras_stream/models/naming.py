"""What a region shows, in words, and whether it is something ordinary after all."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from mmras_stream.models.text import TextEmbeddings
from mmras_stream.types import Guess

KNOWN_ABOVE = 0.85
MARGIN = 0.25
"""Of the longer side of a box, added on each side: surroundings help to tell what a thing is."""


def nearest(
    embeddings: Tensor, text: TextEmbeddings, *, top: int = 5, logit_scale: float | None = None
) -> list[list[Guess]]:
    """Name regions by the words nearest to them.

    The confidence is that of CLIP's zero-shot classification, the softmax over all words of
    logit_scale * cosine (Radford et al. 2021, arXiv 2103.00020), so it depends on which other
    words there are.

    Args:
        embeddings: (M, D) of any length above 0, in the space of `text`.
        text: The words.
        top: How many words for each region, the likeliest first; all where there are fewer.
        logit_scale: None means that of `text`; of CLIP models about 100.

    Returns:
        One list for each region.
    """
    confidences = _confidences(embeddings, text.vectors, logit_scale or text.logit_scale)
    values, indices = confidences.topk(min(top, len(text.words)), dim=1)
    return [
        [Guess(text.words[i], p) for i, p in zip(row, chances, strict=True)]
        for row, chances in zip(indices.tolist(), values.tolist(), strict=True)
    ]


def looks_known(
    embedding: Tensor,
    inliers: TextEmbeddings,
    outliers: TextEmbeddings,
    *,
    threshold: float = KNOWN_ABOVE,
) -> Guess | None:
    """Tell whether a region is most likely something ordinary, and what.

    All inlier and outlier words compete in one softmax. Its share on the inlier words together is
    the confidence that the region is ordinary; together, because a van may be half car, half
    truck. Every outlier word takes its part, so more of them suppress less, never more, and a
    word in both lists counts for either half and cannot reach a threshold above 0.5 by itself.
    Published practice is to drop proposals above 0.85.

    Args:
        embedding: (D,) of any length above 0, in the space of both texts.
        inliers: Words for what is ordinary, such as the classes of the network.
        outliers: Words for what is not.
        threshold: 0..1.

    Returns:
        The likeliest inlier word with the confidence of all of them, where that is above the
        threshold; otherwise None.

    Raises:
        ValueError: the texts are of different spaces.
    """
    if inliers.space != outliers.space:
        raise ValueError(
            "inlier and outlier words come from different text encoders; embed both anew"
        )
    vectors = torch.cat([inliers.vectors, outliers.vectors])
    confidences = _confidences(embedding[None], vectors, inliers.logit_scale)[0]
    known = confidences[: len(inliers.words)]
    confidence = float(known.sum())
    if confidence <= threshold:
        return None
    return Guess(inliers.words[int(known.argmax())], min(1.0, confidence))


def crops(
    picture: Tensor, boxes_xywh: Sequence[tuple[int, int, int, int]], size: tuple[int, int]
) -> Tensor:
    """Cut squares around boxes and bring them to the size that `Clip.encode_image` wants.

    A square that reaches over the edge is moved inside; where the picture is too small for it,
    its edge is repeated.

    Args:
        picture: (3, H, W) float, normalised or not.
        boxes_xywh: Pixels.
        size: (height, width).

    Returns:
        (M, 3, *size), antialiased.
    """
    squares = [_square(picture, box) for box in boxes_xywh]
    resized = [
        F.interpolate(s[None], size, mode="bicubic", antialias=True, align_corners=False)[0]
        for s in squares
    ]
    return torch.stack(resized) if resized else picture.new_zeros(0, 3, *size)


def _confidences(embeddings: Tensor, vectors: Tensor, logit_scale: float) -> Tensor:
    units = F.normalize(embeddings.float().cpu(), dim=1)
    return (logit_scale * units @ vectors.T).softmax(dim=1)


def _square(picture: Tensor, box_xywh: tuple[int, int, int, int]) -> Tensor:
    left, top, width, height = box_xywh
    side = max(1, math.ceil(max(width, height) * (1 + 2 * MARGIN)))
    rows = _window(top + height / 2, side, picture.shape[1], picture.device)
    columns = _window(left + width / 2, side, picture.shape[2], picture.device)
    return picture[:, rows[:, None], columns]


def _window(centre: float, side: int, length: int, device: torch.device) -> Tensor:
    first = round(centre - side / 2)
    if side <= length:
        first = min(max(first, 0), length - side)
    return torch.arange(first, first + side, device=device).clamp(0, length - 1)
