"""Scorers by name: what an entry point of the library's own scores leads to."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mmras_stream.errors import SettingsError
from mmras_stream.scoring import published
from mmras_stream.scoring.published import ClassMaps
from mmras_stream.settings import Settings
from mmras_stream.types import AnomalyMap, FrameBatch, NetworkTraits, SegmentationOutput


class ClassMapScorer:
    """Applies a function of class maps, on the device that holds them."""

    def __init__(self, function: Callable[[ClassMaps], Tensor]) -> None:
        self._function = function

    @torch.inference_mode()
    def score(self, batch: FrameBatch, output: SegmentationOutput) -> list[AnomalyMap]:
        """Return one map per frame, on the grid of the class scores."""
        return anomaly_maps(batch, self._function(ClassMaps.of(output)))


class OutlierScorer:
    """The probability that an outlier head gives, 0..1."""

    @torch.inference_mode()
    def score(self, batch: FrameBatch, output: SegmentationOutput) -> list[AnomalyMap]:
        """Return one map per frame, on the grid of the outlier head."""
        assert output.outlier_logits is not None
        return anomaly_maps(batch, output.outlier_logits.float().sigmoid())


def anomaly_maps(batch: FrameBatch, scores: Tensor) -> list[AnomalyMap]:
    """Bring scores (N, h, w) to the host, as maps of the frames of a batch."""
    return [
        AnomalyMap(index, grid, batch.height, batch.width)
        for index, grid in zip(batch.index, scores.float().cpu().numpy(), strict=True)
    ]


def msp(_settings: Settings, _traits: NetworkTraits) -> ClassMapScorer:
    """Make the scorer of `published.msp`."""
    return ClassMapScorer(published.msp)


def entropy_max(_settings: Settings, _traits: NetworkTraits) -> ClassMapScorer:
    """Make the scorer of `published.entropy_max`."""
    return ClassMapScorer(published.entropy_max)


def maxlogits(_settings: Settings, _traits: NetworkTraits) -> ClassMapScorer:
    """Make the scorer of `published.maxlogits`."""
    return ClassMapScorer(published.maxlogits)


def energy(_settings: Settings, _traits: NetworkTraits) -> ClassMapScorer:
    """Make the scorer of `published.energy`."""
    return ClassMapScorer(published.energy)


def rba(_settings: Settings, traits: NetworkTraits) -> ClassMapScorer:
    """Make the scorer of `published.rba`."""
    return _of_masks("rba", published.rba, traits)


def mask2anomaly(_settings: Settings, traits: NetworkTraits) -> ClassMapScorer:
    """Make the scorer of `published.mask2anomaly`."""
    return _of_masks("mask2anomaly", published.mask2anomaly, traits)


def mask2anomaly_corrected(_settings: Settings, traits: NetworkTraits) -> ClassMapScorer:
    """Make the scorer of `published.mask2anomaly_corrected`."""
    return _of_masks("mask2anomaly_corrected", published.mask2anomaly_corrected, traits)


def outlier(_settings: Settings, traits: NetworkTraits) -> OutlierScorer:
    """Make an `OutlierScorer`.

    Raises:
        SettingsError: the network has no outlier head.
    """
    if not traits.has_outlier_head:
        raise SettingsError(
            "the score 'outlier' needs a network with an outlier head, such as compact; "
            "try maxlogits"
        )
    return OutlierScorer()


def _of_masks(
    name: str, function: Callable[[ClassMaps], Tensor], traits: NetworkTraits
) -> ClassMapScorer:
    if not traits.predicts_masks:
        raise SettingsError(
            f"the score {name!r} needs a network that predicts masks, such as r50; "
            "try maxlogits or msp"
        )
    return ClassMapScorer(function)
