"""The scores that are added up, each with its share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from mmras_stream.errors import SettingsError
from mmras_stream.protocols import Scorer
from mmras_stream.registry import Kind, load
from mmras_stream.settings import Settings
from mmras_stream.types import AnomalyMap, FrameBatch, NetworkTraits, SegmentationOutput

AUTO = "auto"

Shares = Mapping[str, float]
"""Name of each score -> its share; they add up to 1."""


class EnsembleScorer:
    """Adds up scores, each times its share."""

    def __init__(self, members: Sequence[tuple[Scorer, float]]) -> None:
        self._members = members

    def score(self, batch: FrameBatch, output: SegmentationOutput) -> list[AnomalyMap]:
        """Return one map per frame; all scores must lie on one grid."""
        parts = [
            [share * one.scores for one in scorer.score(batch, output)]
            for scorer, share in self._members
        ]
        return [
            AnomalyMap(index, np.sum(grids, axis=0, dtype=np.float32), batch.height, batch.width)
            for index, *grids in zip(batch.index, *parts, strict=True)
        ]


def load_scorer(shares: Shares, settings: Settings, traits: NetworkTraits) -> Scorer:
    """Make the scorer of one score, or of several.

    Raises:
        PluginError: a score is unknown or broken.
        SettingsError: a score cannot be had from this network, or lacks what it needs.
    """
    members: list[tuple[Scorer, float]] = [
        (load(Kind.SCORER, name)(settings, traits), share) for name, share in shares.items()
    ]
    return members[0][0] if len(members) == 1 else EnsembleScorer(members)


def default_shares(traits: NetworkTraits) -> Shares:
    """Return what the score `auto` stands for."""
    return {"pooled": 1.0} if traits.has_outlier_head else {"maxlogits": 1.0}


def chosen_shares(text: str, traits: NetworkTraits) -> Shares:
    """Read the name of a score, or several with their shares.

    >>> chosen_shares("mmras=3,energy=1", NetworkTraits(classes=("road",)))
    {'mmras': 0.75, 'energy': 0.25}

    Raises:
        SettingsError: it cannot be read, or a share makes no sense.
    """
    if text == AUTO:
        return default_shares(traits)
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, has_share, share = (word.strip() for word in part.partition("="))
        if not name or name in shares:
            raise SettingsError(f"score {text!r} names {'one twice' if name else 'nothing'}")
        shares[name] = _share(share, text) if has_share else 1.0
    total = sum(shares.values())
    if total == 0:
        raise SettingsError(f"the shares in the score {text!r} add up to 0")
    return {name: share / total for name, share in shares.items()}


def shares_text(shares: Shares) -> str:
    """Return what `chosen_shares` reads.

    >>> shares_text({"outlier": 0.95, "msp": 0.05})
    'outlier=0.95,msp=0.05'
    >>> shares_text({"msp": 1.0})
    'msp'
    """
    if len(shares) == 1:
        return next(iter(shares))
    return ",".join(f"{name}={share:g}" for name, share in shares.items())


def _share(share: str, text: str) -> float:
    try:
        value = float(share)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise SettingsError(
            f"{share!r} in the score {text!r} is no share; give numbers from 0, "
            "as in outlier=0.95,msp=0.05"
        )
    return value
