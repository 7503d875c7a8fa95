"""What training minimises."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from mmras_stream.training.recipe import Loss
from mmras_stream.types import SegmentationOutput

IGNORE = 255

HARDEST = 256
"""Places of each sort and picture that are compared."""


def class_loss(
    output: SegmentationOutput, labels: Tensor, groups: Sequence[Sequence[int]] = ()
) -> Tensor:
    """Cross-entropy of classes and, where only that is known, of groups of classes.

    The probability of a group is the sum of those of its classes, so that data sets with labels
    of different granularity teach one network.

    Args:
        output: Class scores (N, K, h, w).
        labels: (N, h, w) int64: a class 0..K-1, K + the number of a group, or 255, not counted.
        groups: The classes of each.

    Returns:
        The mean over the places that count; 0 where none does.
    """
    logs = F.log_softmax(output.class_scores.float(), 1)
    return _mean_entropy([logs, *_summed(logs, groups)], labels)


def text_loss(
    logits: Tensor,
    strange: Tensor,
    labels: Tensor,
    outliers: Tensor,
    groups: Sequence[Sequence[int]] = (),
) -> Tensor:
    """Cross-entropy of words, as in LSeg.  Li et al. 2022, arXiv 2201.03546.

    Args:
        logits: (N, K, h, w), logit_scale * cosine with the words for each class.
        strange: (N, 1, h, w), the same with the words for what is strange; or (N, 0, h, w), which
            leaves such places out.
        labels: (N, h, w) int64, as for `class_loss`.
        outliers: (N, h, w) 1 strange.
        groups: As for `class_loss`.

    Returns:
        The mean over the places that count; 0 where none does.
    """
    logs = F.log_softmax(torch.cat([logits, strange], 1), 1)
    parts = torch.tensor_split(logs, [logits.shape[1]], 1)
    outcomes = [parts[0], *_summed(logs, groups), parts[1]]
    if strange.shape[1]:
        labels = torch.where(outliers > 0, logits.shape[1] + len(groups), labels)
    return _mean_entropy(outcomes, labels)


def outlier_loss(logits: Tensor, outliers: Tensor, weights: Tensor, how: Loss) -> Tensor:
    """Binary cross-entropy and Dice of the outlier logit.

    Args:
        logits: (N, h, w).
        outliers: (N, h, w) 1 strange, 0 ordinary, -1 not counted.
        weights: (N, h, w), 0 where nothing counts.
        how: Weights of the parts.
    """
    known = (outliers >= 0) & (weights > 0)
    strange = (outliers > 0).float() * known
    balance = torch.where(outliers > 0, how.positive_weight, 1.0) * weights * known
    entropy = F.binary_cross_entropy_with_logits(logits, strange, reduction="none")
    total = how.outlier * (entropy * balance).sum() / known.sum().clamp(min=1)
    return total + how.dice * _dice(torch.sigmoid(logits) * known, strange)


def ranking_loss(logits: Tensor, outliers: Tensor, *, margin: float) -> Tensor:
    """Ask that strange places score above ordinary ones of the same picture, by a margin.

    softplus(margin - (strange - ordinary)), the logistic loss of pairs (Burges et al. 2005,
    RankNet), over the `HARDEST` lowest strange and highest ordinary places of each picture: these
    decide the false-positive rate at a high true-positive rate.

    Args:
        logits: (N, h, w).
        outliers: (N, h, w) 1 strange, 0 ordinary, -1 not counted.
        margin: In logits.
    """
    losses = []
    for scores, target in zip(logits, outliers, strict=True):
        strange, ordinary = scores[target > 0], scores[target == 0]
        if strange.numel() and ordinary.numel():
            low = strange.topk(min(HARDEST, strange.numel()), largest=False).values
            high = ordinary.topk(min(HARDEST, ordinary.numel())).values
            losses.append(F.softplus(margin - (low[:, None] - high)).mean())
    return torch.stack(losses).mean() if losses else logits.sum() * 0


def keep_loss(
    output: SegmentationOutput, before: SegmentationOutput, outliers: Tensor, weights: Tensor
) -> Tensor:
    """Ask for the scores that the network gave before.  Li and Hoiem 2016, arXiv 1606.09282.

    Class scores are held everywhere; the outlier score where `weights` is 0, and there only
    where it was right by `outliers`: an error is no memory worth keeping.  Both as Kullback-Leibler
    divergence from the distribution before.

    Args:
        output: With gradients.
        before: Of the same pictures, by the network as training began.
        outliers: (N, h, w) 1 strange, 0 ordinary, -1 not known.
        weights: (N, h, w) of the outlier loss.
    """
    now, then = (F.log_softmax(one.class_scores.float(), 1) for one in (output, before))
    classes = F.kl_div(now, then, reduction="none", log_target=True).sum(1).mean()
    assert output.outlier_logits is not None
    assert before.outlier_logits is not None
    logits, target = output.outlier_logits.float(), before.outlier_logits.float()
    was_right = (target > 0) == (outliers > 0)
    held = (weights == 0) & (outliers >= 0) & was_right
    chance = target.sigmoid()
    excess = F.binary_cross_entropy_with_logits(
        logits, chance, reduction="none"
    ) - F.binary_cross_entropy_with_logits(target, chance, reduction="none")
    return classes + (excess * held).sum() / held.sum().clamp(min=1)


def _summed(logs: Tensor, groups: Sequence[Sequence[int]]) -> list[Tensor]:
    return [logs[:, list(group)].logsumexp(1, keepdim=True) for group in groups]


def _mean_entropy(outcomes: Sequence[Tensor], labels: Tensor) -> Tensor:
    known = (labels != IGNORE).sum().clamp(min=1)
    entropy = F.nll_loss(torch.cat(list(outcomes), 1), labels, ignore_index=IGNORE, reduction="sum")
    return entropy / known


def _dice(probability: Tensor, target: Tensor) -> Tensor:
    """1 - 2|A n B| / (|A| + |B|) over the batch.  Milletari et al. 2016, arXiv 1606.04797."""
    overlap = (probability * target).sum()
    return 1 - (2 * overlap + 1) / (probability.sum() + target.sum() + 1)
