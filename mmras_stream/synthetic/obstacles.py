"""Lost things that may lie on a lane."""

from collections.abc import Callable

import numpy as np

from mmras_stream.synthetic.camera import turn
from mmras_stream.synthetic.look import Floats, colour, floats, smoothstep
from mmras_stream.synthetic.shapes import (
    box,
    capsule,
    disc,
    ellipsoid,
    length,
    matt,
    merge,
    mix,
    mottle,
    stick,
    sticks,
    vector,
)
from mmras_stream.synthetic.solids import Solid


def _mattress(rng: np.random.Generator) -> Solid:
    cloth = colour(*rng.choice([[226, 220, 206], [206, 214, 226], [222, 206, 196]]))
    trim = colour(*rng.choice([[92, 112, 156], [150, 84, 76], [110, 112, 116]]))

    def bed(p: Floats) -> Floats:
        lift = np.square(np.clip((p[0] + 0.15) / 1.1, 0.0, 1.0))
        sag = 0.03 * np.sin(5.0 * p[2]) + 0.02 * np.sin(4.0 * p[0] + 1.0)
        return np.stack([p[0], p[1] - 0.15 - 0.30 * lift - sag, p[2]])

    def distance(p: Floats) -> Floats:
        return box(bed(p), vector(0, 0, 0), vector(1.0, 0.14, 0.80), 0.06) * np.float32(0.8)

    def paint(p: Floats, n: Floats) -> tuple[Floats, Floats, Floats]:
        q = bed(p)
        side = np.abs(n[1]) < 0.6
        stripe = 0.5 + 0.5 * np.sign(np.sin(q[0] * 42.0)) * ~side
        quilt = 1.0 - 0.16 * np.exp(-24.0 * np.abs(np.sin(q[0] * 12.0) * np.sin(q[2] * 12.0)))
        stain = smoothstep(0.8, 1.9, mottle(q, 0.5))
        rgb = mix(np.broadcast_to(cloth, (p.shape[1], 3)), trim, 0.16 * stripe)
        rgb = mix(rgb, colour(150, 122, 84), 0.5 * stain) * quilt[:, None]
        piping = (np.abs(np.abs(q[1]) - 0.115) < 0.02) & side
        return matt(np.where(piping[:, None], trim, rgb))

    return Solid(distance, paint, (1.02, 0.82), 0.68)


def _cardboard_box(rng: np.random.Generator) -> Solid:
    brown = colour(178 + rng.uniform(-14, 14), 138, 94)
    w, h, d = rng.uniform(0.34, 0.44), rng.uniform(0.26, 0.34), rng.uniform(0.3, 0.4)
    tilt = [turn(0.0, 0.0, angle) for angle in (-0.85, 0.5)]

    def distance(p: Floats) -> Floats:
        body = box(p, vector(0, h, 0), vector(w, h, d), 0.012)
        hollow = box(p, vector(0, 2 * h, 0), vector(w - 0.02, 0.3, d - 0.02))
        shape = np.maximum(body, -hollow)
        for side, turned in zip((-1.0, 1.0), tilt, strict=True):
            q = turned @ (p - vector(side * w, 2 * h, 0))
            flap = box(q, vector(side * 0.15, 0, 0), vector(0.15, 0.009, d - 0.015), 0.006)
            shape = np.minimum(shape, flap)
        return shape

    def paint(p: Floats, n: Floats) -> tuple[Floats, Floats, Floats]:
        shade = 1.0 + 0.07 * mottle(p, 0.18) + 0.035 * np.sin(p[1] * 260.0)
        dirt = smoothstep(0.18, 0.0, p[1] + 0.04 * mottle(p, 0.1, 8)) * 0.45
        rgb = mix(brown * shade[:, None], colour(92, 78, 62), dirt)
        front = np.abs(n[2]) > 0.7
        tape = (np.abs(p[0]) < 0.035) & front & (p[1] > 0.72 * h)
        label = (np.abs(p[0] + 0.4 * w) < 0.08) & (np.abs(p[1] - 0.8 * h) < 0.065) & front
        arrow = (np.abs(p[0] - 0.5 * w) < 0.045) & (np.abs(p[1] - 0.9 * h) < 0.09) & front
        rgb = np.where(tape[:, None], colour(204, 176, 132), rgb)
        rgb = np.where(arrow[:, None], rgb * 0.35, rgb)
        return matt(np.where(label[:, None], colour(226, 224, 216), rgb))

    return Solid(distance, paint, (w + 0.3, d + 0.02), 2 * h + 0.3)


def _ring(p: Floats, big: float, small: float, half_width: float) -> Floats:
    """Return the distance to a tyre lying flat around the y axis."""
    around = np.sqrt(p[0] * p[0] + p[2] * p[2])
    middle = np.float32(0.5 * (big + small))
    q = np.stack(
        [np.abs(around - middle) - (big - middle) + 0.06, np.abs(p[1]) - half_width + 0.06]
    )
    return floats(length(np.maximum(q, 0.0)) + np.minimum(q.max(axis=0), 0.0) - 0.06)


def _tyre(rng: np.random.Generator) -> Solid:
    lean = turn(0.0, 0.0, 0.95 + rng.uniform(-0.1, 0.1))

    def flat(p: Floats) -> Floats:
        return p - vector(-0.18, 0.13, 0.0)

    def tilted(p: Floats) -> Floats:
        return np.asarray(lean @ (p - vector(0.36, 0.37, 0.05)), np.float32)

    def distance(p: Floats) -> Floats:
        return np.minimum(_ring(flat(p), 0.37, 0.2, 0.13), _ring(tilted(p), 0.37, 0.2, 0.12))

    def paint(p: Floats, n: Floats) -> tuple[Floats, Floats, Floats]:
        del n
        a, b = flat(p), tilted(p)
        own = np.where(_ring(a, 0.37, 0.2, 0.13) < _ring(b, 0.37, 0.2, 0.12), a, b)
        around = np.hypot(own[0], own[2])
        angle = np.arctan2(own[0], own[2])
        tread = (around > 0.34) & (np.sin(angle * 46 + np.abs(own[1]) * 50) > 0.35)
        groove = (around > 0.34) & (np.abs(np.abs(own[1]) - 0.04) < 0.012)
        bead = np.abs(around - 0.29) < 0.006
        rgb = colour(62, 61, 62) * (1.0 + 0.14 * mottle(p, 0.08))[:, None]
        rgb = mix(rgb, colour(120, 110, 96), smoothstep(0.6, 2.0, mottle(p, 0.25)) * 0.6)
        return matt(rgb * np.where(tread | groove | bead, 0.35, 1.0)[:, None], 0.12)

    return Solid(distance, paint, (0.72, 0.46), 0.78)


def _cow(rng: np.random.Generator) -> Solid:
    dark = colour(*rng.choice([[38, 34, 33], [118, 66, 38], [60, 42, 34]]))
    light = colour(224, 218, 206)
    shift = rng.uniform(-5, 5)

    single = np.array([
        stick((-0.68, 1.12, 0), (-1.0, 1.28, 0.03), 0.21, 0.14),
        stick((-1.04, 1.30, 0.03), (-1.30, 1.08, 0.06), 0.135, 0.085),
        stick((0.86, 1.22, 0), (0.93, 0.55, 0.03), 0.035, 0.05),
    ], np.float32)  # fmt: skip
    paired = np.array([
        stick((-1.02, 1.36, 0.1), (-1.0, 1.37, 0.25), 0.045, 0.03),
        stick((-0.56, 0.85, 0.17), (-0.60, 0.45, 0.17), 0.13, 0.075),
        stick((-0.60, 0.45, 0.17), (-0.54, 0.05, 0.17), 0.07, 0.058),
        stick((0.62, 0.85, 0.17), (0.70, 0.45, 0.17), 0.13, 0.075),
        stick((0.70, 0.45, 0.17), (0.64, 0.05, 0.17), 0.07, 0.058),
    ], np.float32)  # fmt: skip

    def distance(p: Floats) -> Floats:
        neck, head, tail = sticks(p, single)
        ear, *legs = sticks(np.stack([p[0], p[1], np.abs(p[2])]), paired)
        barrel = ellipsoid(p, vector(0.0, 0.98, 0), vector(0.78, 0.36, 0.33))
        rump = ellipsoid(p, vector(0.52, 1.06, 0), vector(0.36, 0.32, 0.28))
        chest = ellipsoid(p, vector(-0.52, 1.0, 0), vector(0.34, 0.36, 0.27))
        body = merge(merge(barrel, rump, 0.15), chest, 0.15)
        whole = merge(merge(merge(body, neck, 0.16), head, 0.05), ear, 0.03)
        whole = merge(whole, np.minimum(np.minimum(*legs[:2]), np.minimum(*legs[2:])), 0.09)
        return floats(np.minimum(whole, tail) * np.float32(0.9))

    def paint(p: Floats, n: Floats) -> tuple[Floats, Floats, Floats]:
        del n
        patches = mottle(p + vector(shift, 0, 0), 0.55) + 0.25 * mottle(p, 0.12)
        share = smoothstep(-0.08, 0.08, floats(patches + 0.1))
        share = np.where(p[1] < 0.5, 0.0, np.where(p[0] < -1.05, 0.9, share))
        rgb = mix(np.broadcast_to(light, (p.shape[1], 3)), dark, share)
        rgb = mix(rgb, colour(186, 146, 132), smoothstep(-1.25, -1.31, p[0]))
        rgb = mix(rgb, colour(56, 48, 42), smoothstep(0.10, 0.06, p[1]))
        return matt(rgb * (1.0 + 0.06 * mottle(p, 0.04))[:, None], 0.06)

    return Solid(distance, paint, (1.42, 0.42), 1.48)


def _log(rng: np.random.Generator) -> Solid:
    radius, reach = rng.uniform(0.2, 0.27), rng.uniform(0.85, 1.1)

    def distance(p: Floats) -> Floats:
        ridges = 0.010 * np.sin(9.0 * np.arctan2(p[1] - radius, p[2]) + 3.0 * p[0])
        taper = radius * (1.0 - 0.12 * p[0] / reach)
        trunk = disc(p, vector(0, radius, 0), radius, reach, 0.02) + (radius - taper) + ridges
        stub = capsule(
            p, vector(0.2, 1.6 * radius, 0), vector(0.36, 2.9 * radius, -0.1), 0.07, 0.05
        )
        twig = capsule(
            p, vector(-0.5, 1.2 * radius, -0.1), vector(-0.62, 1.5 * radius, -0.36), 0.06, 0.05
        )
        return merge(merge(trunk, stub, 0.06), twig, 0.05) * np.float32(0.85)

    def paint(p: Floats, n: Floats) -> tuple[Floats, Floats, Floats]:
        around = np.arctan2(p[1] - radius, p[2])
        bark = np.stack([p[0] * 0.35, around * 0.2, np.zeros_like(around)])
        rgb = (
            colour(112, 88, 66)
            * (1.0 + 0.35 * mottle(bark, 0.035) + 0.15 * mottle(p, 0.2))[:, None]
        )
        moss = smoothstep(0.3, 1.4, mottle(p, 0.3, 9) + n[1]) * 0.55
        rgb = mix(rgb, colour(94, 108, 56), moss)
        spread = np.hypot(p[1] - radius, p[2])
        rings = colour(206, 172, 120) * (0.9 + 0.12 * np.sin(spread * 190.0))[:, None]
        cut = (np.abs(n[0]) > 0.75) & (np.abs(p[0]) > reach - 0.05)
        return matt(np.where(cut[:, None], rings, rgb))

    return Solid(distance, paint, (reach + 0.04, radius + 0.2), 3.3 * radius)


def _sack(rng: np.random.Generator) -> Solid:
    cloth = colour(*rng.choice([[186, 158, 112], [196, 196, 190], [148, 122, 84], [64, 70, 76]]))

    def distance(p: Floats) -> Floats:
        folds = 0.016 * np.sin(9.0 * p[0] + 4.0 * p[1]) * np.sin(7.0 * p[2] + 2.0)
        bulge = ellipsoid(p, vector(0.12, 0.28, 0), vector(0.5, 0.36, 0.36))
        slump = ellipsoid(p, vector(-0.2, 0.20, 0.02), vector(0.34, 0.27, 0.30))
        neck = capsule(p, vector(-0.44, 0.20, 0.02), vector(-0.56, 0.17, 0.04), 0.09, 0.055)
        frill = capsule(p, vector(-0.58, 0.17, 0.04), vector(-0.70, 0.15, 0.07), 0.05, 0.12)
        frill = frill + 0.018 * np.sin(9.0 * np.arctan2(p[1] - 0.16, p[2] - 0.05))
        whole = merge(merge(bulge, slump, 0.18), merge(neck, frill, 0.03), 0.10) + folds
        return floats(np.maximum(whole, -p[1]) * np.float32(0.85))

    def paint(p: Floats, n: Floats) -> tuple[Floats, Floats, Floats]:
        weave = 1.0 + 0.05 * np.sin(p[0] * 210.0) * np.sin(p[1] * 210.0) + 0.09 * mottle(p, 0.09)
        dirt = smoothstep(0.3, 0.0, p[1] + 0.06 * mottle(p, 0.15, 8)) * 0.5
        rgb = mix(cloth * weave[:, None], colour(84, 70, 54), dirt)
        print_band = (
            (np.abs(p[1] - 0.28) < 0.035) & (np.abs(p[0] - 0.05) < 0.2) & (np.abs(n[2]) > 0.4)
        )
        rgb = np.where(
            print_band[:, None], mix(rgb, colour(58, 82, 128), np.full(len(rgb), 0.7)), rgb
        )
        cord = np.abs(p[0] + 0.57) < 0.02
        return matt(np.where(cord[:, None], colour(70, 54, 42), rgb))

    return Solid(distance, paint, (0.84, 0.40), 0.68)


def _pallet(rng: np.random.Generator) -> Solid:
    lean = turn(0.0, -0.62 + rng.uniform(-0.08, 0.08), 0.0)
    tone = rng.uniform(0.8, 1.1)

    def flat(p: Floats) -> Floats:
        return np.asarray(lean.T @ (p - vector(0, 0.42, 0)), np.float32)

    def distance(p: Floats) -> Floats:
        q = flat(p)
        row = np.clip(np.round(q[2] / 0.2), -2, 2) * 0.2
        upper = box(
            np.stack([q[0], q[1] - 0.06, q[2] - row]), vector(0, 0, 0), vector(0.6, 0.016, 0.062)
        )
        mid = np.stack([np.abs(np.abs(q[0]) - 0.27) - 0.27, q[1], q[2]])
        bearer = box(mid, vector(0, 0, 0), vector(0.05, 0.045, 0.46))
        row = np.clip(np.round(q[2] / 0.4), -1, 1) * 0.4
        under = box(
            np.stack([q[0], q[1] + 0.06, q[2] - row]), vector(0, 0, 0), vector(0.6, 0.016, 0.06)
        )
        prop = box(p, vector(0.1, 0.28, 0.36), vector(0.3, 0.28, 0.14), 0.02)
        return np.minimum(np.minimum(np.minimum(upper, bearer), under), prop)

    def paint(p: Floats, n: Floats) -> tuple[Floats, Floats, Floats]:
        del n
        q = flat(p)
        streak = mottle(np.stack([q[0] * 0.12, q[1], q[2]]), 0.02)
        board = mottle(np.stack([np.round(q[2] / 0.2), np.round(q[1] / 0.06), 0.0 * q[0]]), 0.9)
        rgb = colour(186, 156, 112) * (tone + 0.12 * streak + 0.14 * board)[:, None]
        prop = box(p, vector(0.1, 0.28, 0.36), vector(0.3, 0.28, 0.14), 0.02) < 0.012
        return matt(
            np.where(prop[:, None], colour(150, 120, 86) * (1 + 0.1 * streak)[:, None], rgb)
        )

    return Solid(distance, paint, (0.64, 0.56), 0.86)


def _cone(rng: np.random.Generator) -> Solid:
    orange = colour(226, 92 + rng.uniform(-14, 14), 40)
    lie = turn(0.0, 0.0, 0.235 - np.pi / 2)

    def upright(p: Floats) -> Floats:
        return np.asarray(lie @ (p - vector(-0.40, 0.265, 0)), np.float32)

    def distance(p: Floats) -> Floats:
        q = upright(p)
        body = capsule(q, vector(0, 0.04, 0), vector(0, 0.90, 0), 0.185, 0.04)
        foot = box(q, vector(0, 0, 0), vector(0.25, 0.03, 0.25), 0.02)
        return floats(np.minimum(np.maximum(body, -q[1]), foot) * np.float32(0.9))

    def paint(p: Floats, n: Floats) -> tuple[Floats, Floats, Floats]:
        del n
        q = upright(p)
        white = (np.abs(q[1] - 0.36) < 0.08) | (np.abs(q[1] - 0.66) < 0.06)
        rgb = np.where(white[:, None], colour(226, 226, 222), orange)
        rgb = np.where((q[1] < 0.03)[:, None], colour(52, 52, 54), rgb)
        return matt(rgb * (1.0 + 0.06 * mottle(p, 0.1))[:, None], 0.15)

    return Solid(distance, paint, (0.72, 0.28), 0.6)


OBSTACLES: dict[str, Callable[[np.random.Generator], Solid]] = {
    "cardboard_box": _cardboard_box,
    "cone": _cone,
    "cow": _cow,
    "log": _log,
    "mattress": _mattress,
    "pallet": _pallet,
    "sack": _sack,
    "tyre": _tyre,
}
"""Kind of obstacle -> how to build it."""
