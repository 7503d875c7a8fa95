"""From backbone features to features per pixel, with every scale aware of the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

from mmras_stream.models.deformable_attention import DeformableAttention, reference_points
from mmras_stream.models.map_sampling import MapSampler, Size
from mmras_stream.models.positions import sine_positions
from mmras_stream.models.resnet import CHANNELS, NormedConv2d, Pyramid

LEVELS = 3
"""Maps the encoder mixes: those made from res5, res4 and res3, in this order."""

TOKENS_AT_ONCE = 4096
"""Tokens that a layer works on together on a CPU, so that what it makes of them fits the cache."""

GROUPS = 32
"""Of each group normalisation."""


class PixelFeatures(NamedTuple):
    """What the masked decoder reads; everything is C channels wide."""

    maps: tuple[Tensor, ...]
    """(N, C, h, w) at 1/32, 1/16 and 1/8 of the input."""
    mask_features: Tensor
    """(N, C, H / 4, W / 4); a mask is their product with a query's embedding."""


class EncoderLayer(nn.Module):
    """Deformable self-attention over all maps and a feed-forward network, each normalised after."""

    def __init__(self, width: int, *, heads: int, points: int, feedforward: int) -> None:
        super().__init__()
        self.self_attn = DeformableAttention(width, levels=LEVELS, heads=heads, points=points)
        self.norm1 = nn.LayerNorm(width)
        self.linear1 = nn.Linear(width, feedforward)
        self.linear2 = nn.Linear(feedforward, width)
        self.norm2 = nn.LayerNorm(width)

    def forward(
        self, tokens: Tensor, positions: Tensor, reference: Tensor, sizes: Sequence[Size]
    ) -> Tensor:
        """Tokens (N, T, C), positions (T, C), reference (T, levels, 2) -> (N, T, C)."""
        maps = self.self_attn.sampler(tokens, sizes)
        count = TOKENS_AT_ONCE if tokens.device.type == "cpu" else tokens.shape[1]
        parts = zip(
            torch.split(tokens, count, dim=1),
            torch.split(positions, count),
            torch.split(reference, count),
            strict=True,
        )
        return torch.cat([self._encode(*part, maps, sizes) for part in parts], 1)

    def _encode(
        self,
        tokens: Tensor,
        positions: Tensor,
        reference: Tensor,
        maps: MapSampler,
        sizes: Sequence[Size],
    ) -> Tensor:
        attended = self.self_attn.gather(tokens + positions, reference, maps, sizes)
        tokens = self.norm1(tokens + attended)
        output: Tensor = self.norm2(tokens + self.linear2(F.relu(self.linear1(tokens))))
        return output


class Encoder(nn.Module):
    """A stack of `EncoderLayer`s."""

    def __init__(
        self, width: int, *, layers: int, heads: int, points: int, feedforward: int
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            EncoderLayer(width, heads=heads, points=points, feedforward=feedforward)
            for _ in range(layers)
        )

    def forward(self, tokens: Tensor, positions: Tensor, sizes: Sequence[Size]) -> Tensor:
        """Tokens (N, T, C), positions (T, C) -> (N, T, C)."""
        reference = reference_points(sizes, device=tokens.device)
        for layer in self.layers:
            tokens = layer(tokens, positions, reference, sizes)
        return tokens


class MapTransformer(nn.Module):
    """Lay maps out as tokens, tell each token where and at which scale it is, and encode them."""

    def __init__(
        self, width: int, *, layers: int, heads: int, points: int, feedforward: int
    ) -> None:
        super().__init__()
        self.level_embed = nn.Parameter(torch.randn(LEVELS, width))
        self.encoder = Encoder(
            width, layers=layers, heads=heads, points=points, feedforward=feedforward
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """`LEVELS` maps (N, C, h, w) -> as many of the same shapes."""
        sizes = [(int(x.shape[-2]), int(x.shape[-1])) for x in maps]
        places = [
            sine_positions(*size, channels=maps[0].shape[1], device=maps[0].device)
            for size in sizes
        ]
        positions = torch.cat(
            [
                place.to(level.dtype) + level
                for place, level in zip(places, self.level_embed, strict=True)
            ]
        )
        tokens = torch.cat([x.flatten(2).transpose(1, 2) for x in maps], 1)
        encoded = self.encoder(tokens, positions, sizes)
        parts = encoded.split([height * width for height, width in sizes], dim=1)
        return [
            part.transpose(1, 2).unflatten(2, size) for part, size in zip(parts, sizes, strict=True)
        ]


class PixelDecoder(nn.Module):
    """Deformable encoder over 1/32..1/8 and one pyramid step to 1/4 (Mask2Former's).

    Cheng et al. 2022, arXiv 2112.01527.
    """

    def __init__(
        self, width: int, *, layers: int, heads: int, points: int, feedforward: int
    ) -> None:
        super().__init__()
        finest, *coarser = CHANNELS
        self.input_proj = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, width, 1), nn.GroupNorm(GROUPS, width))
            for channels in reversed(coarser)
        )
        self.transformer = MapTransformer(
            width, layers=layers, heads=heads, points=points, feedforward=feedforward
        )
        self.adapter_1 = NormedConv2d(finest, width, 1, norm=nn.GroupNorm(GROUPS, width))
        self.layer_1 = NormedConv2d(width, width, 3, norm=nn.GroupNorm(GROUPS, width))
        self.mask_features = nn.Conv2d(width, width, 1)

    def forward(self, features: Pyramid) -> PixelFeatures:
        """Mix the scales of a backbone's features."""
        coarse_first = (features.res5, features.res4, features.res3)
        maps = self.transformer(
            [project(x) for project, x in zip(self.input_proj, coarse_first, strict=True)]
        )
        fine = self.adapter_1(features.res2)
        enlarged = F.interpolate(maps[-1], fine.shape[-2:], mode="bilinear", align_corners=False)
        fine = F.relu(self.layer_1(fine + enlarged))
        return PixelFeatures(tuple(maps), self.mask_features(fine))
