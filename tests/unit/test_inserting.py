"""Things put into drives: where they stand, how they move, and what is true about them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mmras_stream.errors import SettingsError
from mmras_stream.inserting.drawing import Painter, Seen
from mmras_stream.inserting.fitting import Paths, find_goal, fit_step
from mmras_stream.inserting.insert import seen_things
from mmras_stream.inserting.motion import Motion, estimate_motion
from mmras_stream.inserting.placing import Insertion, place_things
from mmras_stream.inserting.scenery import Scenery, ScenerySketch
from mmras_stream.inserting.settings import InsertSettings
from mmras_stream.inserting.supply import Thing, choose_things
from mmras_stream.synthetic.cutouts import Cutout
from mmras_stream.synthetic.held_out import HELD_OUT
from mmras_stream.synthetic.obstacles import OBSTACLES
from mmras_stream.types import Image

HEIGHT, WIDTH, HORIZON, ELEVATION = 180, 320, 80.0, 1.3
FOCAL = 0.9 * WIDTH
GREY = 110


def straight(frames: int = 40, metres: float = 0.5) -> Motion:
    way = np.arange(frames) * np.float64(metres)
    none = np.zeros(frames)
    return Motion(HEIGHT, WIDTH, FOCAL, ELEVATION, WIDTH / 2, none + HORIZON, none, way, none)


def card(height: float = 1.0) -> Thing:
    image = np.full((60, 40, 3), (200, 40, 40), np.uint8)
    return Thing("card", Cutout(image, np.ones((60, 40), np.float32)), height, 0.0)


def road() -> Image:
    return np.full((HEIGHT, WIDTH, 3), GREY, np.uint8)


def painter() -> Painter:
    return Painter(np.ones((HEIGHT, WIDTH), np.bool_), seed=1)


def standing(thing: Thing, ahead: float, *, track_id: int = 1, right: float = 0.0) -> Seen:
    return Seen(track_id, thing, right, ahead, 0.0, (0.0, 0.0))


@pytest.mark.parametrize("ahead", [6.0, 12.0, 24.0])
def test_a_thing_is_as_tall_as_its_share_of_the_way_from_horizon_to_foot(ahead: float) -> None:
    drawn = painter().draw(road(), straight().camera(0), [standing(card(0.8), ahead)], 0)
    rows = np.flatnonzero((drawn.ids == 1).any(axis=1))
    below = FOCAL * ELEVATION / ahead
    assert rows[-1] + 1 - HORIZON == pytest.approx(below, abs=1.1)
    assert rows[-1] + 1 - rows[0] == pytest.approx(0.8 / ELEVATION * below, abs=1.6)


def test_driving_on_moves_what_stands_as_the_projection_says() -> None:
    motion = straight()
    lying = Insertion(1, card(), 1.0, 20.0, 0.0, (0.0, 0.0), 0, 0, 39)
    first, later = (seen_things(motion, [lying], index, 0.04)[0] for index in (0, 20))
    assert (first.right, first.ahead) == pytest.approx((1.0, 20.0))
    assert (later.right, later.ahead) == pytest.approx((1.0, 10.0))
    nearer = FOCAL * 1.0 / 9.5 - FOCAL * 1.0 / 10.0
    assert later.blur[0] == pytest.approx(nearer, abs=1e-3)
    assert later.blur[1] == pytest.approx(ELEVATION * nearer, abs=1e-3)


def test_a_turn_to_the_right_moves_what_stands_to_the_left() -> None:
    motion = replace(straight(), heading=np.linspace(0.0, 0.2, 40))
    assert motion.seen_from(39, *motion.place(39, 2.0, 9.0)) == pytest.approx((2.0, 9.0))
    assert motion.seen_from(39, 0.0, 40.0)[0] < 0


def test_pixels_change_only_on_things_their_rims_and_shadows() -> None:
    clean = road()
    drawn = painter().draw(clean, straight().camera(0), [standing(card(), 8.0)], 0)
    changed = (drawn.image != clean).any(axis=2)
    rows, columns = np.nonzero(drawn.ids == 1)
    assert changed[drawn.ids == 1].all()
    around = np.zeros_like(changed)
    reach = 3 * int(columns.max() - columns.min() + 1) // 2
    around[rows.min() - 4 : rows.max() + 14, columns.min() - reach : columns.max() + reach] = True
    assert not changed[~around].any()
    above = np.s_[: int(rows.max()) - 12]
    assert changed[above].sum() < 1.5 * (drawn.ids == 1)[above].sum()


def test_what_stands_in_front_hides_what_is_behind_and_both_keep_their_ids() -> None:
    far, near = standing(card(), 16.0, track_id=1), standing(card(), 8.0, track_id=2, right=0.1)
    drawn = painter().draw(road(), straight().camera(0), [near, far], 0)
    alone = painter().draw(road(), straight().camera(0), [far], 0)
    assert (drawn.ids == 2).sum() == drawn.silhouettes[2]
    assert (drawn.ids == 1).sum() < drawn.silhouettes[1] == (alone.ids == 1).sum()


def test_the_bonnet_hides_things() -> None:
    outside = np.ones((HEIGHT, WIDTH), np.bool_)
    outside[110:] = False
    drawn = Painter(outside, seed=1).draw(road(), straight().camera(0), [standing(card(), 6.0)], 0)
    assert not drawn.ids[110:].any()
    assert (drawn.image[110:] == GREY).all()
    assert drawn.ids[:110].any()


def test_things_take_the_light_of_the_road() -> None:
    bright, dark = (
        painter().draw(road() // share, straight().camera(0), [standing(card(), 8.0)], 0)
        for share in (1, 6)
    )
    levels = [drawn.image[drawn.ids == 1].mean() for drawn in (bright, dark)]
    assert levels[1] < 0.4 * levels[0]


def flow_of_a_drive(k: float, goal: tuple[float, float], rng: np.random.Generator) -> Paths:
    points = rng.uniform((0, 100), (640, 360), (300, 2))
    x, y = (points - goal).T
    on_ground = y > 0
    depth = np.where(on_ground, y, 30.0)
    growth = k * depth / (1 - k * depth)
    flow = np.stack([x * growth + 0.8, y * growth - 0.4], axis=1)
    flow[::10] = rng.normal(0, 5, (30, 2))  # of what moves by itself
    return Paths(points, flow)


def test_the_goal_and_the_way_are_found_among_turns_and_outliers() -> None:
    rng, goal = np.random.default_rng(0), (330.0, 190.0)
    steps = [flow_of_a_drive(k, goal, rng) for k in (0.0008, 0.001, 0.0012, 0.001)]
    found = find_goal(steps, size=(360, 640), start=(320.0, 170.0))
    assert found == pytest.approx(goal, abs=6.0)
    step = fit_step(steps[1], goal)
    assert step.is_sure
    assert step.k == pytest.approx(0.001, rel=0.03)
    assert (step.right, step.down) == pytest.approx((0.8, -0.4), abs=0.15)


def test_without_anything_to_follow_a_usual_drive_is_assumed_and_said() -> None:
    nothing = [Paths(np.empty((0, 2)), np.empty((0, 2)))] * 20
    motion = estimate_motion(
        nothing, working_size=(360, 640), size=(720, 1280), elevation=1.3, frame_seconds=0.04
    )
    assert "assumed a straight drive at 50 km/h" in (motion.assumed or "")
    assert motion.z[-1] == pytest.approx(14.0 * 0.8)


def test_a_car_that_stands_is_said_to_stand() -> None:
    rng = np.random.default_rng(0)
    still = [Paths(rng.uniform(0, 300, (80, 2)), np.zeros((80, 2)))] * 20
    motion = estimate_motion(
        still, working_size=(360, 640), size=(360, 640), elevation=1.3, frame_seconds=0.04
    )
    assert "stands still" in (motion.assumed or "")
    assert motion.z[-1] == 0


def test_things_are_placed_on_free_road_alike_for_the_same_seed() -> None:
    small = {index: np.full((90, 160, 3), GREY, np.float32) for index in range(0, 40, 3)}
    scenery = Scenery(small, np.ones((HEIGHT, WIDTH), np.bool_))
    settings = InsertSettings(objects=3, seed=5)
    one, other = (
        place_things(choose_things(settings), straight(), scenery, settings, 0.04) for _ in "ab"
    )
    assert [(i.x, i.z, i.thing.kind) for i in one] == [(i.x, i.z, i.thing.kind) for i in other]
    assert [i.track_id for i in one] == [1, 2, 3]
    for picture in small.values():  # other cars everywhere but right before us
        picture[:56] = (250, 20, 20)
    assert not place_things([card()] * 3, straight(metres=1.5), scenery, settings, 0.04)


def test_a_bonnet_is_found_and_a_smooth_road_is_none() -> None:
    rng = np.random.default_rng(0)
    with_bonnet, without = ScenerySketch(0.2), ScenerySketch(0.2)
    for _ in range(12):
        picture = rng.normal(GREY, 6, (HEIGHT, WIDTH, 3)).clip(0, 255).astype(np.uint8)
        without.add(picture)
        with_bonnet.add(np.concatenate([picture[:160], np.full((20, WIDTH, 3), 30, np.uint8)]))
    rows = np.flatnonzero(with_bonnet.finish((HEIGHT, WIDTH)).outside.any(axis=1))
    assert rows.max() == pytest.approx(157, abs=3)
    assert without.finish((HEIGHT, WIDTH)).outside.all()


def test_no_held_out_thing_is_among_those_that_networks_learn_from() -> None:
    assert not set(HELD_OUT) & set(OBSTACLES)


def test_only_the_kinds_asked_for_are_chosen_and_move_if_they_can() -> None:
    settings = InsertSettings(objects=20, moving_share=0.5, kinds=("ball", "chair"))
    things = choose_things(settings)
    assert {(thing.kind, thing.metres_per_second > 0) for thing in things} == {
        ("ball", True),
        ("chair", False),
    }
    standing = choose_things(replace(settings, moving_share=1.0, kinds=("chair",)))
    assert {(thing.kind, thing.metres_per_second) for thing in standing} == {("chair", 0.0)}


@pytest.mark.parametrize("kind", sorted(HELD_OUT))
def test_every_held_out_thing_can_be_seen(kind: str) -> None:
    solid = HELD_OUT[kind](np.random.default_rng(2))
    thing = Thing(kind, solid, solid.height, 0.0)
    drawn = painter().draw(road(), straight().camera(0), [standing(thing, 6.0)], 0)
    tall = solid.height / 6.0 * FOCAL
    rows = np.flatnonzero((drawn.ids == 1).any(axis=1))
    assert rows[-1] - rows[0] == pytest.approx(tall, rel=0.25)


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(SettingsError, match="objects must be at least 1, got 0"):
        InsertSettings(objects=0)
    with pytest.raises(SettingsError, match=r"horizon must lie in 0\.\.1, got 1\.5"):
        InsertSettings(horizon=1.5)
