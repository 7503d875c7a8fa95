"""Where on the road things are put, and when they are there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmras_stream.inserting.motion import Motion
from mmras_stream.inserting.scenery import Scenery
from mmras_stream.inserting.settings import InsertSettings
from mmras_stream.inserting.supply import Thing

_TRIALS = 300
_APART_METRES = 4.0
_NEAREST_METRES = 1.2
_LEAST_SECONDS = 0.5
_APPEARS_METRES = 20.0
_LANE_METRES = 2.4
_ASIDE_METRES = 5.0
_ROAD_SHARE = 0.85


@dataclass(frozen=True, slots=True, eq=False)
class Insertion:
    """One thing, where it is and where it goes; metres of the `Motion`'s ground."""

    track_id: int
    thing: Thing
    x: float
    z: float
    yaw: float
    """Against the first heading, radians to the right."""
    velocity: tuple[float, float]
    """Metres per second along x and z."""
    at_frame: int
    """When it is at x, z."""
    first: int
    last: int
    """Frames between which it may be seen, both included."""

    def place(self, frame: float, frame_seconds: float) -> tuple[float, float]:
        """Return x, z in a frame."""
        elapsed = (frame - self.at_frame) * frame_seconds
        return self.x + elapsed * self.velocity[0], self.z + elapsed * self.velocity[1]


def place_things(
    things: list[Thing], motion: Motion, scenery: Scenery, settings: InsertSettings,
    frame_seconds: float,
) -> list[Insertion]:  # fmt: skip
    """Find a spot for each thing where the road is free; things without one are left out."""
    rng = np.random.default_rng([settings.seed, *b"places"])
    placed: list[Insertion] = []
    for thing in things:
        for _ in range(_TRIALS):
            tried = _tried(len(placed) + 1, thing, motion, rng)
            found = _while_on_road(tried, motion, scenery, settings, frame_seconds)
            if found is not None and _is_apart(found, placed):
                placed.append(found)
                break
    return placed


def _tried(track_id: int, thing: Thing, motion: Motion, rng: np.random.Generator) -> Insertion:
    frame = int(rng.integers(len(motion)))
    x, z = motion.place(frame, float(rng.uniform(-2.3, 2.3)), float(rng.uniform(5.0, 22.0)))
    yaw, velocity = float(rng.uniform(-0.6, 0.6)), (0.0, 0.0)
    if thing.metres_per_second:
        side = float(rng.choice([-1.0, 1.0])) * thing.metres_per_second
        heading = float(motion.heading[frame]) + float(rng.uniform(-0.3, 0.3))
        velocity = (side * np.cos(heading), -side * np.sin(heading))
        yaw = heading + np.copysign(np.pi / 2, side)
    return Insertion(track_id, thing, x, z, yaw, velocity, frame, 0, len(motion) - 1)


def _while_on_road(
    found: Insertion, motion: Motion, scenery: Scenery, settings: InsertSettings,
    frame_seconds: float,
) -> Insertion | None:  # fmt: skip
    """Cut the time of a thing to when it stands on free road; None if that is too short."""
    frames = np.arange(len(motion))
    seen = np.array(
        [motion.seen_from(t, *found.place(t, frame_seconds)) for t in range(len(motion))]
    )
    near = (seen[:, 1] > _NEAREST_METRES) & (seen[:, 1] < settings.farthest_metres)
    near &= np.abs(seen[:, 0]) < 0.75 * seen[:, 1] + 4.0
    if found.thing.metres_per_second:
        away = np.abs(frames - found.at_frame) * frame_seconds * found.thing.metres_per_second
        near &= away < _ASIDE_METRES
    if not near.any():
        return None
    first, last = int(frames[near][0]), int(frames[near][-1])
    samples = [t for t in scenery.small if near[t] and seen[t, 1] > 4.0]
    good = []
    for t in samples:
        pixels, _ = motion.camera(t).project(np.array([[seen[t, 0], 0.0, seen[t, 1]]], np.float32))
        x, y = (float(v) for v in pixels[0])
        goal = (motion.goal, float(motion.horizon[t]))
        beside = bool(found.thing.metres_per_second) and abs(seen[t, 0]) > _LANE_METRES
        good.append(beside or scenery.is_road(t, x, y, goal))
    bad_far = [t for t, ok in zip(samples, good, strict=True) if not ok and seen[t, 1] > 12.0]
    if bad_far:
        first = max(first, max(bad_far) + 1)
    later = [ok for t, ok in zip(samples, good, strict=True) if t >= first]
    if (last - first) * frame_seconds < _LEAST_SECONDS or not later:
        return None
    if np.mean(later) < _ROAD_SHARE:
        return None
    if bad_far and seen[first, 1] < _APPEARS_METRES and not found.thing.metres_per_second:
        return None
    return Insertion(
        found.track_id, found.thing, found.x, found.z, found.yaw, found.velocity,
        found.at_frame, first, last,
    )  # fmt: skip


def _is_apart(found: Insertion, others: list[Insertion]) -> bool:
    return all(np.hypot(found.x - other.x, found.z - other.z) > _APART_METRES for other in others)
