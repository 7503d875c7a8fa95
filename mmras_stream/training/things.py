"""Strange things to paste: cut out of photographs, out of foreign texture, or drawn as solids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from mmras_stream.synthetic.cutouts import Cutout
from mmras_stream.training.rendering import rendered_thing
from mmras_stream.types import Image, Mask


@dataclass(frozen=True, slots=True, eq=False)
class Supply:
    """What strange things are made from."""

    cutouts: Sequence[Cutout]
    pictures: Sequence[Image]
    crop: Image
    """The picture that they will stand on."""
    ground: Mask
    """Where that shows road."""


def texture_patch(image: Image, rng: np.random.Generator) -> Image:
    """Cut a rectangle of 16 pixels to half the picture each way."""
    height, width = image.shape[:2]
    h, w = (int(rng.integers(16, max(17, side // 2))) for side in (height, width))
    y, x = int(rng.integers(max(1, height - h))), int(rng.integers(max(1, width - w)))
    return image[y : y + h, x : x + w]


def _cutout(supply: Supply, rng: np.random.Generator) -> Cutout:
    """A photographed thing, longer or taller, paler, darker or of another tint."""
    whole = supply.cutouts[int(rng.integers(len(supply.cutouts)))]
    height, width = whole.alpha.shape
    size = (max(2, round(width * float(np.exp(rng.uniform(-0.2, 0.2))))), height)
    pixels = cv2.resize(whole.image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    grey = pixels.mean(axis=2, keepdims=True)
    pixels = grey + (pixels - grey) * rng.uniform(0.3, 1.3)
    pixels = 128 + (pixels - 128) * rng.uniform(0.6, 1.1) + rng.normal(0, 18)
    alpha = np.asarray(cv2.resize(whole.alpha, size), np.float32)
    return Cutout(np.clip(pixels * rng.normal(1, 0.06, 3), 0, 255).astype(np.uint8), alpha)


def _silhouette(supply: Supply, rng: np.random.Generator) -> Cutout:
    """The outline of a cut-out, filled with something else."""
    whole = supply.cutouts[int(rng.integers(len(supply.cutouts)))]
    height, width = whole.alpha.shape
    texture = cv2.resize(_foreign(supply, rng), (width, height), interpolation=cv2.INTER_AREA)
    return Cutout(_shaded(_recoloured(np.asarray(texture, np.uint8), rng), rng), whole.alpha)


def _shape(supply: Supply, rng: np.random.Generator) -> Cutout:
    """A polygon, ellipse or rectangle out of another picture, perhaps recoloured."""
    texture = _foreign(supply, rng)
    height, width = texture.shape[:2]
    alpha = np.zeros((height, width), np.float32)
    kind = rng.integers(3)
    centre, half = np.array([width, height]) / 2, np.array([width, height]) / 2 - 1
    if kind == 0:
        cv2.ellipse(alpha, _ints(centre), _ints(half), 0, 0, 360, 1.0, -1, cv2.LINE_AA)
    else:
        corners = 4 if kind == 1 else int(rng.integers(5, 12))
        angle = np.sort(rng.uniform(0, 2 * np.pi, corners)) if kind == 2 else _square(rng)
        radius = rng.uniform(0.55, 1.0, corners) if kind == 2 else np.full(corners, 1.2)
        ring = np.stack([np.cos(angle), np.sin(angle)], 1) * radius[:, None]
        points = centre + np.clip(ring, -1, 1) * half
        cv2.fillPoly(alpha, [points.astype(np.int32)], 1.0, cv2.LINE_AA)
    return Cutout(_shaded(_recoloured(texture, rng), rng), alpha)


def _box(supply: Supply, rng: np.random.Generator) -> Cutout:
    """A box seen from a corner: front, side and top, each lit differently."""
    texture = _foreign(supply, rng)
    height, width = texture.shape[:2]
    side, top = rng.uniform(0.0, 0.45) * width, rng.uniform(0.05, 0.3) * height
    slant = side * rng.uniform(0.2, 0.6)
    image = texture.copy() if rng.random() < 0.5 else _plain_colour(texture, rng)
    alpha = np.zeros((height, width), np.float32)
    front = [(0, top), (width - side, top), (width - side, height), (0, height)]
    flank = [(width - side, top), (width, top - top), (width, height - slant)]
    flank.append((width - side, height))
    lid = [(0, top), (side * 0.9, 0), (width, 0), (width - side, top)]
    light = np.zeros((height, width), np.float32)
    for face, level in zip((front, flank, lid), rng.uniform(0.45, 1.25, 3), strict=True):
        points = np.array(face).astype(np.int32)
        cv2.fillPoly(alpha, [points], 1.0, cv2.LINE_AA)
        cv2.fillPoly(light, [points], float(level))
    return Cutout(np.clip(image * light[..., None], 0, 255).astype(np.uint8), alpha)


def _blob(supply: Supply, rng: np.random.Generator) -> Cutout:
    """A lumpy outline filled with hide, fur or whatever a cut-out is covered with."""
    donor = _cutout(supply, rng)
    rows, cols = np.nonzero(donor.alpha > 0.9)
    (top, bottom), (left, right) = (
        np.quantile(part, [0.3, 0.7]).astype(int) for part in (rows, cols)
    )
    size = (int(rng.integers(32, 128)), int(rng.integers(32, 96)))
    hide = donor.image[top : bottom + 2, left : right + 2]
    image = np.asarray(cv2.resize(hide, size), np.uint8)
    return Cutout(_shaded(_recoloured(image, rng), rng), _lumpy(size[1], size[0], rng))


def _camouflage(supply: Supply, rng: np.random.Generator) -> Cutout:
    """A thing in the very colour and grain of the road it lies on, known by its shading alone."""
    places = np.flatnonzero(supply.ground)
    height, width = supply.ground.shape
    if not places.size:
        return _solid(supply, rng)
    row, col = divmod(int(places[rng.integers(places.size)]), width)
    top, left = min(max(row - 16, 0), height - 32), min(max(col - 24, 0), width - 48)
    road = supply.crop[top : top + 32, left : left + 48]
    tinted = np.clip(road * rng.uniform(0.6, 1.5) + rng.normal(0, 8, 3), 0, 255)
    height, width = road.shape[:2]
    alpha, light = _lit_solid(height, width, rng)
    if rng.random() < 0.5:
        return Cutout(_shaded(tinted.astype(np.uint8), rng), _lumpy(height, width, rng))
    return Cutout(np.clip(tinted * light[..., None], 0, 255).astype(np.uint8), alpha)


def _solid(supply: Supply, rng: np.random.Generator) -> Cutout:
    """A ball, barrel or cone lit from one side."""
    height, width = int(rng.integers(40, 97)), int(rng.integers(24, 97))
    texture = cv2.resize(_foreign(supply, rng), (width, height), interpolation=cv2.INTER_AREA)
    image = _recoloured(np.asarray(texture, np.uint8), rng)
    alpha, light = _lit_solid(height, width, rng)
    return Cutout(np.clip(image * light[..., None], 0, 255).astype(np.uint8), alpha)


def _rendered(supply: Supply, rng: np.random.Generator) -> Cutout:
    """A solid thing seen by a camera, of a kind that drawn scenes show or of none."""
    del supply
    return rendered_thing(rng)


def _patch(supply: Supply, rng: np.random.Generator) -> Cutout:
    """A whole rectangle of another picture, nothing cut away."""
    texture = _foreign(supply, rng)
    return Cutout(texture, np.ones(texture.shape[:2], np.float32))


def _ring(supply: Supply, rng: np.random.Generator) -> Cutout:
    """A tyre: dark, round or lying, the hole showing what is behind."""
    height, width = int(rng.integers(24, 97)), int(rng.integers(64, 97))
    texture = cv2.resize(_foreign(supply, rng), (width, height), interpolation=cv2.INTER_AREA)
    across, down = _plane(height, width)
    reach, hole = np.hypot(across, down), rng.uniform(0.35, 0.65)
    alpha = ((reach < 1) & (reach > hole)).astype(np.float32)
    bulge = 1 - (2 * (reach - hole) / (1 - hole) - 1) ** 2
    light = rng.uniform(0.2, 0.9) * (0.4 + 0.6 * np.clip(bulge, 0, 1) * (1 - 0.5 * down))
    image = _plain_colour(np.asarray(texture, np.uint8), rng)
    return Cutout(np.clip(image * light[..., None], 0, 255).astype(np.uint8), alpha)


KINDS: dict[str, Callable[[Supply, np.random.Generator], Cutout]] = {
    "cutout": _cutout,
    "silhouette": _silhouette,
    "shape": _shape,
    "box": _box,
    "blob": _blob,
    "camouflage": _camouflage,
    "solid": _solid,
    "rendered": _rendered,
    "patch": _patch,
    "ring": _ring,
}
"""What a recipe's `kinds` may name."""

NEED_CUTOUTS = ("cutout", "blob")
"""Of these, what cannot be made without cut-outs."""


def _foreign(supply: Supply, rng: np.random.Generator) -> Image:
    return texture_patch(supply.pictures[int(rng.integers(len(supply.pictures)))], rng)


def _plane(height: int, width: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Coordinates of the pixels, -1..1 across and down."""
    down, across = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    return across, down


def _lit_solid(
    height: int, width: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Outline and Lambert shading of a ball, an upright barrel or a cone."""
    across, down = _plane(height, width)
    kind = rng.integers(3)
    if kind == 0:
        reach, tilt = np.hypot(across, down), down
        side = across
    else:
        taper = np.ones_like(down) if kind == 1 else np.clip((down + 1.1) / 2.1, 0.05, 1)
        side, tilt = across / taper, np.full_like(down, 0.0 if kind == 1 else -0.3)
        reach = np.abs(side)
    towards = np.sqrt(np.clip(1 - side**2 - tilt**2, 0, 1))
    angle, rise = rng.uniform(-1.3, 1.3), rng.uniform(-1.0, -0.2)
    lamp = np.array([np.sin(angle), rise, np.cos(angle)], np.float32)
    lamp /= np.linalg.norm(lamp)
    lit = np.clip(side * lamp[0] + tilt * lamp[1] + towards * lamp[2], 0, 1)
    light = rng.uniform(0.25, 0.6) + rng.uniform(0.5, 0.9) * lit
    return (reach < 1).astype(np.float32), light.astype(np.float32)


def _lumpy(height: int, width: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """An outline whose radius wanders as a few waves of the angle."""
    across, down = _plane(height, width)
    angle, reach = np.arctan2(down, across), np.hypot(across, down)
    rim = np.full_like(reach, 0.75)
    for wave in range(1, 7):
        rim += rng.normal(0, 0.16 / wave**0.5) * np.cos(wave * angle + rng.uniform(0, 2 * np.pi))
    return (reach < np.clip(rim, 0.25, 1)).astype(np.float32)


def _recoloured(image: Image, rng: np.random.Generator) -> Image:
    chance = rng.random()
    if chance < 0.35:
        return image[..., rng.permutation(3)]
    return _plain_colour(image, rng) if chance < 0.7 else image


def _plain_colour(image: Image, rng: np.random.Generator) -> Image:
    grain = image.astype(np.float32).mean(axis=2, keepdims=True)
    grain = (grain - grain.mean()) * rng.uniform(0.0, 0.5)
    coloured: Image = np.clip(rng.uniform(10, 245, 3) + grain, 0, 255).astype(np.uint8)
    return coloured


def _shaded(image: Image, rng: np.random.Generator) -> Image:
    height, width = image.shape[:2]
    top, bottom, left, right = (float(v) for v in rng.uniform(0.75, 1.25, 4))
    down = np.linspace(top, bottom, height, dtype=np.float32)[:, None]
    across = np.linspace(left, right, width, dtype=np.float32)[None]
    shaded: Image = np.clip(image * (down * across)[..., None], 0, 255).astype(np.uint8)
    return shaded


def _square(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    return np.arange(4) * np.pi / 2 + np.pi / 4 + rng.uniform(-0.3, 0.3)


def _ints(values: npt.NDArray[np.float64]) -> tuple[int, int]:
    return int(values[0]), int(values[1])
