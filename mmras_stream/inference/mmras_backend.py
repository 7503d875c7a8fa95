"""Run the paper's network with PyTorch on the CPU or on CUDA."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from mmras_stream.errors import CheckpointError
from mmras_stream.inference.masks import mask_predictor
from mmras_stream.models.checkpoint import EMBEDDED
from mmras_stream.models.mmras import MmrasNetwork
from mmras_stream.models.published import MmrasCard, load_mmras
from mmras_stream.models.resnet import CHANNELS, Depth, NormedConv2d
from mmras_stream.models.zoo import find_weights
from mmras_stream.settings import ModelSettings
from mmras_stream.types import FrameBatch, NetworkTraits, SegmentationOutput


class MmrasBackend:
    """Eager inference, to the published numbers, or fast: masks stay small, in half precision."""

    def __init__(self, settings: ModelSettings, *, depth: Depth) -> None:
        network, self.card = _load(settings.weights, depth)
        fold_norms(network)
        self._predictor = mask_predictor(settings, network)
        network.to(self._predictor.device, self._predictor.precision)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
        network.requires_grad_(requires_grad=False)

    @property
    def weights_sha256(self) -> str:
        """Identity of the weights."""
        return self.card.sha256

    @property
    def threshold(self) -> float | None:
        """The threshold calibrated for these weights, if any."""
        return self.card.threshold

    @property
    def traits(self) -> NetworkTraits:
        """Classes of the weights, masks, and the features res4."""
        return NetworkTraits(
            self.card.config.classes, predicts_masks=True, feature_channels=CHANNELS[2]
        )

    def predict(self, batch: FrameBatch) -> SegmentationOutput:
        """Segment a batch; the result stays on the device, in float32."""
        return self._predictor.predict(batch)


def fold_norms(network: nn.Module) -> None:
    """Merge each batch norm of a network in evaluation mode into the convolution that owns it."""
    for module in network.modules():
        if isinstance(module, NormedConv2d) and isinstance(module.norm, nn.BatchNorm2d):
            norm = module.norm
            assert norm.running_mean is not None
            assert norm.running_var is not None
            module.weight, module.bias = fuse_conv_bn_weights(
                module.weight,
                module.bias,
                norm.running_mean,
                norm.running_var,
                norm.eps,
                norm.weight,
                norm.bias,
            )
            module.norm = nn.Identity()


def r50(settings: ModelSettings) -> MmrasBackend:
    """Make the backend of weights with a ResNet-50."""
    return MmrasBackend(settings, depth=50)


def r101(settings: ModelSettings) -> MmrasBackend:
    """Make the backend of weights with a ResNet-101."""
    return MmrasBackend(settings, depth=101)


def _load(weights: str, depth: Depth) -> tuple[MmrasNetwork, MmrasCard]:
    if weights == EMBEDDED:
        raise CheckpointError(
            f"r{depth} has no built-in weights; give --checkpoint FILE, and see "
            "'mmras-stream models list' for where published ones lie"
        )
    network, card = load_mmras(find_weights(weights))
    if card.config.depth != depth:
        raise CheckpointError(
            f"{weights} holds a ResNet-{card.config.depth}; give --model r{card.config.depth}"
        )
    return network, card
