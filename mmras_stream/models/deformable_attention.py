"""Multi-scale deformable attention out of standard operators."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

Size = tuple[int, int]
"""(height, width) of a map."""


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
        batch, length, width = queries.shape
        by_head = (batch, length, self.heads, self.levels, self.points)
        offsets = self.sampling_offsets(queries).view(*by_head, 2)
        shares = self.attention_weights(queries).view(*by_head[:3], -1).softmax(-1).view(by_head)
        maps = self.value_proj(values).split([height * width for height, width in sizes], dim=1)
        gathered = [
            _gather(
                maps[level].unflatten(2, (self.heads, -1)),
                size,
                reference[:, None, None, level] + offsets[:, :, :, level] / _as_xy(size, reference),
                shares[:, :, :, level],
            )
            for level, size in enumerate(sizes)
        ]
        total = torch.stack(gathered).sum(0).view(batch, width, length)
        output: Tensor = self.output_proj(total.transpose(1, 2).to(queries.dtype))
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


def _as_xy(size: Size, like: Tensor) -> Tensor:
    # filled where it lies: a copy from the host would keep the network out of a CUDA graph
    sides = [torch.full((), side, dtype=like.dtype, device=like.device) for side in reversed(size)]
    return torch.stack(sides)


def _gather(values: Tensor, size: Size, places: Tensor, shares: Tensor) -> Tensor:
    """Values (N, h * w, heads, d), places (N, Q, heads, P, 2) -> (N * heads, d, Q)."""
    batch, _, heads, depth = values.shape
    picture = values.permute(0, 2, 3, 1).reshape(batch * heads, depth, *size)
    # points before queries: a sum over long rows is a fifth faster than one over fours
    grid = (2 * places - 1).permute(0, 2, 3, 1, 4).flatten(0, 1)
    sampled = F.grid_sample(picture.to(grid.dtype), grid, align_corners=False)
    return (sampled * shares.permute(0, 2, 3, 1).flatten(0, 1)[:, None]).sum(2)
