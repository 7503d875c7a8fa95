"""The network's own modules, wired up wrongly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from mmras_stream.models.deformable_attention import DeformableAttention
from mmras_stream.models.map_sampling import MapSampler, Size
from mmras_stream.models.mmras import MmrasNetwork
from mmras_stream.models.resnet import Bottleneck

Gather = Callable[[DeformableAttention, Tensor, Tensor, MapSampler, Sequence[Size]], Tensor]
"""`DeformableAttention.gather`."""


def with_corners_aligned(gather: Gather) -> Gather:
    """Take 0 and 1 for the centres of the outermost cells, as `align_corners` does."""

    def changed(
        attention: DeformableAttention,
        queries: Tensor,
        reference: Tensor,
        maps: MapSampler,
        sizes: Sequence[Size],
    ) -> Tensor:
        sides = _as_xy(sizes)
        scale = (sides - 1) / sides
        with _steps_scaled(attention, scale):
            return gather(attention, queries, reference * scale + 0.5 / sides, maps, sizes)

    return changed


def with_steps_of_the_first_map(gather: Gather) -> Gather:
    """Forget that a cell is a smaller part of a larger map."""

    def changed(
        attention: DeformableAttention,
        queries: Tensor,
        reference: Tensor,
        maps: MapSampler,
        sizes: Sequence[Size],
    ) -> Tensor:
        sides = _as_xy(sizes)
        with _steps_scaled(attention, sides / sides[0]):
            return gather(attention, queries, reference, maps, sizes)

    return changed


class SharesWithinMaps(nn.Module):
    """Logits whose softmax over all maps is that over each map, but for a constant factor."""

    def __init__(self, logits: nn.Module, *, maps: int, points: int) -> None:
        super().__init__()
        self.logits, self.by_map = logits, (maps, points)

    @classmethod
    def put_into(cls, attention: DeformableAttention) -> None:
        """Let the shares of an attention sum to 1 in each map, and to more than 1 in all."""
        attention.attention_weights = cls(  # type: ignore[assignment]  # stands in for a linear layer
            attention.attention_weights, maps=attention.levels, points=attention.points
        )
        attention.output_proj.weight.data *= attention.levels

    def forward(self, queries: Tensor) -> Tensor:
        """(..., C) -> (..., heads * maps * points)."""
        logits: Tensor = self.logits(queries)
        shares = logits.view(*logits.shape[:-1], -1, *self.by_map).log_softmax(-1)
        return shares.flatten(-3)


def swap_attention(network: MmrasNetwork) -> None:
    """Look at the foreground with the weights for the background, and the other way round."""
    for layer in network.sem_seg_head.predictor.transformer_cross_attention_layers:
        inside, outside = layer.multihead_attn_foreground, layer.multihead_attn_background
        layer.multihead_attn_foreground, layer.multihead_attn_background = outside, inside


def swap_queries(network: MmrasNetwork) -> None:
    """Take positions for contents."""
    predictor = network.sem_seg_head.predictor
    predictor.query_feat, predictor.query_embed = predictor.query_embed, predictor.query_feat


def swap_strides(network: MmrasNetwork) -> None:
    """Stride in the first convolution of a bottleneck, as in Caffe's ResNet."""
    for block in network.backbone.modules():
        if isinstance(block, Bottleneck):
            block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride


def swap_xy(network: MmrasNetwork) -> None:
    """Go as far down as was meant to the right."""
    for attention in network.modules():
        if isinstance(attention, DeformableAttention):
            for tensor in (attention.sampling_offsets.weight, attention.sampling_offsets.bias):
                pairs = tensor.data.view(-1, 2, *tensor.shape[1:])
                tensor.data = pairs.flip(1).flatten(0, 1)


def _as_xy(sizes: Sequence[Size]) -> Tensor:
    return torch.tensor([[width, height] for height, width in sizes], dtype=torch.float32)


@contextmanager
def _steps_scaled(attention: DeformableAttention, scale: Tensor) -> Iterator[None]:
    """Make the steps in each map longer, by `scale` (maps, 2) in x and in y."""
    factors = scale[None, :, None].expand(attention.heads, -1, attention.points, -1).flatten()

    def lengthen(_module: nn.Module, _inputs: tuple[Tensor, ...], offsets: Tensor) -> Tensor:
        return offsets * factors.to(offsets)

    hook = attention.sampling_offsets.register_forward_hook(lengthen)
    try:
        yield
    finally:
        hook.remove()
