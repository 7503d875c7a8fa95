"""Run any Mask2Former of the Hugging Face hub, or of a folder, with transformers."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor

from mmras_plugins.backends import hf_weights
from mmras_stream.errors import SettingsError
from mmras_stream.inference.masks import mask_predictor
from mmras_stream.inference.published import EXTRA_CLASSES
from mmras_stream.models.masked_decoder import MaskPrediction
from mmras_stream.models.mmras import CITYSCAPES, MmrasOutput
from mmras_stream.settings import ModelSettings
from mmras_stream.types import FrameBatch, NetworkTraits, SegmentationOutput

NO_OBSTACLES = frozenset(CITYSCAPES[number] for number in EXTRA_CLASSES)
"""Names of classes that cannot stand on a road."""

STRIDE_16 = 2
"""Which of a backbone's maps is given as features: that of res4."""


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
        self._sha256 = hf_weights.digest(folder)
        self._classes = tuple(
            str(network.config.id2label[i]) for i in range(network.config.num_labels)
        )
        self._feature_channels = network.model.pixel_level_module.encoder.channels[STRIDE_16]
        self._predictor = mask_predictor(
            settings,
            partial(look, network),
            mean=preprocessing.mean,
            std=preprocessing.std,
            extra_classes=[i for i, x in enumerate(self._classes) if x.lower() in NO_OBSTACLES],
            **_edges(preprocessing),
        )
        network.to(self._predictor.device, self._predictor.precision)
        network.requires_grad_(requires_grad=False)

    @property
    def weights_sha256(self) -> str:
        """Identity of the weights."""
        return self._sha256

    @property
    def traits(self) -> NetworkTraits:
        """Classes by the names that the model gives them, masks, and a map of the backbone."""
        return NetworkTraits(
            self._classes, predicts_masks=True, feature_channels=self._feature_channels
        )

    def predict(self, batch: FrameBatch) -> SegmentationOutput:
        """Segment a batch; the result stays on the device, in float32."""
        return self._predictor.predict(batch)


def _edges(preprocessing: hf_weights.Preprocessing) -> dict[str, int]:
    """Return the size the model names, if it names one that pictures of any shape can have."""
    if preprocessing.edges is None:
        return {}
    return dict(zip(("short_edge", "long_edge"), preprocessing.edges, strict=True))


def look(network: Any, pixels: Tensor) -> MmrasOutput:  # noqa: ANN401 - transformers' types are partial
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
    return MmrasOutput(masks, maps[STRIDE_16])
