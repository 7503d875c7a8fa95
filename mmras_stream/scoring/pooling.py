"""The score of the built-in network: what its two heads say, pooled."""

from __future__ import annotations

import torch

from mmras_stream.errors import SettingsError
from mmras_stream.scoring.scorers import anomaly_maps
from mmras_stream.settings import Settings
from mmras_stream.types import AnomalyMap, FrameBatch, NetworkTraits, SegmentationOutput

BACKGROUND = ("sky", "far", "building", "tree", "vegetation")
"""Classes of what cannot lie on a road."""

UNCERTAINTY = 2.0
"""Log-odds that a place gains which is surely of no class."""

ELSEWHERE = 3.0
"""Weight of the belief that a place shows no background."""

LEAST = 1e-3
"""Of that belief, so that the surest background still has a score."""


class PooledScorer:
    """The outlier head, the doubt of the class head and its belief in the background, pooled.

    A logarithmic opinion pool (Genest and Zidek 1986, Statistical Science 1): log-odds add up, so
    that each may overrule the others where it is sure, which an average of probabilities never
    lets it. sigmoid(l + 2 (1 - max_c p_c) + 3 log(1 - sum of p over `BACKGROUND`)), l the outlier
    logit and p the softmax of the class scores.
    """

    def __init__(self, background: list[int]) -> None:
        self._background = background

    @torch.inference_mode()
    def score(self, batch: FrameBatch, output: SegmentationOutput) -> list[AnomalyMap]:
        """Return one map per frame, 0..1, on the grid of the heads."""
        assert output.outlier_logits is not None
        shares = output.class_scores.float().softmax(1)
        odds = output.outlier_logits.float() + UNCERTAINTY * (1 - shares.amax(1))
        if self._background:
            elsewhere = (1 - shares[:, self._background].sum(1)).clamp(min=0)
            odds = odds + ELSEWHERE * torch.log(elsewhere + LEAST)
        return anomaly_maps(batch, odds.sigmoid())


def pooled(_settings: Settings, traits: NetworkTraits) -> PooledScorer:
    """Make a `PooledScorer`.

    Raises:
        SettingsError: the network has no outlier head.
    """
    if not traits.has_outlier_head:
        raise SettingsError(
            "the score 'pooled' needs a network with an outlier head, such as compact; "
            "try maxlogits"
        )
    names = enumerate(traits.classes)
    return PooledScorer([number for number, name in names if name.lower() in BACKGROUND])
