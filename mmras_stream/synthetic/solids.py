"""Solid things drawn by marching rays through a distance field."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from mmras_stream.synthetic.camera import NEAREST_METRES, Camera, turn
from mmras_stream.synthetic.canvas import lay_layer
from mmras_stream.synthetic.ground import Ground
from mmras_stream.synthetic.look import Bytes, Floats, Look, floats, smoothstep

EXACT = 255
"""The label of things whose outline is sampled most finely."""

Distance: TypeAlias = Callable[[Floats], Floats]
Paint: TypeAlias = Callable[[Floats, Floats], tuple[Floats, Floats, Floats]]
Bools: TypeAlias = npt.NDArray[np.bool_]
Trace: TypeAlias = Callable[[Floats, Floats], tuple[Floats, Floats]]


@dataclass(frozen=True, slots=True, eq=False)
class Solid:
    """A shape in its own coordinates: metres, x right, y up from the ground, z forward.

    `distance` maps points (3, N) to signed distances (N); `paint` maps points and normals
    (3, N) to colours (N, 3), gloss (N) in 0..1, and light given off (N, 3).
    The shape fits in x, z within +-`half` and y within 0..`height`. `trace`, if given, replaces
    marching: from an origin (3, 1) and unit rays (3, N) to distances (N), infinite where
    nothing is hit, and outward unit normals (3, N).
    """

    distance: Distance
    paint: Paint
    half: tuple[float, float]
    height: float
    trace: Trace | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A solid at level x, z, turned by yaw radians, with the label id of its pixels."""

    solid: Solid
    x: float
    z: float
    yaw: float
    label: int


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """Something drawn on nothing.

    `area` is where it lies in the frame, rows first; `light` premultiplied linear RGB and
    coverage (h, w, 4); `covered` (h, w) is where it hides what is behind.
    """

    area: tuple[slice, slice]
    light: Floats
    covered: Bools


def _corners(thing: Placed, margin: float = 0.0) -> Floats:
    half_x, half_z = thing.solid.half[0] + margin, thing.solid.half[1] + margin
    box = [[x, y, z] for x in (-half_x, half_x) for y in (0.0, thing.solid.height + margin)
           for z in (-half_z, half_z)]  # fmt: skip
    local = np.array(box, np.float32) @ turn(thing.yaw).T
    return np.asarray(local + np.array([thing.x, 0.0, thing.z], np.float32), np.float32)


Roi: TypeAlias = tuple[int, int, int, int]


def region(camera: Camera, points: Floats, pad: int = 2) -> Roi | None:
    """Return x0, y0, x1, y1 (exclusive) of the pixels around level points (N, 3), if any."""
    if points[:, 2].max() <= NEAREST_METRES:
        return None
    seen = points.copy()
    seen[:, 2] = np.maximum(seen[:, 2], NEAREST_METRES)
    pixels, _ = camera.project(seen)
    return around(camera, pixels, pad)


def around(camera: Camera, pixels: Floats, pad: int) -> Roi | None:
    """Return x0, y0, x1, y1 (exclusive) of the frame's pixels around positions (N, 2), if any."""
    low = np.floor(pixels.min(axis=0)) - pad
    high = np.ceil(pixels.max(axis=0)) + pad + 1
    x0, y0 = (int(max(v, 0)) for v in low)
    x1, y1 = int(min(high[0], camera.width)), int(min(high[1], camera.height))
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def _enter(origin: Floats, rays: Floats, solid: Solid, margin: float) -> tuple[Floats, Floats]:
    """Return where rays (3, N) enter and leave the box around the solid."""
    low = np.array([-solid.half[0], 0.0, -solid.half[1]], np.float32)[:, None] - margin
    high = np.array([solid.half[0], solid.height, solid.half[1]], np.float32)[:, None] + margin
    safe = rays + (np.abs(rays) < 1e-6) * np.float32(2e-6)
    first, second = (low - origin) / safe, (high - origin) / safe
    near, far = np.minimum(first, second).max(axis=0), np.maximum(first, second).min(axis=0)
    return np.maximum(near, np.float32(0.05)), far


def _march(
    origin: Floats, rays: Floats, solid: Solid, reach: Floats, far: Floats, angle: float
) -> Bools:
    """Move reach (N) along unit rays (3, N) until the surface is nearer than angle * reach.

    Returns which rays came that near before leaving the box at far (N); reach changes in place.
    """
    touched = np.zeros(reach.shape, bool)
    active = np.flatnonzero(far > reach)
    for _ in range(32):
        if not active.size:
            break
        along = reach[active]
        gap = solid.distance(origin + rays[:, active] * along)
        near = gap < np.float32(angle) * along
        touched[active[near]] = True
        along += gap * np.float32(0.95)
        kept = ~near & (along < far[active])
        reach[active[~near]] = along[~near]
        active = active[kept]
    # whatever creeps this long along a surface is on it, or within a pixel of it
    if active.size:
        gap = solid.distance(origin + rays[:, active] * reach[active])
        touched[active[gap < np.float32(4.0 * angle) * reach[active]]] = True
    return touched


def _march_all(origin: Floats, rays: Floats, solid: Solid, angle: float) -> tuple[Floats, Bools]:
    """March unit rays (3, h, w) an angle apart: blocks of 4x4 first, then what is left of them."""
    high, wide = rays.shape[1:]
    flat = rays.reshape(3, -1)
    reach, far = _enter(origin, flat, solid, 0.01)
    if high * wide > 3000:
        rows, columns = (np.minimum(np.arange(0, n, 4) + 1, n - 1) for n in (high, wide))
        few = np.ascontiguousarray(rays[:, rows][:, :, columns])
        spread = 3.4 * angle  # from the chosen ray to the farthest of its block, and some more
        margin = 0.01 + spread * float(np.linalg.norm(origin))
        start, end = _enter(origin, few.reshape(3, -1), solid, margin)
        alive = _march(origin, few.reshape(3, -1), solid, start, end, spread)
        shape, repeat = few.shape[1:], np.ones((4, 4), np.float32)
        blocks = np.kron(start.reshape(shape), repeat)[:high, :wide].ravel()
        open_rays = np.kron(alive.reshape(shape), repeat)[:high, :wide].ravel() > 0
        # a step back, because the block's ray may have gone deeper than its neighbours can
        reach = np.maximum(reach, blocks * np.float32(1.0 - 2.0 * spread))
        far = np.where(open_rays, far, np.float32(-1.0))
    return reach, _march(origin, flat, solid, reach, far, 0.4 * angle)


def _normals(points: Floats, solid: Solid, step: float) -> Floats:
    """Return outward unit normals (3, N) by four differences on a tetrahedron."""
    total = np.zeros_like(points)
    for sign in ((1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1)):
        direction = np.array(sign, np.float32)[:, None]
        total += direction * solid.distance(points + direction * np.float32(step))
    return np.asarray(total / (np.linalg.norm(total, axis=0) + 1e-9), np.float32)


def _shade(points: Floats, normals: Floats, rays: Floats, thing: Placed, look: Look) -> Floats:
    """Return lit colours (3, N) of surface points (3, N) seen along unit rays (3, N)."""
    solid = thing.solid
    albedo, gloss, glow = solid.paint(points, normals)
    sun = turn(thing.yaw).T @ look.sun
    facing = np.clip(np.tensordot(sun, normals, 1), 0.0, 1.0)
    # a probe towards the sun and one along the normal stand for shadows and occlusion
    lifted = points + normals * np.float32(0.03)
    shadow = np.ones_like(facing)
    if look.sunlight.max() > 0.3 and solid.trace is None:
        for length in (0.06, 0.16, 0.4):
            gap = solid.distance(lifted + sun[:, None] * np.float32(length))
            shadow = np.minimum(shadow, np.clip(0.25 + 4.0 * gap / length, 0.0, 1.0))
    around = np.clip(solid.distance(points + normals * np.float32(0.16)) / 0.16, 0.2, 1.0)
    floor = smoothstep(-0.05, 0.35, points[1]) * 0.35 + 0.65
    sky = (0.62 + 0.38 * normals[1]) * around * floor
    ambient, sunlight = look.ambient[:, None], look.sunlight[:, None]
    lit = albedo.T * (ambient * sky + sunlight * (facing * shadow))
    back = rays - 2.0 * np.sum(rays * normals, axis=0) * normals
    grazing = np.power(np.clip(1.0 + np.sum(rays * normals, axis=0), 0.0, 1.0), 3.0)
    upward = smoothstep(-0.12, 0.12, back[1])
    ground = look.asphalt * (look.ambient + look.sunlight * look.sun[1]) * np.float32(0.6)
    mirrored = ground[:, None] + (look.horizon * 0.75 - ground)[:, None] * upward
    lit += (gloss * (0.10 + 0.6 * grazing) * around) * mirrored
    glint = np.power(np.clip(np.tensordot(sun, back, 1), 0.0, 1.0), 40.0) * gloss * shadow
    return np.asarray(lit + (glint * np.float32(0.8)) * sunlight + glow.T, np.float32)


def _surface(
    origin: Floats, rays: Floats, solid: Solid, angle: float, step: float
) -> tuple[npt.NDArray[np.intp], Floats, Floats]:
    """Return which unit rays (3, h, w) hit; points and normals (3, K) where they do."""
    flat = rays.reshape(3, -1)
    if solid.trace is not None:
        reach, normals = solid.trace(origin, flat)
        hit = np.flatnonzero(np.isfinite(reach))
        return hit, origin + flat[:, hit] * reach[hit], normals[:, hit]
    reach, touched = _march_all(origin, rays, solid, angle)
    hit = np.flatnonzero(touched)
    points = origin + flat[:, hit] * reach[hit]
    return hit, points, _normals(points, solid, step)


def render_solid(camera: Camera, thing: Placed, look: Look) -> Layer | None:
    """Draw a solid on nothing; None where the camera does not see it."""
    area = region(camera, _corners(thing))
    if area is None:
        return None
    x0, y0, x1, y1 = area
    pixels = (x1 - x0) * (y1 - y0)
    fine = 4 if pixels < 150 else 3 if pixels < 700 else 2 if pixels < 6000 else 1
    if thing.label != EXACT:
        fine = min(fine, 2)
    grid = (np.arange(fine, dtype=np.float32) + 0.5) / fine - 0.5
    columns = (np.arange(x0, x1, dtype=np.float32)[:, None] + grid).ravel()
    rows = (np.arange(y0, y1, dtype=np.float32)[:, None] + grid).ravel()
    local = turn(thing.yaw)
    rays = camera.rays(floats(columns), floats(rows)).reshape(3, -1)
    rays = local.T @ (rays / np.linalg.norm(rays, axis=0))
    origin = local.T @ np.array([-thing.x, camera.elevation, -thing.z], np.float32)
    step = max(0.006, 0.5 * thing.z / camera.focal / fine)
    angle = 1.0 / (camera.focal * fine)
    grid_rays = rays.reshape(3, rows.size, columns.size)
    hit, points, normals = _surface(origin[:, None], grid_rays, thing.solid, angle, step)
    if not hit.size:
        return None
    rgb = np.zeros((rays.shape[1], 4), np.float32)
    rgb[hit, :3] = look.haze(_shade(points, normals, rays[:, hit], thing, look), thing.z).T
    rgb[hit, 3] = 1.0
    layer = rgb.reshape(rows.size, columns.size, 4)
    if fine > 1:
        layer = np.asarray(
            cv2.resize(layer, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA), np.float32
        )
        covered = layer[..., 3] >= 0.5
    else:
        covered = layer[..., 3] > 0.5
        layer = np.asarray(cv2.GaussianBlur(layer, (3, 3), 0.55), np.float32)
    return Layer((slice(y0, y1), slice(x0, x1)), layer, np.asarray(covered, np.bool_))


def draw_solid(
    canvas: Floats, labels: Bytes, camera: Camera, thing: Placed, look: Look
) -> Layer | None:
    """Draw a solid into canvas (H, W, 3) and labels (H, W), in place; return what was drawn."""
    layer = render_solid(camera, thing, look)
    if layer is not None:
        lay_layer(canvas[layer.area], layer.light)
        labels[layer.area][layer.covered] = thing.label
    return layer


def cast_shadow(
    view: Ground, camera: Camera, thing: Placed, look: Look, sunlit: Floats, open_sky: Floats
) -> None:
    """Darken sunlit and open_sky (h, W), in place, where a solid keeps light from the ground."""
    reach = min(thing.solid.height * float(np.hypot(look.sun[0], look.sun[2]) / look.sun[1]), 7.0)
    flat = -look.sun[[0, 2]] / max(float(np.hypot(look.sun[0], look.sun[2])), 1e-6) * reach
    base = _corners(thing, 0.5)[[0, 1, 4, 5]]
    spot = np.array([flat[0], 0.0, flat[1]], np.float32)
    base[:, 1] = 0.0
    area = region(camera, np.concatenate([base, base + spot]))
    if area is None or thing.z > 130.0:
        return
    x0, y0, x1, y1 = area
    y0 = max(y0, view.top)
    if y1 <= y0:
        return
    stride = 1 + sum((x1 - x0) * (y1 - y0) > size for size in (2500, 9000, 30000))
    rows, columns = slice(y0 - view.top, y1 - view.top), slice(x0, x1)
    every = (slice(y0 - view.top, y1 - view.top, stride), slice(x0, x1, stride))
    x, z = view.x[every] - thing.x, view.z[every] - thing.z
    back = turn(thing.yaw).T
    points = np.stack([back[0, 0] * x + back[0, 2] * z, np.zeros_like(x),
                       back[2, 0] * x + back[2, 2] * z])  # fmt: skip
    points = points.reshape(3, -1)
    sun, solid, sunny = back @ look.sun, thing.solid, look.sunlight.max() > 0.3
    gap = solid.distance(points)
    shade_open = 0.28 + 0.72 * smoothstep(-0.02, 0.45, gap)
    bright = np.ones_like(gap)
    if sunny and thing.z < 50.0:
        along = np.full_like(gap, 0.02)
        for _ in range(10):
            gap = solid.distance(points + sun[:, None] * along)
            bright = np.minimum(bright, np.clip(0.5 + 9.0 * gap / (along + 0.15), 0.0, 1.0))
            along = along + np.clip(gap, 0.05, 0.8)
    size = (x1 - x0, y1 - y0)
    for target, values in ((open_sky, shade_open), (sunlit, bright)):
        small = np.ascontiguousarray(values.reshape(x.shape))
        target[rows, columns] *= small if stride == 1 else np.asarray(cv2.resize(small, size))
