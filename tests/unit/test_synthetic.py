"""Drawn drives: the same from the same seed, and truthful about every pixel."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from mmras_stream.synthetic.scene import (
    LABEL_NAMES,
    OBSTACLE_KINDS,
    OBSTACLE_LABEL,
    RoadScene,
    SceneSettings,
)


def small(*, seed: int = 3, obstacle: str | None = "log") -> SceneSettings:
    return SceneSettings(
        height=96, width=160, seed=seed, frame_rate=Fraction(5), obstacle=obstacle
    )  # fmt: skip


@pytest.fixture(scope="module")
def scene() -> RoadScene:
    return RoadScene(small())


def test_the_same_seed_draws_the_same_frame(scene: RoadScene) -> None:
    one, other = scene.frame(20), RoadScene(small()).frame(20)
    np.testing.assert_array_equal(one.image, other.image)
    np.testing.assert_array_equal(one.labels, other.labels)


def test_another_seed_draws_another_scene(scene: RoadScene) -> None:
    other = RoadScene(small(seed=4)).frame(20).image
    assert np.abs(scene.frame(20).image.astype(int) - other).mean() > 10


def test_a_frame_out_of_turn_equals_the_same_frame_in_turn() -> None:
    settings = SceneSettings(height=64, width=96, duration_seconds=1.0, frame_rate=Fraction(4))
    late = RoadScene(settings).frame(3)
    in_turn = list(RoadScene(settings).frames())
    assert len(in_turn) == 4
    assert [frame.seconds for frame in in_turn] == [0.0, 0.25, 0.5, 0.75]
    np.testing.assert_array_equal(late.image, in_turn[3].image)


def test_the_obstacle_grows_while_it_is_approached(scene: RoadScene) -> None:
    areas = [int(scene.frame(index).obstacle_mask.sum()) for index in (5, 15, 25, 35)]
    assert areas[0] > 0
    assert all(later > 1.2 * earlier for earlier, later in pairwise(areas))


def test_every_pixel_has_a_known_label_and_the_obstacle_has_255(scene: RoadScene) -> None:
    frame = scene.frame(30)
    assert set(np.unique(frame.labels)) <= {*range(len(LABEL_NAMES)), OBSTACLE_LABEL}
    np.testing.assert_array_equal(frame.obstacle_mask, frame.labels == OBSTACLE_LABEL)
    assert {0, 1, 6} <= set(np.unique(frame.labels))
    assert frame.image.dtype == np.uint8
    assert frame.image.shape == (96, 160, 3)


def test_the_obstacle_lies_on_the_road(scene: RoadScene) -> None:
    frame = scene.frame(25)
    rows, columns = np.nonzero(frame.obstacle_mask)
    below = frame.labels[min(int(rows.max()) + 2, 95), int(columns[rows.argmax()])]
    assert LABEL_NAMES[below] == "road"


@pytest.mark.parametrize("kind", OBSTACLE_KINDS)
def test_every_kind_of_obstacle_can_be_seen(kind: str) -> None:
    assert RoadScene(small(obstacle=kind)).frame(38).obstacle_mask.sum() > 30


def test_a_drive_without_obstacle_has_an_empty_mask() -> None:
    scene = RoadScene(small(obstacle=None))
    assert scene.obstacle is None
    assert not any(scene.frame(index).obstacle_mask.any() for index in (0, 25, 49))


def test_the_texture_of_the_road_moves_with_the_road(scene: RoadScene) -> None:
    near, far = scene.frame(2), scene.frame(3)
    road = (near.labels == 0) & (far.labels == 0)
    assert np.abs(near.image.astype(int) - far.image)[road].mean() > 2


def test_an_unknown_obstacle_gets_a_guess() -> None:
    with pytest.raises(ValueError, match="did you mean 'mattress'"):
        SceneSettings(obstacle="matress")


def test_a_frame_beyond_the_end_is_refused(scene: RoadScene) -> None:
    with pytest.raises(IndexError, match=r"frame 50 is not in 0\.\.49"):
        scene.frame(50)


def test_an_obstacle_that_fills_the_frame_can_be_drawn() -> None:
    scene = RoadScene(SceneSettings(height=360, width=640, seed=16, obstacle="cow"))
    assert scene.frame(230).obstacle_mask.mean() > 0.15
