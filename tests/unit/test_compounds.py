"""Things of no kind stand on the road, whole, and look different each time."""

from __future__ import annotations

import numpy as np

from mmras_stream.synthetic.compounds import compound
from mmras_stream.training.rendering import rendered_thing


def test_a_compound_lies_within_its_box_and_above_the_road() -> None:
    rng = np.random.default_rng(2)
    for seed in range(30):
        solid = compound(np.random.default_rng(seed))
        wide, deep = solid.half
        spread = np.array([[2 * wide], [1.5 * solid.height], [2 * deep]])
        points = (rng.uniform(-1, 1, (3, 4000)) * spread).astype(np.float32)
        inside = solid.distance(points) < 0
        assert inside.any(), seed
        reach = np.abs(points[:, inside]).max(axis=1)
        assert (reach <= np.array([wide, solid.height, deep]) * 1.02).all(), seed
        assert points[1, inside].min() >= 0, seed


def test_a_compound_is_painted_all_over() -> None:
    solid = compound(np.random.default_rng(4))
    points = np.random.default_rng(5).uniform(-0.5, 0.5, (3, 300)).astype(np.float32)
    rgb, gloss, glow = solid.paint(points, points)
    assert rgb.shape == glow.shape == (300, 3)
    assert (rgb > 0).all()
    assert ((gloss > 0) & (gloss < 1)).all()
    assert not glow.any()


def test_the_same_seed_builds_the_same_thing_and_another_another() -> None:
    first, again, other = (rendered_thing(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first.image, again.image)
    assert first.image.shape != other.image.shape or not np.array_equal(first.image, other.image)


def test_a_rendered_thing_is_trimmed_and_lit() -> None:
    rng = np.random.default_rng(6)
    for _ in range(20):
        thing = rendered_thing(rng)
        shown = thing.alpha > 0.5
        for edge in (shown[0], shown[-1], shown[:, 0], shown[:, -1]):
            assert edge.any()
        assert thing.image[shown].mean() > 2
