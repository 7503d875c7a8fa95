"""Run the compact network with PyTorch on the CPU or on CUDA."""

from __future__ import annotations

from copy import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mmras_stream.inference.device import chosen_device, chosen_precision, unrounded
from mmras_stream.inference.preprocess import input_size, network_input
from mmras_stream.models.checkpoint import WeightsCard, load_network, text_space, weights_path
from mmras_stream.models.compact import ConvNorm
from mmras_stream.settings import ModelSettings
from mmras_stream.types import FrameBatch, NetworkTraits, SegmentationOutput


class CompactBackend:
    """Eager inference: batch norms folded, channels last, bfloat16 where that is faster."""

    def __init__(self, settings: ModelSettings) -> None:
        network, self.card = load_network(weights_path(settings.weights))
        self._device = chosen_device(settings.device)
        self._precision = chosen_precision(settings.precision, self._device)
        self._input_width = settings.input_width or self.card.input_width
        self._text = text_space(network, self.card)  # in float32, whatever the network computes in
        fold_batch_norms(network)
        network.to(self._device, self._precision).requires_grad_(requires_grad=False)
        self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it

    @property
    def weights_sha256(self) -> str:
        """Identity of the weights."""
        return self.card.sha256

    @property
    def traits(self) -> NetworkTraits:
        """Classes, width and text space of the weights, and how these were calibrated."""
        config = self.card.config
        return NetworkTraits(
            config.classes,
            has_outlier_head=True,
            feature_channels=config.fused_width,
            text=self._text,
            tta=self.card.tta,
        )

    @property
    def threshold(self) -> float | None:
        """The threshold calibrated for these weights at their own input width."""
        return self.card.threshold

    def halved(self) -> CompactBackend:
        """Return a backend on the same network that looks at half the size."""
        other = copy(self)
        other._input_width = self._input_width // 2  # noqa: SLF001 - its own class
        return other

    @torch.inference_mode()
    def predict(self, batch: FrameBatch) -> SegmentationOutput:
        """Segment a batch; the result stays on the device, in float32."""
        size = input_size(batch.height, batch.width, input_width=self._input_width)
        card: WeightsCard = self.card
        pixels = network_input(batch, size, mean=card.mean, std=card.std, device=self._device)
        with unrounded():
            output = self._network(pixels.to(self._precision))
        return SegmentationOutput(
            class_scores=output.class_scores.float(),
            features=output.features,
            outlier_logits=output.outlier_logits.float(),
        )


def fold_batch_norms(network: nn.Module) -> None:
    """Merge each batch norm of a network in evaluation mode into the convolution before it."""
    for module in network.modules():
        if isinstance(module, ConvNorm):
            convolution, norm = module[0], module[1]
            assert isinstance(convolution, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            module[0], module[1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()
