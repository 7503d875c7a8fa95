"""Multi-scale deformable attention out of standard operators."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmras_stream.models.map_sampling import MapSampler, Size, map_sampler


class DeformableAttention(nn.Module):
    """Each query looks at a few learnt places of every map (Zhu et al. 2021, arXiv 2010.04159).

    Places outside a map read as zero. No custom operator, no control flow that depends on data:
    what PyTorch can trace it can compile and export.
    """

    def __init__(self, width: int, *, levels: int, heads: int, points: int) -> None:
        super().__init__()
        self.levels, self.heads, self.points = levels, heads, points
        self.sampling_offsets = nn.Linear(width, heads * levels * points * 2)
        self.attention_weights = nn.Linear(width, heads * levels * points)
        self.value_proj = nn.Linear(width, width)
        self.output_proj = nn.Linear(width, width)
        self._reset_parameters()

    def forward(
        self, queries: Tensor, reference: Tensor, values: Tensor, sizes: Sequence[Size]
    ) -> Tensor:
        """Gather from the maps what each query asks for.

        Args:
            queries: (N, Q, C).
            reference: (Q, levels, 2), x and y in 0..1: where each query stands. In float32 or
                better, whatever the queries are: half precision cannot tell neighbours apart.
            values: (N, tokens, C), the maps row by row, one after the other.
            sizes: (height, width) of each map.

        Returns:
            (N, Q, C).
        """
        return self.gather(queries, reference, self.sampler(values, sizes), sizes)

    def sampler(self, values: Tensor, sizes: Sequence[Size]) -> MapSampler:
        """Make the maps ready to `gather` from, for any number of queries; see `forward`."""
        return map_sampler(self.value_proj(values).unflatten(2, (self.heads, -1)), sizes)

    def gather(
        self, queries: Tensor, reference: Tensor, maps: MapSampler, sizes: Sequence[Size]
    ) -> Tensor:
        """Do as `forward`, with maps from `sampler`."""
        by_place = (self.heads, self.levels, self.points)
        offsets = self.sampling_offsets(queries).unflatten(2, (*by_place, 2))
        shares = self.attention_weights(queries).unflatten(2, (self.heads, -1)).softmax(-1)
        precise = reference.to(torch.promote_types(reference.dtype, queries.dtype))
        cells = precise * _as_xy(sizes, precise) - 0.5
        x, y = (offsets + cells[:, None, :, None]).unbind(-1)
        output: Tensor = self.output_proj(
            maps(x, y, shares.unflatten(3, by_place[1:])).to(queries.dtype)
        )
        return output

    def _reset_parameters(self) -> None:
        # each head starts out looking in a direction of its own, each point one step further
        angles = torch.arange(self.heads) * (2 * math.pi / self.heads)
        directions = torch.stack([angles.cos(), angles.sin()], -1)
        directions = directions / directions.abs().amax(-1, keepdim=True)
        steps = torch.arange(1, self.points + 1)[None, None, :, None]
        offsets = directions[:, None, None] * steps.expand(-1, self.levels, -1, -1)
        nn.init.zeros_(self.sampling_offsets.weight)
        self.sampling_offsets.bias.data.copy_(offsets.flatten())
        nn.init.zeros_(self.attention_weights.weight)
        nn.init.zeros_(self.attention_weights.bias)
        for layer in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)


def reference_points(sizes: Sequence[Size], *, device: torch.device) -> Tensor:
    """Return where the tokens of all maps stand in every map: (tokens, levels, 2) float32.

    Coordinates are x and y of the cells' centres, 0..1 from edge to edge.
    """
    points = [
        torch.cartesian_prod(_centres(height, device), _centres(width, device)).flip(-1)
        for height, width in sizes
    ]
    return torch.cat(points)[:, None].expand(-1, len(sizes), -1)


def _centres(count: int, device: torch.device) -> Tensor:
    return torch.linspace(0.5, count - 0.5, count, dtype=torch.float32, device=device) / count


def _as_xy(sizes: Sequence[Size], like: Tensor) -> Tensor:
    # filled where it lies: a copy from the host would keep the network out of a CUDA graph
    sides = [
        torch.full((), side, dtype=like.dtype, device=like.device)
        for height, width in sizes
        for side in (width, height)
    ]
    return torch.stack(sides).view(-1, 2)
