"""The MMRAS ensemble, on whatever the network gives."""

from __future__ import annotations

import torch
from torch import Tensor

from mmras_stream.settings import ScoreSettings
from mmras_stream.types import AnomalyMap, FrameBatch, SegmentationOutput


class MmrasScorer:
    """1 - max class score, blended with text and an outlier head where the network has them.

    With s the softmax of the class scores and t that of the text scores,

        u = w * (1 - max_c (alpha * s_c + (1 - alpha) * t_c)) + (1 - w) * (1 - max_c s_c)

    as in Gao et al. 2025, arXiv 2503.17712; without text t = s, which leaves 1 - max s. A network
    trained on outliers adds the probability o of its outlier head: v * o + (1 - v) * u with
    v = `outlier_weight`. The result lies in 0..1.
    """

    def __init__(self, settings: ScoreSettings) -> None:
        self._alpha = settings.alpha
        self._w = settings.w
        self._outlier_weight = settings.outlier_weight

    def score(self, batch: FrameBatch, output: SegmentationOutput) -> list[AnomalyMap]:
        """Return one map per frame, on the grid of the network's class scores."""
        scores = self.score_tensor(output).cpu().numpy()
        return [
            AnomalyMap(index, grid, batch.height, batch.width)
            for index, grid in zip(batch.index, scores, strict=True)
        ]

    @torch.inference_mode()
    def score_tensor(self, output: SegmentationOutput) -> Tensor:
        """Return the scores (N, h, w) as float32, on the device of the output."""
        image = torch.softmax(output.class_scores.float(), dim=1)
        uncertainty = 1 - image.amax(dim=1)
        if output.text_scores is not None:
            text = torch.softmax(output.text_scores.float(), dim=1)
            blend = self._alpha * image + (1 - self._alpha) * text
            uncertainty = self._w * (1 - blend.amax(dim=1)) + (1 - self._w) * uncertainty
        if output.outlier_logits is None:
            return uncertainty
        outlier = torch.sigmoid(output.outlier_logits.float())
        return torch.lerp(uncertainty, outlier, self._outlier_weight)
