"""The embedded network: per-pixel classes, dense features and an outlier logit in real time."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

from mmras_stream.types import SegmentationOutput


@dataclass(frozen=True, slots=True)
class CompactConfig:
    """The shape of a `CompactNetwork`; stored beside its weights."""

    classes: tuple[str, ...]
    stem_width: int = 24
    widths: tuple[int, int, int] = (40, 80, 128)
    depths: tuple[int, int, int] = (2, 3, 6)
    dilations: tuple[int, ...] = (1, 2, 4, 8, 12, 4)
    fused_width: int = 64
    text_width: int = 0
    """Of the text space that features are projected into; 0 where there is no projection."""

    def to_dict(self) -> dict[str, Any]:  # Any: JSON values
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> CompactConfig:  # Any: JSON values
        """Read what `to_dict` wrote."""
        plain: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**plain)


class ConvNorm(nn.Sequential):
    """Convolution and batch normalisation, in one name so that both can be folded."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, *, stride: int = 1, dilation: int = 1
    ) -> None:
        padding = dilation * (kernel // 2)
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False),
            nn.BatchNorm2d(outputs),
        )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016, arXiv 1512.03385)."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.first = ConvNorm(inputs, outputs, stride=stride, dilation=dilation)
        self.second = ConvNorm(outputs, outputs, dilation=dilation)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else ConvNorm(inputs, outputs, 1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, outputs, h / stride, w / stride)."""
        y = self.second(F.relu(self.first(x), inplace=True))
        return F.relu(y + self.shortcut(x), inplace=True)


class PyramidContext(nn.Module):
    """Add what lies around each place: averages over the picture, its bands and its quarters.

    Pyramid pooling (Zhao et al. 2017, arXiv 1612.01105) over grids that suit a road: the whole,
    three bands (sky, horizon, road) and a 4x6 grid.
    """

    GRIDS = ((1, 1), (3, 1), (4, 6))

    def __init__(self, width: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in self.GRIDS)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> the same shape."""
        size = x.shape[-2:]
        total = x
        for grid, branch in zip(self.GRIDS, self.branches, strict=True):
            pooled = branch(F.adaptive_avg_pool2d(x, grid))
            total = total + F.interpolate(pooled, size=size, mode="bilinear", align_corners=False)
        return F.relu(total)


class TextHead(nn.Module):
    """Brings features into the space of a text encoder, in which words are directions.

    A 1x1 convolution that is learnt on the frozen network, as in LSeg (Li et al. 2022, arXiv
    2201.03546); without a bias, so that the mean of features becomes the mean of embeddings.
    """

    class_vectors: Tensor
    """(K, width) of length 1."""

    def __init__(self, inputs: int, width: int, classes: int) -> None:
        super().__init__()
        self.projection = nn.Conv2d(inputs, width, 1, bias=False)
        self.register_buffer("class_vectors", torch.zeros(classes, width))

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, width, h, w), of length 1 in each place."""
        return F.normalize(self.projection(features), dim=1)


class CompactNetwork(nn.Module):
    """Residual encoder to 1/16, pooled context, feature pyramid back to 1/4, two heads.

    The class head sees the fused features; the outlier head sees them through a 3x3 layer of
    its own, so that training it moves the class scores little. The text head is asked only where
    text is.
    """

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.config = config
        stem, (quarter, eighth, sixteenth) = config.stem_width, config.widths
        fused = config.fused_width
        self.stem = ConvNorm(3, stem, stride=2)
        self.stage4 = _stage(stem, quarter, config.depths[0], (1,))
        self.stage8 = _stage(quarter, eighth, config.depths[1], (1,))
        self.stage16 = _stage(eighth, sixteenth, config.depths[2], config.dilations)
        self.context = PyramidContext(sixteenth)
        self.lateral4 = ConvNorm(quarter, fused, 1)
        self.lateral8 = ConvNorm(eighth, fused, 1)
        self.lateral16 = ConvNorm(sixteenth, fused, 1)
        self.fuse8 = ConvNorm(fused, fused)
        self.fuse4 = ConvNorm(fused, fused)
        self.class_head = nn.Conv2d(fused, len(config.classes), 1)
        self.outlier_features = ConvNorm(fused, fused)
        self.outlier_head = nn.Conv2d(fused, 1, 1)
        nn.init.constant_(_bias(self.outlier_head), -3.0)  # outliers are rare: start by saying no
        self.text_head: TextHead | None = None
        if config.text_width:
            self.text_head = TextHead(fused, config.text_width, len(config.classes))

    @property
    def outlier_parts(self) -> tuple[nn.Module, nn.Module]:
        """What only the outlier logit passes through."""
        return self.outlier_features, self.outlier_head

    def forward(self, pixels: Tensor) -> SegmentationOutput:
        """Segment normalised pictures.

        Args:
            pixels: (N, 3, H, W) float, H and W multiples of 16.

        Returns:
            Class scores (N, K, H/4, W/4) as logits, features (N, C, H/4, W/4) and outlier
            logits (N, H/4, W/4).
        """
        x4 = self.stage4(F.relu(self.stem(pixels), inplace=True))
        x8 = self.stage8(x4)
        x16 = self.context(self.stage16(x8))
        y8 = F.relu(self.fuse8(self.lateral8(x8) + _enlarge(self.lateral16(x16), x8)))
        features = F.relu(self.fuse4(self.lateral4(x4) + _enlarge(y8, x4)))
        outlier = self.outlier_head(F.relu(self.outlier_features(features)))
        return SegmentationOutput(
            class_scores=self.class_head(features),
            features=features,
            outlier_logits=outlier[:, 0],
        )


def _stage(inputs: int, outputs: int, depth: int, dilations: tuple[int, ...]) -> nn.Sequential:
    blocks = [ResidualBlock(inputs, outputs, stride=2)]
    blocks += [
        ResidualBlock(outputs, outputs, dilation=dilations[i % len(dilations)])
        for i in range(1, depth)
    ]
    return nn.Sequential(*blocks)


def _enlarge(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


def _bias(layer: nn.Conv2d) -> Tensor:
    assert layer.bias is not None
    return layer.bias
