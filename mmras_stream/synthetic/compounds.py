"""Things of no kind: a few simple solids stuck together, in any colours.

Who has seen enough of them knows a thing by its standing on the road, not by its name.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmras_stream.synthetic.camera import turn
from mmras_stream.synthetic.look import Floats, colour, floats
from mmras_stream.synthetic.shapes import box, capsule, disc, ellipsoid, matt, mix, mottle, vector
from mmras_stream.synthetic.solids import Distance, Paint, Solid

_MOST_PARTS = 5
_LEAST_METRES, _MOST_METRES = 0.12, 1.0
_FORMS = ("box", "egg", "stick", "drum")


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    distance: Distance
    centre: Floats
    """(3, 1)."""
    half: Floats
    """(3), how far it reaches from there along each axis."""


def compound(rng: np.random.Generator) -> Solid:
    """Stick one to five simple solids together."""
    size = float(np.exp(rng.uniform(np.log(_LEAST_METRES), np.log(_MOST_METRES))))
    count = int(rng.integers(1, _MOST_PARTS + 1))
    parts = [_part(rng, size * (1.0 if number == 0 else 0.7)) for number in range(count)]
    paints = [_paint(rng, size) for _ in range(count)]
    reach = np.max([np.abs(part.centre[:, 0]) + part.half for part in parts], axis=0)

    def distances(p: Floats) -> Floats:
        return floats(np.stack([part.distance(p) for part in parts]))

    def distance(p: Floats) -> Floats:
        # that of an egg is an estimate, which may lie too high
        return floats(np.maximum(distances(p).min(axis=0) * np.float32(0.8), -p[1]))

    def paint(p: Floats, n: Floats) -> tuple[Floats, Floats, Floats]:
        nearest = distances(p).argmin(axis=0)
        rgb, gloss, glow = matt(np.zeros((p.shape[1], 3), np.float32))
        for number, painted in enumerate(paints):
            here = nearest == number
            if here.any():
                rgb[here], gloss[here], glow[here] = painted(p[:, here], n[:, here])
        return rgb, gloss, glow

    return Solid(distance, paint, (float(reach[0]), float(reach[2])), float(reach[1]))


def _part(rng: np.random.Generator, size: float) -> _Part:
    """A box, egg, stick or drum that reaches up to `size` metres from its middle."""
    half = floats(size * np.exp(rng.uniform(np.log(0.12), 0.0, 3)))
    lies = rng.random() < 0.5
    turned = turn(*rng.uniform(-np.pi, np.pi, 3)) if lies else turn(rng.uniform(-np.pi, np.pi))
    thin, reach = float(half.min()), float(half.max())
    none, rounding = vector(0, 0, 0), thin * float(rng.uniform(0.05, 0.9))
    form = _FORMS[int(rng.integers(len(_FORMS)))]
    if form == "stick":
        half = floats([reach, thin, thin])
    if form == "drum":
        half = floats([half[0], half[1], half[1]])
    outward = floats(np.abs(turned) @ half)
    x, z = size * rng.uniform(-0.6, 0.6, 2)
    centre = vector(x, outward[1] * rng.uniform(0.7, 1.3), z)

    def distance(p: Floats) -> Floats:
        q = floats(turned.T @ (p - centre))
        if form == "egg":
            return ellipsoid(q, none, half[:, None])
        if form == "stick":
            return capsule(q, vector(thin - reach, 0, 0), vector(reach - thin, 1e-4, 0), thin)
        if form == "drum":
            return disc(q, none, float(half[1]), float(half[0]), min(rounding, 0.1 * thin))
        return box(q, none, half[:, None], rounding)

    return _Part(distance, centre, outward)


def _paint(rng: np.random.Generator, size: float) -> Paint:
    """One colour, or two in stripes, bands or spots; dirty or clean, dull or shining."""
    first, second = (colour(*rng.uniform(8, 245, 3)) for _ in range(2))
    if rng.random() < 0.5:  # much that lies about has little colour
        first = floats(first.mean() + 0.25 * (first - first.mean()))
    pattern, shine = int(rng.integers(4)), float(rng.uniform(0.02, 0.35))
    spot = size * float(np.exp(rng.uniform(np.log(0.05), np.log(0.8))))
    axis = rng.normal(size=3).astype(np.float32)
    axis /= np.linalg.norm(axis)
    tile, rough = int(rng.integers(5, 9)), float(rng.uniform(0.0, 0.2))

    def paint(p: Floats, n: Floats) -> tuple[Floats, Floats, Floats]:
        del n
        noise = mottle(p, spot, tile)
        marks = (
            np.zeros_like(noise),
            (noise > 0.5).astype(np.float32),
            (np.sin(axis @ p * np.float32(2 * np.pi / spot)) > 0).astype(np.float32),
            (np.abs(axis @ p) < 0.3 * spot).astype(np.float32),
        )
        rgb = mix(np.broadcast_to(first, (p.shape[1], 3)), second, floats(marks[pattern]))
        return matt(floats(rgb * (1.0 + rough * noise)[:, None]), shine)

    return paint
