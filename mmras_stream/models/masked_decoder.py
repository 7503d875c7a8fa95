"""From features per pixel to a hundred masks, each with a class."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

from mmras_stream.models.pixel_decoder import LEVELS, PixelFeatures
from mmras_stream.models.positions import sine_positions


class MaskPrediction(NamedTuple):
    """Masks and what each of them shows."""

    class_logits: Tensor
    """(N, Q, K + 1); the last class is "nothing"."""
    mask_logits: Tensor
    """(N, Q, H / 4, W / 4)."""


class Memory(NamedTuple):
    """One map as the queries see it."""

    values: Tensor
    """(N, cells, C)."""
    keys: Tensor
    """(N, cells, C): the values with their positions."""
    mask_features: Tensor
    """(N, C, cells): the mask features at the size of this map."""


class Attention(nn.Module):
    """Multi-head attention under the parameter names of `torch.nn.MultiheadAttention`.

    One mask serves all heads, where PyTorch's module wants a copy for each.
    """

    def __init__(self, width: int, *, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.xavier_uniform_(self.out_proj.weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(
        self, queries: Tensor, keys: Tensor, values: Tensor, blocked: Tensor | None = None
    ) -> Tensor:
        """Queries (N, Q, C), keys and values (N, S, C), blocked (N, Q, S) bool -> (N, Q, C)."""
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        q, k, v = (
            F.linear(x, weight, bias).view(*x.shape[:2], self.heads, -1).transpose(1, 2)
            for x, weight, bias in zip((queries, keys, values), weights, biases, strict=True)
        )
        mask = None if blocked is None else ~blocked[:, None]
        heads = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        output: Tensor = self.out_proj(heads.transpose(1, 2).flatten(2))
        return output


class MaskedCrossAttention(nn.Module):
    """A query looks only where its own mask is (Cheng et al. 2022, arXiv 2112.01527)."""

    def __init__(self, width: int, *, heads: int) -> None:
        super().__init__()
        self.multihead_attn = Attention(width, heads=heads)
        self.norm = nn.LayerNorm(width)

    def forward(
        self, queries: Tensor, query_positions: Tensor, memory: Memory, mask_logits: Tensor
    ) -> Tensor:
        """Queries (N, Q, C), query_positions (Q, C), mask_logits (N, Q, cells) -> (N, Q, C)."""
        asking = queries + query_positions
        inside = self.multihead_attn(asking, memory.keys, memory.values, _open(mask_logits < 0))
        output: Tensor = self.norm(queries + inside)
        return output


class GlobalCrossAttention(nn.Module):
    """A query looks inside its mask and, separately, outside it: global mask attention.

    Rai et al. 2023, arXiv 2307.13316. Foreground is blocked where sigmoid(m) < 0.5, background
    where sigmoid(m) > 0.5.
    """

    def __init__(self, width: int, *, heads: int, queries: int) -> None:
        super().__init__()
        self.multihead_attn_foreground = Attention(width, heads=heads)
        self.multihead_attn_background = Attention(width, heads=heads)
        self.norm = nn.LayerNorm(width)
        # never used, but published checkpoints hold it
        self.fusion_layer = nn.Conv2d(2 * queries, queries, 1)

    def forward(
        self, queries: Tensor, query_positions: Tensor, memory: Memory, mask_logits: Tensor
    ) -> Tensor:
        """Queries (N, Q, C), query_positions (Q, C), mask_logits (N, Q, cells) -> (N, Q, C)."""
        asking = queries + query_positions
        inside = self.multihead_attn_foreground(
            asking, memory.keys, memory.values, _open(mask_logits < 0)
        )
        outside = self.multihead_attn_background(
            asking, memory.keys, memory.values, _open(mask_logits > 0)
        )
        output: Tensor = self.norm(queries + (inside + outside))
        return output


class SelfAttention(nn.Module):
    """Queries see one another."""

    def __init__(self, width: int, *, heads: int) -> None:
        super().__init__()
        self.self_attn = Attention(width, heads=heads)
        self.norm = nn.LayerNorm(width)

    def forward(self, queries: Tensor, query_positions: Tensor) -> Tensor:
        """Queries (N, Q, C), query_positions (Q, C) -> (N, Q, C)."""
        asking = queries + query_positions
        output: Tensor = self.norm(queries + self.self_attn(asking, asking, queries))
        return output


class FeedForward(nn.Module):
    """Each query by itself."""

    def __init__(self, width: int, *, inner: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(width, inner)
        self.linear2 = nn.Linear(inner, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, queries: Tensor) -> Tensor:
        """(N, Q, C) -> (N, Q, C)."""
        output: Tensor = self.norm(queries + self.linear2(F.relu(self.linear1(queries))))
        return output


class Perceptron(nn.Module):
    """Three linear layers with ReLU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., C)."""
        first, second, third = self.layers
        output: Tensor = third(F.relu(second(F.relu(first(x)))))
        return output


class MaskedDecoder(nn.Module):
    """Queries that look at the maps in turn, coarse to fine, through the masks they have so far."""

    def __init__(
        self,
        width: int,
        *,
        classes: int,
        queries: int,
        layers: int,
        heads: int,
        feedforward: int,
        global_mask_attention: bool,
    ) -> None:
        super().__init__()
        self.transformer_cross_attention_layers = nn.ModuleList(
            GlobalCrossAttention(width, heads=heads, queries=queries)
            if global_mask_attention
            else MaskedCrossAttention(width, heads=heads)
            for _ in range(layers)
        )
        self.transformer_self_attention_layers = nn.ModuleList(
            SelfAttention(width, heads=heads) for _ in range(layers)
        )
        self.transformer_ffn_layers = nn.ModuleList(
            FeedForward(width, inner=feedforward) for _ in range(layers)
        )
        self.decoder_norm = nn.LayerNorm(width)
        self.query_feat = nn.Embedding(queries, width)
        self.query_embed = nn.Embedding(queries, width)
        self.level_embed = nn.Embedding(LEVELS, width)
        self.class_embed = nn.Linear(width, classes + 1)
        self.mask_embed = Perceptron(width)

    def forward(self, features: PixelFeatures) -> MaskPrediction:
        """Return what the queries say after the last layer."""
        return self.predict(self.query_states(features)[-1], features.mask_features)

    def query_states(self, features: PixelFeatures) -> list[Tensor]:
        """Return the queries before the first layer and after each: layers + 1 times (N, Q, C)."""
        memories = [
            self._memory(picture, features.mask_features, level)
            for picture, level in zip(features.maps, self.level_embed.weight, strict=True)
        ]
        positions = self.query_embed.weight
        queries = self.query_feat.weight.expand(memories[0].values.shape[0], -1, -1)
        states = [queries]
        layers = zip(
            self.transformer_cross_attention_layers,
            self.transformer_self_attention_layers,
            self.transformer_ffn_layers,
            strict=True,
        )
        for number, (look, exchange, think) in enumerate(layers):
            memory = memories[number % LEVELS]
            # a mask shrunk to the size of a map is the product with mask features so shrunk:
            # the same numbers without ever making the large masks
            mask_logits = (self._mask_embedding(queries) @ memory.mask_features).detach()
            queries = think(exchange(look(queries, positions, memory, mask_logits), positions))
            states.append(queries)
        return states

    def predict(self, queries: Tensor, mask_features: Tensor) -> MaskPrediction:
        """Read the queries of any layer; training supervises them all.

        Args:
            queries: (N, Q, C), one of `query_states`.
            mask_features: (N, C, h, w).
        """
        # pixels first, as a view: what lies channels last in memory is not copied
        pixels = mask_features.permute(0, 2, 3, 1).flatten(1, 2)
        masks = self._mask_embedding(queries) @ pixels.transpose(1, 2)
        return MaskPrediction(
            class_logits=self.class_embed(self.decoder_norm(queries)),
            mask_logits=torch.unflatten(masks, 2, mask_features.shape[-2:]),
        )

    def _mask_embedding(self, queries: Tensor) -> Tensor:
        embedding: Tensor = self.mask_embed(self.decoder_norm(queries))
        return embedding

    def _memory(self, picture: Tensor, mask_features: Tensor, level: Tensor) -> Memory:
        _, channels, height, width = picture.shape
        values = picture.flatten(2).transpose(1, 2) + level
        places = sine_positions(height, width, channels=channels, device=picture.device)
        shrunk = F.interpolate(mask_features, (height, width), mode="bilinear", align_corners=False)
        return Memory(values, values + places.to(values.dtype), shrunk.flatten(2))


def _open(blocked: Tensor) -> Tensor:
    """Let queries that would see nothing see everything."""
    return blocked & ~blocked.all(-1, keepdim=True)
