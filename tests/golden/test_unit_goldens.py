from __future__ import annotations

from golden import parts


def test_positions_are_the_originals() -> None:
    assert not parts.positions().wrong


def test_reference_points_are_the_originals() -> None:
    assert not parts.references().wrong


def test_deformable_attention_is_the_originals() -> None:
    assert not parts.deformable_attention().wrong


def test_global_mask_attention_is_the_originals() -> None:
    assert not parts.global_mask_attention().wrong
