from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mmras_stream.models.map_sampling import GridSampler, TableSampler, map_sampler

SIZES = [(2, 3), (4, 5)]
HEADS, DEPTH, POINTS = 2, 3, 2
SAMPLERS = pytest.mark.parametrize("kind", [GridSampler, TableSampler])


def _values(batch: int = 2) -> Tensor:
    cells = sum(height * width for height, width in SIZES)
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, cells, HEADS, DEPTH, generator=generator, dtype=torch.float64)


def _cell(values: Tensor, level: int, row: int, column: int) -> Tensor:
    """Return what lies in a cell, (heads, d); zeros outside the map."""
    height, width = SIZES[level]
    if not (0 <= row < height and 0 <= column < width):
        return torch.zeros(HEADS, DEPTH, dtype=values.dtype)
    first = sum(h * w for h, w in SIZES[:level])
    return values[first + row * width + column]


def _slowly(values: Tensor, x: Tensor, y: Tensor, shares: Tensor) -> Tensor:
    """Read one query of one picture, place by place: (heads, d)."""
    total = torch.zeros(HEADS, DEPTH, dtype=values.dtype)
    for head, level, point in torch.cartesian_prod(
        torch.arange(HEADS), torch.arange(len(SIZES)), torch.arange(POINTS)
    ).tolist():
        place = head, level, point
        left, top = math.floor(x[place]), math.floor(y[place])
        for row, column in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
            near = (1 - abs(x[place] - column)) * (1 - abs(y[place] - row))
            total[head] += shares[place] * near * _cell(values, level, row, column)[head]
    return total


@SAMPLERS
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), reach=st.sampled_from([0.5, 3.0, 40.0]))
def test_maps_are_read_bilinearly_and_are_zero_outside(
    kind: type[GridSampler] | type[TableSampler], seed: int, reach: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    shape = (2, 3, HEADS, len(SIZES), POINTS)
    x, y = ((torch.rand(shape, generator=generator).double() * 2 - 0.7) * reach for _ in range(2))
    shares, values = torch.rand(shape, generator=generator).double(), _values()
    seen = kind(values, SIZES)(x, y, shares).view(2, 3, HEADS, DEPTH)
    for picture, query in ((0, 0), (1, 2)):
        at = picture, query
        wanted = _slowly(values[picture], x[at], y[at], shares[at])
        torch.testing.assert_close(seen[at], wanted)


@SAMPLERS
@pytest.mark.parametrize("place", [-1.0, 0.0, 2.0, 3.0, 4.0, 5.0, -1e9, 1e9])
def test_the_borders_themselves_are_read_right(
    kind: type[GridSampler] | type[TableSampler], place: float
) -> None:
    values = _values(batch=1)
    x = torch.full((1, 1, HEADS, len(SIZES), POINTS), place, dtype=torch.float64)
    seen = kind(values, SIZES)(x, x, torch.ones_like(x)).view(HEADS, DEPTH)
    torch.testing.assert_close(seen, _slowly(values[0], x[0, 0], x[0, 0], torch.ones_like(x[0, 0])))


def test_gradients_reach_values_places_and_shares() -> None:
    values = _values(batch=1).requires_grad_()
    x = torch.full((1, 1, HEADS, len(SIZES), POINTS), 0.3, dtype=torch.float64).requires_grad_()
    y, shares = x.detach().clone().requires_grad_(), x.detach().clone().requires_grad_()

    def read(*inputs: Tensor) -> Tensor:
        return TableSampler(inputs[0], SIZES)(*inputs[1:])

    assert torch.autograd.gradcheck(read, (values, x, y, shares))


def test_a_cpu_reads_tables() -> None:
    assert isinstance(map_sampler(_values(), SIZES), TableSampler)
