"""The published network: MMRAS+, which is Mask2Anomaly's with another score."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mmras_stream.models.masked_decoder import MaskedDecoder, MaskPrediction
from mmras_stream.models.pixel_decoder import PixelDecoder, PixelFeatures
from mmras_stream.models.resnet import Depth, Pyramid, ResNet

CITYSCAPES = (
    "road",
    "sidewalk",
    "building",
    "wall",
    "fence",
    "pole",
    "traffic light",
    "traffic sign",
    "vegetation",
    "terrain",
    "sky",
    "person",
    "rider",
    "car",
    "truck",
    "bus",
    "train",
    "motorcycle",
    "bicycle",
)

NOTHING_WEIGHT = 0.1
"""In the classification loss, beside 1 for every class."""


@dataclass(frozen=True, slots=True)
class MmrasConfig:
    """The shape of an `MmrasNetwork`; the defaults are the released one."""

    classes: tuple[str, ...] = CITYSCAPES
    depth: Depth = 50
    """Of the residual backbone."""
    width: int = 256
    heads: int = 8
    queries: int = 100
    encoder_layers: int = 6
    encoder_feedforward: int = 1024
    points: int = 4
    """Places that one head looks at in one map."""
    decoder_layers: int = 9
    decoder_feedforward: int = 2048
    global_mask_attention: bool = True
    """False: the masked attention of Mask2Former, which sees the foreground only."""

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> MmrasConfig:  # Any: JSON values
        """Read what `to_dict` wrote."""
        return cls(**{**values, "classes": tuple(values["classes"])})


class SegmentationHead(nn.Module):
    """The pixel decoder and the masked decoder, under the names of published checkpoints."""

    def __init__(self, config: MmrasConfig) -> None:
        super().__init__()
        self.pixel_decoder = PixelDecoder(
            config.width,
            layers=config.encoder_layers,
            heads=config.heads,
            points=config.points,
            feedforward=config.encoder_feedforward,
        )
        self.predictor = MaskedDecoder(
            config.width,
            classes=len(config.classes),
            queries=config.queries,
            layers=config.decoder_layers,
            heads=config.heads,
            feedforward=config.decoder_feedforward,
            global_mask_attention=config.global_mask_attention,
        )

    def forward(self, features: Pyramid) -> MaskPrediction:
        """Predict masks from the features of a backbone."""
        pixel_features: PixelFeatures = self.pixel_decoder(features)
        prediction: MaskPrediction = self.predictor(pixel_features)
        return prediction


class Criterion(nn.Module):
    """The state of the training loss that checkpoints keep."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        weights = torch.ones(classes + 1)
        weights[-1] = NOTHING_WEIGHT
        self.register_buffer("empty_weight", weights)


class MmrasOutput(NamedTuple):
    """What an `MmrasNetwork` sees."""

    masks: MaskPrediction
    features: Tensor
    """(N, C, H / 16, W / 16): res4 of a ResNet, 1024 wide."""


class MmrasNetwork(nn.Module):
    """ResNet, multi-scale deformable pixel decoder, masked decoder with global mask attention.

    Gao et al. 2025, arXiv 2503.17712; Rai et al. 2023, arXiv 2307.13316. Its state has the names
    and shapes of the published checkpoints, entry for entry.
    """

    def __init__(self, config: MmrasConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = ResNet(config.depth)
        self.sem_seg_head = SegmentationHead(config)
        self.criterion = Criterion(len(config.classes))

    def forward(self, pixels: Tensor) -> MmrasOutput:
        """Segment normalised pictures: (N, 3, H, W) float, H and W multiples of 32."""
        features: Pyramid = self.backbone(pixels)
        return MmrasOutput(self.sem_seg_head(features), features.res4)


def semantic_scores(class_logits: Tensor, mask_logits: Tensor) -> Tensor:
    """Sum what all masks say of each place: sum_q softmax(class)[q, k] * sigmoid(mask)[q].

    Cheng et al. 2021, arXiv 2107.06278. The "nothing" class is left out.

    Args:
        class_logits: (N, Q, K + 1).
        mask_logits: (N, Q, h, w).

    Returns:
        (N, K, h, w), from 0; several masks on one place may add up to more than 1.
    """
    probabilities = class_logits.softmax(-1)[..., :-1]
    return torch.einsum("nqk,nqhw->nkhw", probabilities, mask_logits.sigmoid())
