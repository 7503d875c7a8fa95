"""Cars and people on and beside a drawn road."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from mmras_stream.synthetic.look import Floats, colour, floats
from mmras_stream.synthetic.shapes import convex, mottle, stick, sticks, vector
from mmras_stream.synthetic.solids import Solid

_COLOURS = ((196, 200, 204), (232, 232, 230), (44, 46, 52), (150, 34, 36), (40, 66, 116),
            (106, 112, 118), (70, 92, 84), (188, 152, 60))  # fmt: skip


def _plane(normal: tuple[float, float, float], through: tuple[float, float, float]) -> list[float]:
    unit = np.array(normal) / np.linalg.norm(normal)
    return [*unit, -float(unit @ np.array(through))]


def _hull(half: float, long: float, bonnet: float, belt: float) -> Floats:
    """Return the half-spaces of the body below the windows; x stands for its absolute value."""
    return np.array([
        _plane((0, -1, 0), (0, 0.2, 0)),
        _plane((0, -1, -0.35), (0, 0.26, -long)),
        _plane((0, -1, 0.35), (0, 0.24, long)),
        _plane((1, 0.10, 0), (half, 0.62, 0)),
        _plane((1, -0.28, 0), (half, 0.5, 0)),
        _plane((0.45, 1, 0), (half - 0.06, belt - 0.05, 0)),
        _plane((0, 1, 0), (0, belt, 0)),
        _plane((0, 1, 0.16), (0, bonnet, long - 0.14)),
        _plane((0, 1, 0.75), (0, bonnet - 0.03, long - 0.04)),
        _plane((0, 0.10, 1), (0, 0.5, long)),
        _plane((0, 0.08, -1), (0, 0.5, -long)),
        _plane((0.22, 0, 1), (half * 0.55, 0, long)),
        _plane((0.80, 0, 1), (half * 0.86, 0, long - 0.07)),
        _plane((0.16, 0, -1), (half * 0.6, 0, -long)),
        _plane((0.85, 0, -1), (half * 0.92, 0, -long + 0.04)),
    ], np.float32)  # fmt: skip


def _cabin(half: float, belt: float, roof: float, nose: tuple[float, float],
           tail: tuple[float, float]) -> Floats:  # fmt: skip
    """Return the half-spaces of the cabin; nose, tail are its z at the belt and at the roof."""
    rise = roof - belt
    return np.array([
        _plane((1, 0.30, 0), (half - 0.06, belt, 0)),
        _plane((0, nose[0] - nose[1], rise), (0, belt, nose[0])),
        _plane((0, tail[1] - tail[0], -rise), (0, belt, tail[0])),
        _plane((0, 1, 0), (0, roof, 0)),
        _plane((0.55, 1, 0), (half - 0.30, roof - 0.02, 0)),
        _plane((0, 1, 0.28), (0, roof - 0.015, nose[1] + 0.12)),
        _plane((0, 1, -0.2), (0, roof - 0.015, tail[1] - 0.1)),
        _plane((0, -1, 0), (0, belt - 0.25, 0)),
    ], np.float32)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Body:
    """The measures of one car, metres; hull and cabin are half-spaces (K, 4)."""

    half: float
    long: float
    belt: float
    roof: float
    axle: float
    nose: float
    hull: Floats
    cabin: Floats


_TYRE = 0.33


def _draft(rng: np.random.Generator) -> _Body:
    kind = str(rng.choice(["hatchback", "hatchback", "estate", "saloon", "van"]))
    half, long = {"van": (0.95, 2.4), "hatchback": (0.86, 2.0)}.get(kind, (0.89, 2.25))
    belt, roof = (1.12, 1.95) if kind == "van" else (0.92, 1.46)
    tail = {
        "saloon": (-1.85, -1.0),
        "van": (-long, -long + 0.1),
        "hatchback": (-long + 0.04, -long + 0.55),
    }.get(kind, (-long + 0.05, -long + 0.32))
    nose = (long - 0.5, long - 1.2) if kind == "van" else (long - 0.95, long - 1.8)
    hull = _hull(half, long, belt - 0.24, belt)
    cabin = _cabin(half, belt, roof, nose, tail)
    return _Body(half, long, belt, roof, long - 0.78, nose[0], hull, cabin)


def _cut(planes: Floats, origin: Floats, rays: Floats) -> tuple[Floats, Floats, Floats]:
    """Return where rays enter a convex body on the x >= 0 side and on its mirror image.

    The planes are given for |x|; a body that is convex and symmetric is cut by both sets.
    """
    mirrored = planes * np.array([-1, 1, 1, 1], np.float32)
    both = np.concatenate([planes, mirrored[planes[:, 0] != 0]])
    enter = np.full(rays.shape[1], 0.05, np.float32)
    leave = np.full(rays.shape[1], 1e9, np.float32)
    for slope, gap in zip(both[:, :3] @ rays, both[:, :3] @ origin + both[:, 3:], strict=True):
        cross = -gap / slope
        if gap[0] > 0.0:  # the camera stands outside this plane, so facing rays enter here
            np.copyto(cross, np.float32(1e9), where=slope >= 0.0)
            np.maximum(enter, cross, out=enter)
        else:
            np.copyto(cross, np.float32(1e9), where=slope <= 0.0)
            np.minimum(leave, cross, out=leave)
    hit = np.flatnonzero((enter < leave) & (enter > 0.05))
    reach = np.full(rays.shape[1], np.inf, np.float32)
    reach[hit] = enter[hit]
    points, normals = np.zeros_like(rays), np.zeros_like(rays)
    points[:, hit] = origin + rays[:, hit] * enter[hit]
    # near an edge the normals of both faces mix, as on rounded sheet metal
    depth = both[:, :3] @ points[:, hit] + both[:, 3:]
    bent = both[:, :3].T @ np.exp(np.minimum(depth, 0.0) * np.float32(1.0 / 0.035))
    normals[:, hit] = bent / (np.linalg.norm(bent, axis=0) + 1e-9)
    return reach, normals, points


def _wheels(body: _Body, origin: Floats, rays: Floats) -> tuple[Floats, Floats]:
    """Return where rays meet the outer faces and the treads of the wheels."""
    best = np.full(rays.shape[1], np.inf, np.float32)
    normals = np.zeros_like(rays)
    for side in (-1.0, 1.0):
        face = side * (body.half - 0.015)
        along = (face - origin[0]) / np.where(np.abs(rays[0]) < 1e-6, np.float32(1e-6), rays[0])
        y, z = origin[1] + rays[1] * along - _TYRE, origin[2] + rays[2] * along
        on = (y * y + np.square(np.abs(z) - body.axle) < _TYRE**2) & (along > 0.05)
        on &= (side * rays[0] < 0.0) & (along < best)
        best[on] = along[on]
        normals[:, on] = np.array([[side], [0.0], [0.0]], np.float32)
        for axle in (-body.axle, body.axle):
            a = rays[1] ** 2 + rays[2] ** 2
            b = (origin[1] - _TYRE) * rays[1] + (origin[2] - axle) * rays[2]
            c = (origin[1] - _TYRE) ** 2 + (origin[2] - axle) ** 2 - _TYRE**2
            root = b * b - a * c
            along = (-b - np.sqrt(np.maximum(root, 0.0))) / a
            x = origin[0] + rays[0] * along
            on = (root > 0.0) & (np.abs(x - face + side * 0.11) < 0.11)
            on &= (along > 0.05) & (along < best)
            best[on] = along[on]
            spot = origin + rays[:, on] * along[on] - vector(0.0, _TYRE, axle)
            normals[1:, on], normals[0, on] = spot[1:] / _TYRE, 0.0
    return best, normals


def _trace(body: _Body, origin: Floats, rays: Floats) -> tuple[Floats, Floats]:
    reach, normals, points = _cut(body.hull, origin, rays)
    hole = (points[1] - _TYRE) ** 2 + np.square(np.abs(points[2]) - body.axle) < 0.40**2
    open_arch = hole & (np.abs(normals[0]) > 0.6)
    wheel, wheel_normals = _wheels(body, origin, rays)
    # a wheel shows through its arch although the body is closed there
    shows = np.isfinite(wheel) & ((wheel < reach) | (open_arch & (wheel < reach + 0.25)))
    for other, other_normals, closer in (
        (*_cut(body.cabin, origin, rays)[:2], None), (wheel, wheel_normals, shows),
    ):  # fmt: skip
        closer = other < reach if closer is None else closer
        reach = np.where(closer, other, reach)
        normals = np.where(closer, other_normals, normals)
    return reach, normals


def car(rng: np.random.Generator, *, dark: bool = False) -> Solid:
    """Build a hatchback, an estate, a saloon or a van, facing +z; dark lights its lamps."""
    body = _draft(rng)
    half, belt, roof = body.half, body.belt, body.roof
    coat = colour(*_COLOURS[int(rng.integers(len(_COLOURS)))])
    lamp = colour(255, 244, 220) * np.float32(9.0 if dark else 0.9)
    tail_lamp = colour(255, 30, 24) * np.float32(1.6 if dark else 0.3)

    def distance(p: Floats) -> Floats:
        m = np.stack([np.abs(p[0]), p[1], p[2]])
        wheel = np.maximum(np.abs(m[2]) - body.long + 0.4, m[0] - half)
        shell = np.minimum(convex(m, body.hull), convex(m, body.cabin))
        return floats(np.minimum(shell, np.maximum(wheel, np.abs(m[1] - 0.25) - 0.25)))

    def paint(p: Floats, n: Floats) -> tuple[Floats, Floats, Floats]:
        m = np.stack([np.abs(p[0]), p[1], p[2]])
        sides = np.sort(body.cabin[:3, :3] @ m + body.cabin[:3, 3:], axis=0)
        glass = (m[1] > belt + 0.045) & (sides[1] < -0.07) & (m[1] < roof - 0.085)
        glass &= ~((m[0] > 0.5) & (np.abs(p[2] + 0.1) < 0.05) & (np.abs(n[0]) > 0.6))
        rgb = np.repeat(coat[None], p.shape[1], axis=0)
        gloss = np.full(p.shape[1], 0.7, np.float32)
        glow = np.zeros_like(rgb)
        front, rear = n[2] > 0.35, n[2] < -0.4
        low = (m[1] < 0.33) | ((np.abs(m[1] - 0.49) < 0.055) & front & (m[0] < half - 0.3))
        seam = (np.abs(np.abs(p[2] + 0.1) - 0.55) < 0.012) & (m[0] > 0.6) & (m[1] < belt)
        rgb[low | seam] = colour(34, 34, 36)
        plate = (
            (m[0] < 0.25) & (np.abs(m[1] - np.where(front, 0.40, 0.56)) < 0.055) & (front | rear)
        )
        rgb[plate] = colour(222, 222, 214)
        rgb[glass], gloss[glass] = colour(28, 33, 39), 1.0
        head = front & (m[0] > half - 0.40) & (np.abs(m[1] - (belt - 0.33)) < 0.07)
        lamps = rear & (m[0] > half - 0.27) & (np.abs(m[1] - (belt - 0.17)) < 0.11)
        rgb[head], rgb[lamps] = colour(236, 238, 240), colour(140, 18, 20)
        core = head & (np.abs(m[0] - half + 0.24) < 0.1)
        glow[head], glow[lamps] = lamp * np.float32(0.3), tail_lamp
        glow[core] = lamp
        hub = np.hypot(p[1] - _TYRE, np.abs(p[2]) - body.axle)
        side = (np.abs(n[0]) > 0.7) & (m[0] > half - 0.25)
        arch, tyre = side & (hub < 0.40), side & (hub < _TYRE)
        tread = (m[1] < 0.5) & (np.abs(hub - _TYRE) < 0.01) & (np.abs(n[0]) < 0.05)
        rgb[arch], gloss[arch] = colour(12, 12, 13), 0.0
        rgb[tyre | tread], gloss[tyre | tread] = colour(36, 36, 37), 0.05
        turn_of = np.arctan2(p[1] - _TYRE, np.abs(p[2]) - body.axle)
        rim = tyre & (hub < _TYRE * 0.68)
        rgb[rim & (np.sin(turn_of * 5.0) > -0.3)], gloss[rim] = colour(158, 160, 164), 0.3
        return rgb, gloss, glow

    return Solid(
        distance, paint, (half + 0.05, body.long + 0.05), roof + 0.03, partial(_trace, body)
    )


def person(rng: np.random.Generator, stride: float) -> Solid:
    """Build somebody walking towards +z; stride (radians) is the phase of the step."""
    coat = colour(*_COLOURS[int(rng.integers(len(_COLOURS)))])
    trousers = colour(*rng.choice([[44, 50, 72], [60, 56, 52], [96, 88, 74]]))
    skin, hair = colour(206, 160, 130), colour(58, 42, 32)
    swing = 0.32 * np.sin(stride)

    table = np.array([
        stick((0, 0.98, 0), (0, 1.36, 0.02), 0.17, 0.19),
        stick((0.2, 1.42, 0), (0.28, 0.86, -swing), 0.07, 0.05),
        stick((-0.2, 1.42, 0), (-0.28, 0.86, swing), 0.07, 0.05),
        stick((0.09, 0.9, 0), (0.1, 0.08, swing), 0.105, 0.07),
        stick((-0.09, 0.9, 0), (-0.1, 0.08, -swing), 0.105, 0.07),
        stick((0, 1.45, 0.02), (0, 1.56, 0.03), 0.07),
        stick((0, 1.66, 0.04), (0, 1.72, 0.03), 0.105),
    ], np.float32)  # fmt: skip

    def distance(p: Floats) -> Floats:
        return np.asarray(sticks(p, table).min(axis=0), np.float32)

    def paint(p: Floats, n: Floats) -> tuple[Floats, Floats, Floats]:
        del n
        rgb = np.repeat(coat[None], p.shape[1], axis=0)
        rgb[(p[1] < 0.9) & (np.abs(p[0]) < 0.21)] = trousers
        rgb[p[1] < 0.1] = colour(36, 32, 30)
        rgb[p[1] > 1.52] = skin
        rgb[(p[1] > 1.70) | ((p[1] > 1.6) & (p[2] < 0.02))] = hair
        rgb[(np.abs(p[0]) > 0.2) & (p[1] < 0.92)] = skin
        rgb *= (1.0 + 0.05 * mottle(p, 0.12))[:, None]
        return rgb, np.full(p.shape[1], 0.05, np.float32), np.zeros_like(rgb)

    return Solid(distance, paint, (0.36, 0.48), 1.86)
