"""Run the paper's network with PyTorch on the CPU or on CUDA."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from mmras_stream.inference.device import chosen_device, chosen_precision
from mmras_stream.inference.published import (
    MASK_STRIDE,
    Geometry,
    geometry,
    network_pixels,
    segmentation,
)
from mmras_stream.models.masked_decoder import MaskPrediction
from mmras_stream.models.mmras import MmrasConfig
from mmras_stream.models.published import load_published
from mmras_stream.models.resnet import CHANNELS, Depth, NormedConv2d
from mmras_stream.settings import ModelSettings
from mmras_stream.types import FrameBatch, NetworkTraits, SegmentationOutput
from mmras_stream.video.colour import to_rgb


class MmrasBackend:
    """Eager inference, to the published numbers, or fast: masks stay small, in half precision."""

    threshold: float | None = None

    def __init__(self, settings: ModelSettings, *, depth: Depth) -> None:
        self._settings = settings
        self._device = chosen_device(settings.device)
        self._precision = mask_precision(settings, self._device)
        network = load_published(Path(settings.weights), MmrasConfig(depth=depth))
        self._classes = network.config.classes
        fold_norms(network)
        network.to(self._device, self._precision).requires_grad_(requires_grad=False)
        self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it

    @property
    def weights_sha256(self) -> str:
        """Identity of the weights."""
        return ""

    @property
    def traits(self) -> NetworkTraits:
        """Classes of the weights, masks, and the width of res4."""
        return NetworkTraits(self._classes, predicts_masks=True, feature_channels=CHANNELS[2])

    @torch.inference_mode()
    def predict(self, batch: FrameBatch) -> SegmentationOutput:
        """Segment a batch; the result stays on the device, in float32."""
        fast = self._settings.fast
        sizes = mask_geometry(batch, self._settings)
        pixels = network_pixels(rgb_pictures(batch, self._device), sizes).to(self._precision)
        parts = [self._network(part) for part in torch.split(pixels, self._at_once(len(batch)))]
        masks = MaskPrediction(
            torch.cat([part.masks.class_logits for part in parts]).float(),
            torch.cat([part.masks.mask_logits for part in parts]).float(),
        )
        features = torch.cat([part.features for part in parts]).float()
        return segmentation(masks, features, sizes, fast=fast)

    def _at_once(self, count: int) -> int:
        # on a CPU a batch gains no speed, and takes memory for each of its pictures
        return 1 if self._device.type == "cpu" else count


def mask_precision(settings: ModelSettings, device: torch.device) -> torch.dtype:
    """Return the numbers in which a network that predicts masks runs.

    Unless it is to be fast, `auto` means float32: the published numbers are made in it.
    """
    exact = settings.precision == "auto" and not settings.fast
    return torch.float32 if exact else chosen_precision(settings.precision, device)


def mask_geometry(batch: FrameBatch, settings: ModelSettings) -> Geometry:
    """Return the sizes that the pictures of a batch go through."""
    return geometry(
        batch.height,
        batch.width,
        short_edge=settings.short_edge,
        long_edge=settings.long_edge,
        step=MASK_STRIDE if settings.fast else 1,
    )


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


def rgb_pictures(batch: FrameBatch, device: torch.device) -> Tensor:
    """Return a batch as (N, 3, height, width) uint8, RGB, 0..255, at its own size."""
    pictures = [torch.from_numpy(to_rgb(frame)).permute(2, 0, 1) for frame in batch]
    return torch.stack(pictures).to(device)


def r50(settings: ModelSettings) -> MmrasBackend:
    """Make the backend of weights with a ResNet-50."""
    return MmrasBackend(settings, depth=50)


def r101(settings: ModelSettings) -> MmrasBackend:
    """Make the backend of weights with a ResNet-101."""
    return MmrasBackend(settings, depth=101)
