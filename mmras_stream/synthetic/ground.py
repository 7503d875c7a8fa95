"""The road plane seen from above the bonnet: asphalt, markings, verge, and shadows on them."""

from dataclasses import dataclass

import numpy as np

from mmras_stream.synthetic.camera import Camera
from mmras_stream.synthetic.canvas import interleave, spread
from mmras_stream.synthetic.look import Bytes, Floats, Look, bumps, colour, floats, smoothstep

FARTHEST_METRES = 700.0
ROAD, VERGE = 0, 1


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What each pixel from row `top` downwards sees of the road plane; arrays are (h, W).

    `x`, `z` are level metres, `s`, `d` road metres, `seen` is false above the horizon,
    `long` and `across` (h, 1) are the size of a pixel on the road, in metres.
    """

    top: int
    x: Floats
    z: Floats
    s: Floats
    d: Floats
    seen: Floats
    long: Floats
    across: Floats


def look_down(camera: Camera) -> Ground:
    """Intersect the pixels below the horizon with the road plane."""
    columns = np.arange(camera.width, dtype=np.float32)
    turned, edge = camera.rotation, columns[[0, -1]]
    x = (edge + 0.5 - camera.centre[0]) / camera.focal
    horizon = camera.centre[1] + camera.focal * (turned[1, 0] * x + turned[1, 2]) / turned[1, 1]
    top = int(np.clip(np.floor(horizon.min()), 0, camera.height - 2))
    rays = camera.rays(columns, np.arange(top, camera.height, dtype=np.float32))
    reach = camera.elevation / np.maximum(-rays[1], np.float32(1e-5))
    z = np.minimum(reach * rays[2], np.float32(FARTHEST_METRES))
    x = rays[0] * (z / rays[2])
    s = z + np.float32(camera.s)
    d = x + np.float32(camera.d) - camera.bend.sideways(camera.s, s)
    middle = z[:, camera.width // 2][:, None]
    long = middle * middle / np.float32(camera.focal * camera.elevation)
    seen = (rays[1] < -1e-5).astype(np.float32)
    return Ground(top, x, z, s, d, seen, long, middle / np.float32(camera.focal))


_GRAINS = ((0.035, 0.04), (0.10, 0.16), (0.35, 0.80), (1.4, 5.0), (7.0, 26.0))
"""Sizes (across, along) in metres of the bumps that make up every surface."""


def _grains(view: Ground) -> list[Floats]:
    fields = []
    for number, (across, along) in enumerate(_GRAINS):
        strength = np.exp(-0.5 * np.square(view.long / (1.2 * along)))
        first = int(np.argmax(strength[:, 0] > 0.03))
        field = np.zeros_like(view.d)
        near = slice(first, None)
        field[near] = bumps(number, view.d[near], view.s[near], across, along) * strength[near]
        fields.append(field)
    return fields


def _band(value: Floats, low: float, high: float, blur: Floats) -> Floats:
    """Return how much of a pixel, blur metres wide, lies between low and high."""
    sharp = 1.0 / np.maximum(blur, np.float32(0.012))
    left = np.clip((value - np.float32(low)) * sharp + 0.5, 0.0, 1.0)
    return floats(left * np.clip((np.float32(high) - value) * sharp + 0.5, 0.0, 1.0))


def _dashes(view: Ground, length: float, period: float) -> Floats:
    """Return how much of a pixel row (h, 1) is covered by dashes across the road."""
    half = floats(0.5 * np.maximum(view.long, np.float32(0.05)))
    middle = view.s[:, view.s.shape[1] // 2][:, None]

    def covered_up_to(s: Floats) -> Floats:
        turns = np.floor(s / np.float32(period))
        return floats(
            turns * np.float32(length) + np.minimum(s - turns * period, np.float32(length))
        )

    return floats((covered_up_to(middle + half) - covered_up_to(middle - half)) / (2.0 * half))


@dataclass(slots=True, eq=False)
class _Mix:
    """A blend of paints, pixel by pixel: laying one on hides what lies under it."""

    shares: list[Floats]
    paints: list[Floats]

    def lay(self, paint: Floats, cover: Floats, shade: Floats | float = 1.0) -> None:
        self.shares = [share * (1.0 - cover) for share in self.shares]
        self.shares.append(cover * shade)
        self.paints.append(paint)


def _asphalt(view: Ground, look: Look, grains: list[Floats]) -> Floats:
    fine, coarse, blotch, patch, wide = grains
    tracks = np.cos(view.d * np.float32(4.0 * np.pi / look.lane_width))
    shade = 1.0 + 0.10 * fine + 0.07 * coarse + 0.06 * blotch + 0.035 * patch + 0.05 * wide
    shade -= tracks * np.float32(0.05 * look.wear)
    near = slice(int(np.argmax(view.z[:, view.z.shape[1] // 2] < 42.0)), None)
    snake = np.exp(-np.square((patch[near] + 0.25) * np.float32(16.0)))
    snake *= np.clip(1.4 - view.z[near] / 30.0, 0.0, 1.0) * (blotch[near] > -0.2)
    shade[near] -= snake * np.float32(0.30 * look.wear)
    return floats(shade)


def _lay_verge(mix: _Mix, look: Look, grains: list[Floats], away: Floats) -> None:
    fine, coarse, blotch, patch, wide = grains
    tufts = 1.0 + 0.26 * (fine + coarse) + 0.20 * blotch + 0.12 * patch
    tufts = np.maximum(tufts, np.float32(0.25))
    far = smoothstep(look.road_half + 5.0, look.road_half + 9.0, away + patch)
    far = np.minimum(far * (0.75 + 0.25 * wide), np.float32(1.0))
    dry = np.clip(0.25 + 0.22 * blotch + 0.2 * wide, 0.0, 0.7)
    mix.shares, mix.paints = [tufts], [look.grass]
    mix.lay(colour(150, 140, 92), dry, tufts)
    mix.lay(look.field, np.maximum(far, np.float32(0.0)), tufts)


def _lay_pavement(mix: _Mix, view: Ground, look: Look, grains: list[Floats], away: Floats) -> None:
    shade = 1.0 + 0.05 * (grains[0] + grains[2] + grains[3]) + 0.04 * grains[1]
    joint = np.abs(np.mod(away - look.road_half, 0.8) - 0.4) > 0.385
    shade -= 0.2 * np.maximum(joint * np.exp(-view.across * 40.0), _dashes(view, 0.03, 0.8))
    paved = _band(away, 0.0, look.road_half + 2.6, view.across)
    mix.lay(colour(150, 147, 143), paved, shade)
    mix.lay(colour(176, 174, 170), _band(away, 0.0, look.road_half + 0.16, view.across))


def ground_albedo(view: Ground, look: Look) -> Floats:
    """Return the colour (3, h, W) of the ground before light falls on it."""
    grains, mix = _grains(view), _Mix([], [])
    fine, coarse, blotch, patch, _ = grains
    away = np.abs(view.d)
    _lay_verge(mix, look, grains, away)
    if look.town:
        _lay_pavement(mix, view, look, grains, away)
        ragged = away
    else:
        ragged = away + 0.05 * blotch + 0.03 * coarse
        gravel = 1.0 - smoothstep(look.road_half + 0.1, look.road_half + 0.55, ragged)
        mix.lay(colour(142, 132, 116), gravel, 1.0 + 0.22 * fine + 0.16 * coarse)
    road = _band(ragged, -1.0, look.road_half, view.across)
    mix.lay(look.asphalt, road, _asphalt(view, look, grains))
    worn = np.clip(coarse + blotch + 0.6 * patch, 0.0, 3.0) * np.float32(-0.16 * look.wear) + 0.92
    edge = _band(away, look.lane_width - 0.06, look.lane_width + 0.06, view.across)
    mix.lay(colour(214, 214, 208), edge * worn)
    centre = _band(view.d, -0.06, 0.06, view.across) * _dashes(view, 3.0, 9.0)
    paint = colour(216, 168, 60) if look.yellow_centre else colour(216, 216, 210)
    mix.lay(paint, centre * worn)
    blend = np.stack([share.ravel() for share in mix.shares])
    albedo = np.stack(mix.paints, axis=1).astype(np.float32) @ blend.astype(np.float32, copy=False)
    return albedo.reshape(3, *view.d.shape)


def paint_ground(
    canvas: Floats, labels: Bytes, view: Ground, look: Look, sunlit: Floats, open_sky: Floats
) -> None:
    """Draw the ground into canvas (H, W, 3) and labels (H, W).

    Args:
        canvas: Linear RGB, changed in place.
        labels: Label ids, changed in place.
        view: What each pixel sees.
        look: Light and materials.
        sunlit: (h, W) in 0..1, how much of the sun reaches the ground.
        open_sky: (h, W) in 0..1, how much of the sky the ground sees.
    """
    albedo = ground_albedo(view, look)
    direct = look.sunlight * np.float32(0.25 + 0.75 * look.sun[1])
    light = look.ambient[:, None, None] * open_sky + direct[:, None, None] * sunlit
    lit = interleave(look.haze(albedo * light, view.z))
    np.copyto(canvas[view.top :], lit, where=spread(view.seen) > 0.5)
    kind = np.where(np.abs(view.d) <= look.road_half, np.uint8(ROAD), np.uint8(VERGE))
    np.copyto(labels[view.top :], kind, where=view.seen > 0.5)
