"""The far background: sky, clouds, sun glow, hills, and a line of trees."""

from dataclasses import dataclass

import cv2
import numpy as np

from mmras_stream.synthetic.camera import Camera, turn
from mmras_stream.synthetic.canvas import interleave
from mmras_stream.synthetic.look import (
    Bytes,
    Floats,
    Look,
    cloud_tile,
    colour,
    floats,
    sample,
    smoothstep,
    stream,
)

FAR, SKY = 5, 6
_MARGIN = 40


@dataclass(frozen=True, slots=True, eq=False)
class Panorama:
    """A picture (h, w, 3) of everything too far away to move, and its label ids (h, w)."""

    image: Floats
    labels: Bytes
    focal: float

    def draw(self, canvas: Floats, labels: Bytes, camera: Camera) -> None:
        """Fill canvas and labels, in place, with what the camera sees of the background."""
        high, wide = self.labels.shape
        corners = np.array([[0, 0], [wide - 1, 0], [0, high - 1]], np.float32)
        away = np.ones((3, 3), np.float32)
        away[:, 0] = (corners[:, 0] + 0.5 - wide / 2) / self.focal
        away[:, 1] = (high - _MARGIN - corners[:, 1] - 0.5) / self.focal
        away = away @ turn(-camera.bend.heading(camera.s)).T * 1000.0
        away[:, 1] += camera.elevation
        pixels, _ = camera.project(away)
        matrix = cv2.getAffineTransform(corners, pixels)
        size, same = (camera.width, camera.height), cv2.BORDER_REPLICATE
        cv2.warpAffine(self.image, matrix, size, canvas, cv2.INTER_LINEAR, same)
        cv2.warpAffine(self.labels, matrix, size, labels, cv2.INTER_NEAREST, same)


def _ridge(azimuth: Floats, number: int, per_radian: float, offset: float) -> Floats:
    """Return a skyline (w), zero mean, unit deviation, over azimuths in radians."""
    x = (azimuth * np.float32(per_radian) + np.float32(offset))[None]
    return floats(sample(cloud_tile(number), x, np.full_like(x, offset))[0])


def _sky(x: Floats, y: Floats, look: Look, rng: np.random.Generator) -> Floats:
    up = np.clip(y / 0.48, 0.0, 1.0) ** np.float32(0.65)
    rgb = look.horizon[:, None, None] + (look.zenith - look.horizon)[:, None, None] * up
    norm = np.sqrt(x * x + y * y + 1.0)
    toward = (look.sun[0] * x + look.sun[1] * y + look.sun[2]) / norm
    glow = np.exp((toward - 1.0) * 9.0) * 0.55 + np.exp((toward - 1.0) * 160.0) * 1.6
    if look.sunlight.max() > 0.6:
        rgb += glow * (look.sunlight * np.float32(0.55))[:, None, None]
    depth = 1.0 / np.maximum(y + 0.07, np.float32(0.05))
    shift = np.float32(rng.uniform())
    east, north = x * depth * np.float32(0.055) + shift, depth * np.float32(0.085) + shift
    dense = sample(cloud_tile(0), east, north)
    lit = sample(cloud_tile(0), east + look.sun[0] * np.float32(0.012), north - np.float32(0.012))
    cover = smoothstep(0.55 - look.cloudiness, 1.75 - look.cloudiness, dense)
    cover *= smoothstep(-0.02, 0.16, y)
    bright = np.clip(0.9 + 0.22 * (dense - lit) - 0.10 * (dense - 0.6), 0.55, 1.15)
    light = look.cloud[:, None, None] * bright
    if look.sunlight.max() > 0.6:
        light += glow * (look.sunlight * np.float32(0.25))[:, None, None]
    return np.asarray(rgb + (light - rgb) * (cover * np.float32(0.9)), np.float32)


def paint_panorama(height: int, width: int, focal: float, heading: float, look: Look,
                   seed: int) -> Panorama:  # fmt: skip
    """Paint the background for frames of a size.

    Args:
        height: Height of the frames in pixels.
        width: Width of the frames in pixels.
        focal: Focal length in pixels.
        heading: The largest turn of the road in radians, to either side.
        look: Light and weather.
        seed: Chooses clouds and hills.
    """
    rng = stream(seed, "sky")
    wide = width + 2 * (int(np.ceil(focal * np.tan(heading))) + _MARGIN)
    high = int(np.ceil(height * 0.45)) + 2 * _MARGIN
    azimuth = (np.arange(wide, dtype=np.float32) + 0.5 - wide / 2) / np.float32(focal)
    rise = (high - _MARGIN - np.arange(high, dtype=np.float32) - 0.5) / np.float32(focal)
    x, y = np.meshgrid(azimuth, rise)
    image = _sky(x, np.maximum(y, np.float32(0.0)), look, rng)
    labels = np.full((high, wide), SKY, np.uint8)
    light = look.ambient + look.sunlight * np.float32(0.45)
    layers = (  # skyline in radians, roughness in radians, waves per radian, colour, haze metres
        (0.050, 0.014, 0.9, colour(96, 112, 112), 1100.0),
        (0.030, 0.010, 1.6, colour(84, 104, 78), 650.0),
        (0.014, 0.003, 5.0, look.leaves * 0.7, 330.0),
    )
    for number, (base, rough, waves, tint, distance) in enumerate(layers):
        base *= float(rng.uniform(0.6, 1.4))
        shape = _ridge(azimuth, 1 + number, waves * 0.25, float(rng.uniform()))
        crest = base + rough * shape
        if number:
            crest = crest + 0.0016 * _ridge(azimuth, 4, waves * 1.2, float(rng.uniform())) * number
        inside = np.clip((crest[None] - y) * np.float32(focal) + 0.5, 0.0, 1.0)
        texture = sample(cloud_tile(5), x * 1.3, y * 4.0) * np.float32(0.12)
        shade = 1.0 + texture * np.float32(1.0 + 0.6 * number)
        lit = look.haze((tint * light)[:, None, None] * shade, distance)
        image += inside * (lit - image)
        labels[inside > 0.5] = FAR
    return Panorama(interleave(image), labels, focal)
