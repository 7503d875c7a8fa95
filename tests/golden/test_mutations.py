from __future__ import annotations

import pytest
import torch

from golden.mutants import MUTANTS, SCORES, Mutant
from golden.mutations import caught
from golden.rewired import SharesWithinMaps, with_steps_of_the_first_map
from mmras_stream.models.deformable_attention import DeformableAttention, reference_points

QUICK = {mutant.name for mutant in SCORES} | {
    "attention sees everything",
    "rows blocked everywhere stay blocked",
    "tokens stand at the corners of their cells",
    "columns before rows in positions",
    "padded to multiples of 16",
    "weights of foreground and background attention swapped",
    "BGR",
}
"""Caught without the network, but for the last two."""


@pytest.mark.parametrize(
    "mutant",
    [
        pytest.param(m, id=m.name, marks=() if m.name in QUICK else pytest.mark.slow)
        for m in MUTANTS
    ],
)
def test_each_mistake_is_caught(mutant: Mutant) -> None:
    assert caught(mutant) is not None


@pytest.mark.slow
def test_nothing_is_caught_where_nothing_is_changed() -> None:
    assert caught(Mutant("nothing")) is None


def test_the_quick_mutants_exist() -> None:
    assert {mutant.name for mutant in MUTANTS} >= QUICK


def _attend(attention: DeformableAttention, sizes: list[tuple[int, int]]) -> torch.Tensor:
    count = sum(height * width for height, width in sizes)
    tokens = torch.randn(1, count, 16, generator=torch.Generator().manual_seed(0))
    output: torch.Tensor = attention(
        tokens, reference_points(sizes, device=tokens.device), tokens, sizes
    )
    return output


@torch.inference_mode()
def test_steps_of_the_first_map_are_right_in_maps_of_one_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    attention = DeformableAttention(16, levels=2, heads=2, points=2)
    same, other = [(3, 5), (3, 5)], [(3, 5), (6, 9)]
    wanted = {"same": _attend(attention, same), "other": _attend(attention, other)}
    changed = with_steps_of_the_first_map(DeformableAttention.gather)
    monkeypatch.setattr(DeformableAttention, "gather", changed)
    torch.testing.assert_close(_attend(attention, same), wanted["same"])
    assert not torch.allclose(_attend(attention, other), wanted["other"])


@torch.inference_mode()
def test_shares_within_maps_are_right_for_a_single_map() -> None:
    attention = DeformableAttention(16, levels=1, heads=2, points=3)
    torch.nn.init.normal_(attention.attention_weights.weight)
    wanted = _attend(attention, [(3, 5)])
    SharesWithinMaps.put_into(attention)
    torch.testing.assert_close(_attend(attention, [(3, 5)]), wanted)
