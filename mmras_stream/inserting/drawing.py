"""Draw things into a picture so that they belong there, and keep account of every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from mmras_stream.inserting.supply import Thing
from mmras_stream.synthetic.camera import Camera
from mmras_stream.synthetic.cutouts import Cutout
from mmras_stream.synthetic.look import Floats, Look, colour, floats, smoothstep
from mmras_stream.synthetic.solids import Placed, Solid, render_solid
from mmras_stream.types import Image, Mask

_SUN = np.array([0.32, 0.85, -0.42], np.float32)

LOOK = Look(
    weather="overcast", sun=_SUN / np.float32(np.linalg.norm(_SUN)),
    sunlight=colour(255, 250, 240) * np.float32(0.55),
    ambient=colour(240, 244, 250) * np.float32(0.95),
    zenith=colour(150, 160, 172), horizon=colour(208, 212, 216), cloud=colour(226, 228, 232),
    cloudiness=1.0, haze_per_metre=0.0, dark=False, town=False, lane_width=3.3,
    asphalt=colour(105, 105, 105), grass=colour(110, 120, 60), field=colour(150, 150, 90),
    leaves=colour(90, 100, 46), wear=0.5, yellow_centre=False,
)  # fmt: skip
"""Soft light from above and behind, which contradicts no drive; its strength follows the road."""

_CLEAR_METRES = 260.0
_PHOTO_GREY = 0.2
"""Linear light of a road in the photographs that things are cut out of."""
_SHUTTER = 0.25
"""Share of the time between frames during which the camera looks."""
_FOLLOWS_LIGHT = 0.25
_GRAIN = 1.2
_SHADOW = 0.6


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A thing before the camera: metres to the right and ahead, radians to the right."""

    track_id: int
    thing: Thing
    right: float
    ahead: float
    yaw: float
    blur: tuple[float, float]
    """Pixels by which it moves until the next frame, x and y."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A picture with things, and the truth about them."""

    image: Image
    ids: npt.NDArray[np.int32]
    """(H, W), 0 where nothing was put."""
    silhouettes: dict[int, int]
    """Track id -> pixels it would have if nothing of the frame hid it."""


@dataclass(frozen=True, slots=True, eq=False)
class _Sprite:
    """A thing in display colours: where it lies, premultiplied RGB in 0..1, coverage (h, w)."""

    top: int
    left: int
    colour: Floats
    cover: Floats


class Painter:
    """Draws the things of one drive, frame after frame; the light on each changes gently.

    Args:
        outside: (H, W), where things may be seen.
        seed: Of the grain.
    """

    def __init__(self, outside: Mask, *, seed: int) -> None:
        self._outside = outside
        self._seed = seed
        self._light: dict[int, Floats] = {}
        self._softness = 0.35 + 0.3 * outside.shape[1] / 1280

    def draw(self, image: Image, camera: Camera, things: Sequence[Seen], index: int) -> Drawn:
        """Return frame `index` (H, W, 3) with things drawn in, the farthest first."""
        canvas = image.astype(np.float32) / np.float32(255)
        ids = np.zeros(image.shape[:2], np.int32)
        silhouettes: dict[int, int] = {}
        order = sorted(things, key=lambda seen: -seen.ahead)
        for seen in order:
            _cast_shadow(canvas, camera, seen, self._outside)
        grain = np.random.default_rng([self._seed, index])
        for seen in order:
            sprite = self._sprite(image, camera, seen)
            if sprite is not None:
                silhouettes[seen.track_id] = self._lay(canvas, ids, sprite, seen.track_id, grain)
        changed = np.clip(canvas * 255 + 0.5, 0, 255).astype(np.uint8)
        return Drawn(changed, ids, silhouettes)

    def _sprite(self, image: Image, camera: Camera, seen: Seen) -> _Sprite | None:
        light = self._light_on(image, camera, seen)
        shape = seen.thing.shape
        if isinstance(shape, Solid):
            sprite = _solid_sprite(camera, seen, shape, light)
        else:
            sprite = _photo_sprite(camera, seen, shape, light)
        return None if sprite is None else _softened(sprite, self._softness, seen.blur)

    def _light_on(self, image: Image, camera: Camera, seen: Seen) -> Floats:
        """Return the linear light (3) that the road around a thing sends back, smoothed in time."""
        x, y = _foot(camera, seen)
        size = camera.focal / seen.ahead
        rows = slice(max(0, int(y - 0.2 * size)), max(1, int(y + 0.3 * size) + 2))
        columns = slice(max(0, int(x - 0.9 * size)), max(1, int(x + 0.9 * size) + 2))
        around = image[rows, columns].reshape(-1, 3)
        before = self._light.get(seen.track_id)
        if not around.size:
            return before if before is not None else np.full(3, 0.1, np.float32)
        now = floats(np.square(np.median(around, axis=0) / 255.0))
        if before is not None:
            now = floats(before + _FOLLOWS_LIGHT * (now - before))
        self._light[seen.track_id] = now
        return now

    def _lay(
        self, canvas: Floats, ids: npt.NDArray[np.int32], sprite: _Sprite, track_id: int,
        grain: np.random.Generator,
    ) -> int:  # fmt: skip
        """Blend a sprite in, in place; return how many pixels its own shape covers."""
        there, here = overlap(ids.shape, sprite.cover.shape, sprite.top, sprite.left)
        cover, light = sprite.cover[here], sprite.colour[here]
        if not cover.size:
            return int((sprite.cover > 0.5).sum())
        shown = cover * self._outside[there]
        noise = grain.standard_normal(cover.shape, np.float32) * np.float32(_GRAIN / 255)
        patch = canvas[there]
        patch *= 1.0 - shown[..., None]
        patch += (light + (noise * cover)[..., None]) * self._outside[there][..., None]
        ids[there][shown > 0.5] = track_id
        return int((sprite.cover > 0.5).sum())


def overlap(
    outer: tuple[int, ...], inner: tuple[int, ...], top: int, left: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the part of an outer picture that an inner one at top, left covers, and vice versa."""
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + inner[0], outer[0]), min(left + inner[1], outer[1])
    there = (slice(y0, max(y1, y0)), slice(x0, max(x1, x0)))
    return there, (slice(y0 - top, max(y1, y0) - top), slice(x0 - left, max(x1, x0) - left))


def _foot(camera: Camera, seen: Seen) -> tuple[float, float]:
    pixels, _ = camera.project(np.array([[seen.right, 0.0, seen.ahead]], np.float32))
    return float(pixels[0, 0]), float(pixels[0, 1])


def _tinted(light: Floats, usual: float) -> Floats:
    """Return the factor (3) from usual light to that of a road, with half its tint."""
    level = float(light.mean()) + 1e-4
    tint = np.clip(np.sqrt((light + 1e-4) / level), 0.8, 1.25)
    return floats(np.clip(level / usual, 0.01, 2.6) * tint)


def _hazy(rgb: Floats, light: Floats, metres: float) -> Floats:
    """Take contrast from linear colours as far as air does over a distance."""
    clear = np.float32(np.exp(-metres / _CLEAR_METRES))
    return floats(rgb * clear + light * 1.3 * (1.0 - clear))


def _solid_sprite(camera: Camera, seen: Seen, solid: Solid, light: Floats) -> _Sprite | None:
    layer = render_solid(camera, Placed(solid, seen.right, seen.ahead, seen.yaw, 255), LOOK)
    if layer is None:
        return None
    road = LOOK.asphalt * (LOOK.ambient * np.float32(0.9) + LOOK.sunlight * LOOK.sun[1])
    cover = np.clip(layer.light[..., 3], 0.0, 1.0)
    rgb = floats(layer.light[..., :3] / np.maximum(cover, 1e-3)[..., None])
    rgb = _hazy(rgb * _tinted(light, float(road.mean())), light, seen.ahead)
    shown = np.sqrt(np.clip(rgb, 0.0, 1.0)) * cover[..., None]
    rows, columns = layer.area
    return _Sprite(rows.start, columns.start, floats(shown), floats(cover))


def _photo_sprite(camera: Camera, seen: Seen, photo: Cutout, light: Floats) -> _Sprite | None:
    x, y = _foot(camera, seen)
    high = seen.thing.height * camera.focal / seen.ahead
    wide = high * photo.image.shape[1] / photo.image.shape[0]
    if high < 2 or wide < 2 or max(high, wide) > 4 * camera.width:
        return None
    top, left = int(np.floor(y - high)), int(np.floor(x - wide / 2))
    size = (int(np.ceil(wide)) + 2, int(np.ceil(high)) + 2)
    shrink = photo.image.shape[0] / high
    own = np.square(photo.image.astype(np.float32) / 255) * photo.alpha[..., None]
    layer = floats(np.dstack([own, photo.alpha]))
    if shrink > 1:
        smaller = (max(2, round(wide)), max(2, round(high)))
        layer = floats(cv2.resize(layer, smaller, interpolation=cv2.INTER_AREA))
    scale_x, scale_y = wide / layer.shape[1], high / layer.shape[0]
    matrix = np.array([[scale_x, 0, x - wide / 2 - left], [0, scale_y, y - high - top]])
    layer = floats(cv2.warpAffine(layer, matrix, size, flags=cv2.INTER_LINEAR))
    cover = np.clip(layer[..., 3], 0.0, 1.0)
    rgb = floats(layer[..., :3] / np.maximum(cover, 1e-3)[..., None])
    rgb = floats(rgb * np.minimum(_tinted(light, _PHOTO_GREY), 1.5))
    shown = np.sqrt(np.clip(_hazy(rgb, light, seen.ahead), 0.0, 1.0))
    return _Sprite(top, left, floats(shown * cover[..., None]), floats(cover))


def _softened(sprite: _Sprite, softness: float, blur: tuple[float, float]) -> _Sprite:
    """Blur a sprite as the lens does, and along its motion while the shutter is open."""
    dx, dy = _SHUTTER * blur[0], _SHUTTER * blur[1]
    reach = min(24, int(np.ceil(np.hypot(dx, dy) / 2)))
    border = reach + int(np.ceil(3 * softness))
    layer = floats(np.dstack([sprite.colour, sprite.cover]))
    edges = (border, border, border, border, cv2.BORDER_CONSTANT)
    layer = floats(cv2.copyMakeBorder(layer, *edges))
    layer = floats(cv2.GaussianBlur(layer, (0, 0), softness))
    if reach > 0:
        kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
        for share in np.linspace(-0.5, 0.5, 4 * reach + 1):
            row, column = round(reach + share * dy), round(reach + share * dx)
            kernel[min(max(row, 0), 2 * reach), min(max(column, 0), 2 * reach)] += 1
        layer = floats(cv2.filter2D(layer, -1, kernel / kernel.sum()))
    colours, cover = floats(layer[..., :3]), floats(layer[..., 3])
    return _Sprite(sprite.top - border, sprite.left - border, colours, cover)


def _cast_shadow(canvas: Floats, camera: Camera, seen: Seen, outside: Mask) -> None:
    """Darken the road under and right around a thing, in place."""
    half_x, half_z = seen.thing.footprint
    reach = 1.6 * float(np.hypot(half_x, half_z)) + 0.15
    x, z = seen.right, seen.ahead
    if isinstance(seen.thing.shape, Cutout):
        z += half_z  # the lowest pixels of a photograph are what stands nearest
    ends = [[x - reach, 0, z - reach], [x + reach, 0, z - reach], [x, 0, z + reach]]
    points = np.array(ends, np.float32)
    points[:, 2] = np.maximum(points[:, 2], 0.7)
    pixels, _ = camera.project(points)
    low, high = np.floor(pixels.min(axis=0)).astype(int), np.ceil(pixels.max(axis=0)).astype(int)
    there, _ = overlap(outside.shape, (high[1] - low[1] + 1, high[0] - low[0] + 1), low[1], low[0])
    if not outside[there].size:
        return
    rows, columns = np.mgrid[there].astype(np.float32)
    depth = camera.focal * camera.elevation / np.maximum(rows + 0.5 - camera.centre[1], 0.5)
    aside = (columns + 0.5 - camera.centre[0]) * depth / camera.focal - x
    ahead = depth - z
    sin, cos = np.sin(seen.yaw), np.cos(seen.yaw)
    if isinstance(seen.thing.shape, Cutout):
        sin, cos = 0.0, 1.0
    across, along = cos * aside - sin * ahead, sin * aside + cos * ahead
    margin = 0.12
    reached = np.hypot(across / (half_x + margin), along / (half_z + margin))
    dark = _SHADOW * (1.0 - smoothstep(0.55, 1.45, floats(reached))) * outside[there]
    canvas[there] *= (1.0 - dark)[..., None]
