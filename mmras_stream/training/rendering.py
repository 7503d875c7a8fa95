"""Solid things seen by a camera, to be pasted like what is cut out of photographs."""

from __future__ import annotations

import numpy as np

from mmras_stream.synthetic.camera import level_camera
from mmras_stream.synthetic.compounds import compound
from mmras_stream.synthetic.cutouts import Cutout
from mmras_stream.synthetic.look import choose_look
from mmras_stream.synthetic.obstacles import OBSTACLES
from mmras_stream.synthetic.solids import EXACT, Placed, Solid, render_solid

COMPOUND_SHARE = 0.6
"""Of rendered things; the others are of a kind that drawn scenes show."""

_PIXELS = (24, 112)  # of the larger side
_METRES = (3.0, 40.0)  # away
_CAMERA_METRES = (0.9, 2.0)  # above the road
_LEAST_COVER = 30.0  # pixels


def rendered_thing(rng: np.random.Generator) -> Cutout:
    """Build a solid thing, and look at it from a car: in some light, from some distance."""
    while True:
        seen = _seen(strange_solid(rng), rng)
        if seen is not None:
            return seen


def strange_solid(rng: np.random.Generator) -> Solid:
    """Build a solid thing of a kind that drawn scenes show, or of none."""
    if rng.random() < COMPOUND_SHARE:
        return compound(rng)
    kinds = sorted(OBSTACLES)
    return OBSTACLES[kinds[int(rng.integers(len(kinds)))]](rng)


def _seen(solid: Solid, rng: np.random.Generator) -> Cutout | None:
    """Return what a camera sees of a solid, trimmed; None where that is next to nothing."""
    pixels, metres = (float(np.exp(rng.uniform(*np.log(span)))) for span in (_PIXELS, _METRES))
    focal = pixels * metres / max(solid.height, *solid.half)
    elevation, side = float(rng.uniform(*_CAMERA_METRES)), int(6 * pixels)
    # the thing's foot in the middle of the picture, wherever the horizon is then
    middle = (side / 2, side / 2 - focal * elevation / metres)
    camera = level_camera(
        height=side, width=side, focal=focal, elevation=elevation, principal=middle
    )
    placed = Placed(solid, 0.0, metres, float(rng.uniform(-np.pi, np.pi)), EXACT)
    layer = render_solid(camera, placed, choose_look(int(rng.integers(2**31))))
    if layer is None or layer.light[..., 3].sum() < _LEAST_COVER:
        return None
    rows, columns = np.nonzero(layer.light[..., 3] > 0.5)
    if not rows.size:
        return None
    box = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    cover = np.clip(layer.light[box][..., 3], 0.0, 1.0)
    light = layer.light[box][..., :3] / np.maximum(cover, 1e-3)[..., None]
    exposed = np.sqrt(np.clip(light * rng.uniform(0.6, 1.2), 0.0, 1.0))
    return Cutout((exposed * 255).astype(np.uint8), cover)
