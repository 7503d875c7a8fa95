"""From decoded pictures through a network that predicts masks to what scores are made from."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from mmras_stream.inference.device import chosen_device, chosen_precision, unrounded
from mmras_stream.inference.host_memory import keep_freed_memory
from mmras_stream.inference.published import (
    EXTRA_CLASSES,
    MASK_STRIDE,
    MEAN,
    STD,
    Colour,
    Geometry,
    geometry,
    network_pixels,
    segmentation,
)
from mmras_stream.models.masked_decoder import MaskPrediction
from mmras_stream.models.mmras import MmrasOutput
from mmras_stream.settings import ModelSettings
from mmras_stream.types import FrameBatch, SegmentationOutput
from mmras_stream.video.colour import to_rgb

SHORT_EDGE = 1024
"""As published."""

ELONGATION = 2
"""Times the short edge that the long one has at most, as published."""


@dataclass(frozen=True, slots=True)
class MaskPredictor:
    """What networks of masks share: sizes, numbers, the device, and how masks are summed."""

    look: Callable[[Tensor], MmrasOutput]
    """The network: normalised pictures (N, 3, H, W), H and W multiples of 32, to its masks."""
    device: torch.device
    precision: torch.dtype
    short_edge: int
    long_edge: int
    fast: bool
    mean: Colour = MEAN
    std: Colour = STD
    extra_classes: Collection[int] = EXTRA_CLASSES
    """Those whose sure masks become channels of their own."""

    @torch.inference_mode()
    def predict(self, batch: FrameBatch) -> SegmentationOutput:
        """Segment a batch; the result stays on the device, in float32 or better."""
        sizes = self.sizes(batch)
        pictures = rgb_pictures(batch, self.device)
        pixels = network_pixels(pictures, sizes, mean=self.mean, std=self.std).to(self.precision)
        # on a CPU a batch gains no speed, and takes memory for each of its pictures
        at_once = 1 if self.device.type == "cpu" else len(batch)
        with unrounded():
            parts = [self.look(part) for part in torch.split(pixels, at_once)]
        masks = MaskPrediction(
            torch.cat([part.masks.class_logits for part in parts]).float(),
            torch.cat([part.masks.mask_logits for part in parts]).float(),
        )
        features = torch.cat([part.features for part in parts]).float()
        return segmentation(
            masks, features, sizes, fast=self.fast, extra_classes=self.extra_classes
        )

    def sizes(self, batch: FrameBatch) -> Geometry:
        """Return the sizes that the pictures of a batch go through."""
        return geometry(
            batch.height,
            batch.width,
            short_edge=self.short_edge,
            long_edge=self.long_edge,
            step=MASK_STRIDE if self.fast else 1,
        )


def mask_predictor(
    settings: ModelSettings,
    look: Callable[[Tensor], MmrasOutput],
    *,
    short_edge: int = SHORT_EDGE,
    long_edge: int | None = None,
    mean: Colour = MEAN,
    std: Colour = STD,
    extra_classes: Collection[int] = EXTRA_CLASSES,
) -> MaskPredictor:
    """Make the predictor that settings ask for; the network must lie where they say.

    Args:
        settings: Its edges win over those given here.
        look: The network.
        short_edge: Pixels.
        long_edge: Pixels; twice the short edge if not given.
        mean: RGB, 0..255.
        std: RGB, 0..255.
        extra_classes: Those whose sure masks become channels of their own.
    """
    device = chosen_device(settings.device)
    if device.type == "cpu":
        keep_freed_memory()
    shorter = settings.short_edge or short_edge
    own = long_edge if settings.short_edge is None else None
    return MaskPredictor(
        look,
        device=device,
        precision=mask_precision(settings, device),
        short_edge=shorter,
        long_edge=settings.long_edge or own or ELONGATION * shorter,
        fast=settings.fast,
        mean=mean,
        std=std,
        extra_classes=extra_classes,
    )


def mask_precision(settings: ModelSettings, device: torch.device) -> torch.dtype:
    """Return the numbers in which a network that predicts masks runs.

    Unless it is to be fast, `auto` means float32: the published numbers are made in it.
    """
    exact = settings.precision == "auto" and not settings.fast
    return torch.float32 if exact else chosen_precision(settings.precision, device)


def rgb_pictures(batch: FrameBatch, device: torch.device) -> Tensor:
    """Return a batch as (N, 3, height, width) uint8, RGB, 0..255, at its own size."""
    pictures = [torch.from_numpy(to_rgb(frame)).permute(2, 0, 1) for frame in batch]
    return torch.stack(pictures).to(device)
