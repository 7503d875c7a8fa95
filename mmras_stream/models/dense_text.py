"""Dense features compared with words, where a network was taught what these mean."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

SHORTEST = 1e-6
"""Of a place's embedding: one that is all zero is as far from every word."""


def word_cosines(features: Tensor, projection: Tensor, vectors: Tensor) -> Tensor:
    """Return the cosine between each place and each word.

    The embedding of a place, D wide, is never made: with P = QR, |P f| is |R f|, and w . P f is
    (P' w) . f, both as narrow as the features.

    Args:
        features: (N, C, h, w), of any float type.
        projection: (D, C).
        vectors: (K, D) of length 1.

    Returns:
        (N, K, h, w) float32.
    """
    wide = features.float()
    projection = projection.to(wide.device)
    words = vectors.to(wide.device) @ projection
    reduced = torch.linalg.qr(projection, mode="r").R
    lengths: Tensor = _through(wide, reduced).norm(dim=1, keepdim=True)
    cosines: Tensor = _through(wide, words) / lengths.clamp(min=SHORTEST)
    return cosines


def region_embeddings(features: Tensor, projection: Tensor, masks: Tensor) -> Tensor:
    """Return the mean embedding of regions.

    Args:
        features: (C, h, w), of any float type.
        projection: (D, C).
        masks: (M, H, W) bool, none of them empty, over the same picture on any grid.

    Returns:
        (M, D) of length 1, on the CPU.
    """
    shares = F.interpolate(masks[None].float(), features.shape[-2:], mode="area")[0]
    shares = (shares / shares.sum((1, 2), keepdim=True)).to(features.device)
    means = torch.einsum("mhw,chw->mc", shares, features.float())
    return F.normalize(means.cpu() @ projection.cpu().T, dim=1)


def _through(features: Tensor, matrix: Tensor) -> Tensor:
    return F.conv2d(features, matrix[:, :, None, None])
