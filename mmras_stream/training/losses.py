"""What training minimises."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from mmras_stream.training.recipe import Loss
from mmras_stream.types import SegmentationOutput


def segmentation_loss(
    output: SegmentationOutput, classes: Tensor, outliers: Tensor, weights: Tensor, how: Loss
) -> Tensor:
    """Cross-entropy of the classes, binary cross-entropy and Dice of the outlier logit.

    Args:
        output: Of a network with an outlier head.
        classes: (N, h, w) int64, 255 not counted.
        outliers: (N, h, w) 1 strange, 0 ordinary, -1 not counted.
        weights: (N, h, w) of the strange places.
        how: Weights of the parts.
    """
    assert output.outlier_logits is not None
    logits = output.outlier_logits.float()
    total = F.cross_entropy(output.class_scores.float(), classes, ignore_index=255)
    known = outliers >= 0
    strange = (outliers > 0).float()
    balance = torch.where(outliers > 0, how.positive_weight * weights, 1.0) * known
    entropy = F.binary_cross_entropy_with_logits(logits, strange, reduction="none")
    total = total + how.outlier * (entropy * balance).sum() / known.sum().clamp(min=1)
    return total + how.dice * _dice(torch.sigmoid(logits) * known, strange)


def _dice(probability: Tensor, target: Tensor) -> Tensor:
    """1 - 2|A n B| / (|A| + |B|) over the batch.  Milletari et al. 2016, arXiv 1606.04797."""
    overlap = (probability * target).sum()
    return 1 - (2 * overlap + 1) / (probability.sum() + target.sum() + 1)
