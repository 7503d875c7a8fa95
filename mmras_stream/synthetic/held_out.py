"""Things that no training scene shows, to test with."""

from collections.abc import Callable

import numpy as np

from mmras_stream.synthetic.look import Floats, colour, floats
from mmras_stream.synthetic.shapes import (
    box,
    length,
    matt,
    mottle,
    stick,
    sticks,
    vector,
)
from mmras_stream.synthetic.solids import Solid


def _ball(rng: np.random.Generator) -> Solid:
    radius = rng.uniform(0.12, 0.3)
    tone = colour(*rng.choice([[206, 62, 48], [232, 196, 60], [62, 96, 186], [224, 224, 220]]))

    def distance(p: Floats) -> Floats:
        return floats(length(p - vector(0, radius, 0)) - np.float32(radius))

    def paint(p: Floats, n: Floats) -> tuple[Floats, Floats, Floats]:
        del p
        seam = np.abs(np.sin(3.0 * np.arctan2(n[0], n[2]))) < 0.08
        return matt(np.where(seam[:, None], tone * 0.4, tone), 0.25)

    return Solid(distance, paint, (radius, radius), 2 * radius)


def _barrel(rng: np.random.Generator) -> Solid:
    radius, high = rng.uniform(0.27, 0.32), rng.uniform(0.8, 0.95)
    tone = colour(*rng.choice([[46, 82, 140], [170, 52, 42], [64, 110, 72], [60, 62, 66]]))

    def distance(p: Floats) -> Floats:
        rib = 0.012 * np.cos(p[1] * (6 * np.pi / high)) ** 8
        across = np.sqrt(p[0] * p[0] + p[2] * p[2]) - (radius + rib)
        return floats(np.maximum(across, np.abs(p[1] - high / 2) - high / 2) * np.float32(0.9))

    def paint(p: Floats, n: Floats) -> tuple[Floats, Floats, Floats]:
        worn = 1.0 + 0.12 * mottle(p, 0.25) - 0.25 * (n[1] > 0.7)
        return matt(tone * worn[:, None], 0.3)

    return Solid(distance, paint, (radius + 0.02, radius + 0.02), float(high))


def _suitcase(rng: np.random.Generator) -> Solid:
    w, h, d = rng.uniform(0.22, 0.28), rng.uniform(0.3, 0.38), rng.uniform(0.11, 0.15)
    tone = colour(*rng.choice([[40, 42, 50], [132, 34, 46], [42, 92, 112], [176, 160, 130]]))
    wheel = 0.05

    def distance(p: Floats) -> Floats:
        body = box(p, vector(0, h + wheel, 0), vector(w, h, d), 0.04)
        side = np.stack([np.abs(p[0]), p[1], p[2]])
        feet = box(side, vector(0.75 * w, wheel, 0), vector(0.04, wheel, 0.8 * d), 0.02)
        grip = box(p, vector(0, 2 * h + 0.09, 0), vector(0.09, 0.012, 0.02), 0.01)
        post = box(side, vector(0.085, 2 * h + 0.06, 0), vector(0.01, 0.05, 0.01), 0.005)
        return floats(np.minimum(np.minimum(body, feet), np.minimum(grip, post)))

    def paint(p: Floats, n: Floats) -> tuple[Floats, Floats, Floats]:
        groove = 1.0 - 0.3 * ((np.sin(p[0] * 60.0) > 0.6) & (np.abs(n[2]) > 0.7))
        dark = (p[1] < 2 * wheel) | (p[1] > 2 * h + wheel + 0.01)
        return matt(np.where(dark[:, None], colour(30, 30, 32), tone * groove[:, None]), 0.2)

    return Solid(distance, paint, (w + 0.02, d + 0.02), 2 * h + 0.13)


def _chair(rng: np.random.Generator) -> Solid:
    wood = colour(150 + rng.uniform(-30, 30), 104, 62)
    corners = [(x, z) for x in (-1, 1) for z in (-1, 1)]
    legs = floats(
        [stick((x * 0.2, 0.02, z * 0.2), (x * 0.18, 0.45, z * 0.18), 0.02) for x, z in corners]
    )

    def distance(p: Floats) -> Floats:
        seat = box(p, vector(0, 0.46, 0), vector(0.22, 0.02, 0.22), 0.015)
        back = box(p, vector(0, 0.78, 0.2), vector(0.21, 0.09, 0.015), 0.015)
        side = np.stack([np.abs(p[0]), p[1], p[2]])
        post = box(side, vector(0.19, 0.66, 0.2), vector(0.018, 0.21, 0.018), 0.01)
        return floats(
            np.minimum(np.minimum(seat, sticks(p, legs).min(axis=0)), np.minimum(back, post))
        )

    def paint(p: Floats, n: Floats) -> tuple[Floats, Floats, Floats]:
        del n
        return matt(wood * (1.0 + 0.1 * mottle(p, 0.1))[:, None], 0.1)

    return Solid(distance, paint, (0.25, 0.25), 0.9)


HELD_OUT: dict[str, Callable[[np.random.Generator], Solid]] = {
    "ball": _ball,
    "barrel": _barrel,
    "chair": _chair,
    "suitcase": _suitcase,
}
"""Kind of thing -> how to build it; none of them is in `OBSTACLES`, which networks learn from."""
