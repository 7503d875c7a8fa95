"""The building blocks of solid things: distances to simple shapes."""

import numpy as np

from mmras_stream.synthetic.look import Floats, floats, noise_tile, sample


def vector(*xyz: float) -> Floats:
    """Return a column (3, 1) that broadcasts against points (3, N)."""
    return np.array(xyz, np.float32)[:, None]


def length(p: Floats) -> Floats:
    """Return the Euclidean length (N) of columns (K, N)."""
    return floats(np.sqrt(np.einsum("in,in->n", p, p)))


def box(p: Floats, centre: Floats, half: Floats, rounding: float = 0.0) -> Floats:
    """Return the distance to a box with rounded edges."""
    q = np.abs(p - centre) - (half - np.float32(rounding))
    inside = np.minimum(q.max(axis=0), 0.0)
    return floats(length(np.maximum(q, 0.0)) + inside - np.float32(rounding))


def capsule(p: Floats, a: Floats, b: Floats, radius: float, radius_b: float = -1.0) -> Floats:
    """Return the distance to a round stick from a to b, tapering to radius_b if given."""
    axis = b - a
    share = np.clip((axis[:, 0] @ (p - a)) / np.sum(axis * axis), 0.0, 1.0)
    wide = radius if radius_b < 0 else radius + (radius_b - radius) * share
    return length(p - a - axis * share) - np.float32(1.0) * wide


def stick(a: tuple[float, float, float], b: tuple[float, float, float], radius: float,
          radius_b: float | None = None) -> list[float]:  # fmt: skip
    """Return a row of the table that `sticks` reads: a capsule from a to b."""
    return [*a, *b, radius, radius if radius_b is None else radius_b]


def sticks(p: Floats, table: Floats) -> Floats:
    """Return the distances (K, N) to K capsules at once; table (K, 8) holds rows of `stick`."""
    a, axis, radius = table[:, :3], table[:, 3:6] - table[:, :3], table[:, 6:7]
    dot = axis @ p - np.sum(axis * a, axis=1, keepdims=True)
    long = np.sum(axis * axis, axis=1, keepdims=True)
    share = np.clip(dot / long, 0.0, 1.0)
    square = np.einsum("in,in->n", p, p) - 2.0 * (a @ p) + np.sum(a * a, axis=1, keepdims=True)
    square += share * (share * long - 2.0 * dot)
    wide = radius + (table[:, 7:8] - radius) * share
    return np.asarray(np.sqrt(np.maximum(square, 0.0)) - wide, np.float32)


def ellipsoid(p: Floats, centre: Floats, radii: Floats) -> Floats:
    """Return a close lower estimate of the distance to an ellipsoid."""
    q = (p - centre) / radii
    scaled = length(q)
    return floats(scaled * (scaled - 1.0) / np.maximum(length(q / radii), 1e-4))


def disc(p: Floats, centre: Floats, radius: float, half_width: float, rounding: float) -> Floats:
    """Return the distance to a cylinder lying along x with rounded rims."""
    q = p - centre
    around = np.sqrt(q[1] * q[1] + q[2] * q[2]) - np.float32(radius - rounding)
    aside = np.abs(q[0]) - np.float32(half_width - rounding)
    outside = np.sqrt(np.square(np.maximum(around, 0.0)) + np.square(np.maximum(aside, 0.0)))
    return floats(outside + np.minimum(np.maximum(around, aside), 0.0) - np.float32(rounding))


def convex(p: Floats, planes: Floats) -> Floats:
    """Return a lower estimate of the distance to the intersection of half-spaces (K, 4)."""
    return np.asarray((planes[:, :3] @ p + planes[:, 3:]).max(axis=0), np.float32)


def merge(a: Floats, b: Floats, blend: float) -> Floats:
    """Return the union of two shapes whose seam is filled over blend metres."""
    share = np.clip(0.5 + 0.5 * (b - a) / blend, 0.0, 1.0)
    return floats(b + (a - b) * share - np.float32(blend) * share * (1.0 - share))


def mottle(p: Floats, size: float, number: int = 7) -> Floats:
    """Return noise (N) of unit deviation on points (3, N), with spots of about size metres."""
    per_tile = 4.0 / (size * 256)
    x = (p[0] + 0.71 * p[2] + 0.13 * p[1]) * np.float32(per_tile)
    y = (p[1] - 0.53 * p[2] + 0.37 * p[0]) * np.float32(per_tile)
    # as rows of 256, because OpenCV refuses pictures wider than 32766
    grid = (-(-x.size // 256), 256)
    return sample(noise_tile(number), np.resize(x, grid), np.resize(y, grid)).ravel()[: x.size]


def matt(rgb: Floats, shine: float = 0.03) -> tuple[Floats, Floats, Floats]:
    """Return colours (N, 3), their gloss (N), and no light of their own (N, 3)."""
    rgb = np.asarray(np.maximum(rgb, 0.004), np.float32)
    return rgb, np.full(len(rgb), shine, np.float32), np.zeros_like(rgb)


def mix(a: Floats, b: Floats, share: Floats) -> Floats:
    """Blend colours a into b, (3) or (N, 3), by share (N)."""
    return floats(a + (b - a) * share[:, None])
