"""The network's own modules, wired up wrongly."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.func import functional_call

from mmras_stream.models.deformable_attention import DeformableAttention, Size
from mmras_stream.models.mmras import MmrasNetwork
from mmras_stream.models.resnet import Bottleneck


class Steps(nn.Module):
    """Deformable attention whose places and steps from them are of another size in each map."""

    def __init__(self, attention: DeformableAttention, *, corners_aligned: bool) -> None:
        super().__init__()
        self.attention, self.corners_aligned = attention, corners_aligned

    @classmethod
    def with_corners_aligned(cls, attention: DeformableAttention) -> Steps:
        """Take 0 and 1 for the centres of the outermost cells, as `align_corners` does."""
        return cls(attention, corners_aligned=True)

    @classmethod
    def of_the_first_map(cls, attention: DeformableAttention) -> Steps:
        """Forget that a cell is a smaller part of a larger map."""
        return cls(attention, corners_aligned=False)

    def forward(
        self, queries: Tensor, reference: Tensor, values: Tensor, sizes: Sequence[Size]
    ) -> Tensor:
        """Attend as the original does, to other places."""
        sides = reference.new_tensor([[width, height] for height, width in sizes])
        if self.corners_aligned:
            scale = (sides - 1) / sides
            reference = reference * scale + 0.5 / sides
        else:
            scale = sides / sides[0]
        linear = self.attention.sampling_offsets
        heads, points = self.attention.heads, self.attention.points
        factors = scale[None, :, None].expand(heads, -1, points, -1).flatten().to(linear.weight)
        changed = {
            "sampling_offsets.weight": linear.weight * factors[:, None],
            "sampling_offsets.bias": linear.bias * factors,
        }
        arguments = (queries, reference, values, sizes)
        output: Tensor = functional_call(self.attention, changed, arguments)
        return output


class SharesWithinMaps(nn.Module):
    """Logits whose softmax over all maps is that over each map, but for a constant factor."""

    def __init__(self, logits: nn.Module, *, maps: int, points: int) -> None:
        super().__init__()
        self.logits, self.by_map = logits, (maps, points)

    @classmethod
    def of(cls, attention: DeformableAttention) -> DeformableAttention:
        """Let the shares of an attention sum to 1 in each map, and to more than 1 in all."""
        attention.attention_weights = cls(  # type: ignore[assignment]  # stands in for a linear layer
            attention.attention_weights, maps=attention.levels, points=attention.points
        )
        attention.output_proj.weight.data *= attention.levels
        return attention

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
