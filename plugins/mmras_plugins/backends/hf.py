"""Run any Mask2Former of the Hugging Face hub, or of a folder, with transformers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mmras_plugins.backends import hf_weights
from mmras_stream.errors import SettingsError
from mmras_stream.inference.device import chosen_device
from mmras_stream.inference.mmras_backend import mask_geometry, mask_precision, rgb_pictures
from mmras_stream.inference.published import EXTRA_CLASSES, network_pixels, segmentation
from mmras_stream.models.masked_decoder import MaskPrediction
from mmras_stream.models.mmras import CITYSCAPES
from mmras_stream.settings import ModelSettings
from mmras_stream.types import FrameBatch, NetworkTraits, SegmentationOutput

NO_OBSTACLES = frozenset(CITYSCAPES[number] for number in EXTRA_CLASSES)
"""Names of classes that cannot stand on a road."""

STRIDE_16 = 2
"""Which of a backbone's maps is given as features: that of res4."""


class Sight(NamedTuple):
    """What the network sees."""

    masks: MaskPrediction
    features: Tensor
    """(N, C, H / 16, W / 16), of the backbone."""


class HfBackend:
    """Mask2Former with a Swin or ResNet backbone, from safetensors alone.

    Pictures are resized, normalised and padded as for the published network, to the size and with
    the mean and the scale that the model itself names; a size given in the settings wins.

    Raises:
        PluginError: transformers is not installed.
        CheckpointError: the model is not found, is another one, or is damaged.
        SettingsError: no model is named.
    """

    threshold: float | None = None

    def __init__(self, settings: ModelSettings) -> None:
        name = settings.weights
        if name == ModelSettings().weights:
            raise SettingsError(
                "the backend 'hf' has no weights built in; name a repository or a folder, "
                f"as in --model hf:{hf_weights.EXAMPLE}"
            )
        hf_weights.transformers()
        folder = hf_weights.find(name)
        hf_weights.check(folder, name)
        preprocessing = hf_weights.Preprocessing.read(folder)
        network = hf_weights.load(folder, name)
        self._settings = _sized(settings, preprocessing)
        self._mean, self._std = preprocessing.mean, preprocessing.std
        self._sha256 = hf_weights.digest(folder)
        self._classes = tuple(
            str(network.config.id2label[i]) for i in range(network.config.num_labels)
        )
        self._device = chosen_device(settings.device)
        self._precision = mask_precision(settings, self._device)
        self._network = network.to(self._device, self._precision).requires_grad_(
            requires_grad=False
        )

    @property
    def weights_sha256(self) -> str:
        """Identity of the weights."""
        return self._sha256

    @property
    def traits(self) -> NetworkTraits:
        """Classes by the names that the model gives them, and masks."""
        return NetworkTraits(self._classes, predicts_masks=True)

    @torch.inference_mode()
    def predict(self, batch: FrameBatch) -> SegmentationOutput:
        """Segment a batch; the result stays on the device, in float32."""
        sizes = mask_geometry(batch, self._settings)
        pictures = rgb_pictures(batch, self._device)
        pixels = network_pixels(pictures, sizes, mean=self._mean, std=self._std)
        # on a CPU a batch gains no speed, and takes memory for each of its pictures
        at_once = 1 if self._device.type == "cpu" else len(batch)
        parts = [
            look(self._network, part) for part in torch.split(pixels.to(self._precision), at_once)
        ]
        masks = MaskPrediction(
            torch.cat([part.masks.class_logits for part in parts]).float(),
            torch.cat([part.masks.mask_logits for part in parts]).float(),
        )
        features = torch.cat([part.features for part in parts]).float()
        extra = [i for i, name in enumerate(self._classes) if name.lower() in NO_OBSTACLES]
        return segmentation(masks, features, sizes, fast=self._settings.fast, extra_classes=extra)


def _sized(settings: ModelSettings, preprocessing: hf_weights.Preprocessing) -> ModelSettings:
    """Return settings with the size the model names, unless another was asked for."""
    usual = ModelSettings()
    asked = (settings.short_edge, settings.long_edge) != (usual.short_edge, usual.long_edge)
    if asked or preprocessing.edges is None:
        return settings
    short_edge, long_edge = preprocessing.edges
    return replace(settings, short_edge=short_edge, long_edge=long_edge)


def look(network: Any, pixels: Tensor) -> Sight:  # noqa: ANN401 - transformers' types are partial
    """Run a `Mask2FormerForUniversalSegmentation` step by step.

    As its own `forward` does, which would return a map of the backbone only along with the states
    of all layers.

    Args:
        network: In evaluation mode.
        pixels: (N, 3, H, W), H and W multiples of 32.
    """
    body = network.model
    maps = body.pixel_level_module.encoder(pixels).feature_maps
    decoded = body.pixel_level_module.decoder(maps)
    seen = body.transformer_module(
        multi_scale_features=decoded.multi_scale_features,
        mask_features=decoded.mask_features,
        output_hidden_states=True,
        output_attentions=False,
    )
    queries = seen.intermediate_hidden_states[-1].transpose(0, 1)
    masks = MaskPrediction(network.class_predictor(queries), seen.masks_queries_logits[-1])
    return Sight(masks, maps[STRIDE_16])
