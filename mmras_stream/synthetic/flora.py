"""Trees, bushes, and tufts of grass, grown once and then drawn as upright pictures."""

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from mmras_stream.synthetic.camera import Camera
from mmras_stream.synthetic.canvas import lay_layer
from mmras_stream.synthetic.look import Bytes, Floats, Look, colour, floats
from mmras_stream.synthetic.solids import around

_HIGH, _WIDE = 448, 384


@dataclass(frozen=True, slots=True, eq=False)
class Plant:
    """A lit picture, halved again and again; premultiplied RGB and coverage (h, w, 4).

    The foot stands in the middle of the bottom row; `aspect` is width over height.
    """

    levels: tuple[Floats, ...]
    aspect: float


def _pyramid(picture: Floats) -> Plant:
    levels = [picture]
    while min(levels[-1].shape[:2]) > 6:
        high, wide = levels[-1].shape[:2]
        size = (wide // 2, high // 2)
        levels.append(np.asarray(cv2.resize(levels[-1], size, interpolation=cv2.INTER_AREA)))
    return Plant(tuple(levels[1:]), picture.shape[1] / picture.shape[0])


def _crown(kind: str, rng: np.random.Generator, count: int) -> tuple[Floats, Floats]:
    """Return leaf centres (count, 3) and outward unit directions; x, z in -1..1, y in 0..1."""
    if kind == "conifer":
        y = np.sqrt(rng.uniform(0.0, 1.0, count))
        layer = 0.72 + 0.28 * np.mod(y * 9.0 + rng.normal(0, 0.08, count), 1.0)
        radius = 0.62 * y * layer * np.sqrt(rng.uniform(0.35, 1.0, count))
        angle = rng.uniform(0, 2 * np.pi, count)
        out = np.stack([np.cos(angle), 0.35 + 0 * y, np.sin(angle)], axis=1)
        centres = np.stack([radius * out[:, 0], 1.0 - 0.94 * y, radius * out[:, 2]], axis=1)
    else:
        clumps = max(8, count // 34)
        heart = rng.normal(size=(clumps, 3))
        heart /= np.linalg.norm(heart, axis=1, keepdims=True)
        reach = rng.uniform(0.35, 0.82, (clumps, 1))
        slim = {"poplar": 0.34, "bush": 1.0}.get(kind, 0.86)
        own = rng.integers(clumps, size=count)
        leaf = rng.normal(size=(count, 3))
        leaf /= np.linalg.norm(leaf, axis=1, keepdims=True)
        spread = (
            leaf * rng.uniform(0.55, 1.0, (count, 1)) * rng.uniform(0.2, 0.34, clumps)[own, None]
        )
        ball = heart[own] * reach[own] + spread
        out = heart[own] * 0.5 + leaf * 0.75
        low = {"poplar": 0.06, "bush": -0.15}.get(kind, 0.24)
        centres = np.stack([ball[:, 0] * slim, low + (1.0 - low) * (0.5 + 0.47 * ball[:, 1]),
                            ball[:, 2] * slim], axis=1)  # fmt: skip
    out = out / np.linalg.norm(out, axis=1, keepdims=True)
    return centres.astype(np.float32), out.astype(np.float32)


def _wood(picture: Floats, rng: np.random.Generator, look: Look, kind: str) -> None:
    bark = colour(86, 70, 56) * (look.ambient * 0.7 + look.sunlight * 0.22)
    middle, thick = _WIDE / 2, {"conifer": 7, "poplar": 8}.get(kind, 10)
    top = 0.45 * _HIGH
    for stripe in np.linspace(-0.5, 0.5, 7):
        shade = 0.75 + 0.5 * float(np.sign(look.sun[0]) * stripe)
        line = [(middle + stripe * thick * 1.5, _HIGH), (middle + stripe * thick * 0.7, top)]
        foot, fork = [(int(x), int(y)) for x, y in line]
        cv2.line(picture, foot, fork, [*(bark * shade).tolist(), 1.0], 4)
    for _ in range(9 if kind == "oak" else 0):
        start = np.array([middle, _HIGH * rng.uniform(0.5, 0.72)])
        end = start + np.array([rng.uniform(-0.32, 0.32) * _WIDE, -rng.uniform(0.12, 0.3) * _HIGH])
        tone = [*(bark * 0.7).tolist(), 1.0]
        ends = np.stack([start, end]).astype(int).tolist()
        cv2.line(picture, ends[0], ends[1], tone, int(rng.integers(3, 6)))


def grow(kind: str, rng: np.random.Generator, look: Look) -> Plant:
    """Grow an "oak", a "conifer", a "poplar", or a "bush" in the light of the scene."""
    picture = np.zeros((_HIGH, _WIDE, 4), np.float32)
    if kind != "bush":
        _wood(picture, rng, look, kind)
    centres, out = _crown(kind, rng, 3600 if kind == "oak" else 2800)
    order = np.argsort(-centres[:, 2])
    facing = np.clip(out @ look.sun, 0.0, 1.0)
    inner = np.clip(
        0.42 + 0.34 * centres[:, 1] + 0.30 * out[:, 1] - 0.15 * centres[:, 2], 0.15, 1.2
    )
    tint = look.leaves * {"conifer": 0.62, "bush": 0.85}.get(kind, 1.0) * rng.uniform(0.85, 1.2)
    vary = rng.normal(1.0, 0.12, (len(order), 1)) * np.array([[1.0, 1.0, 0.9]])
    glint = look.sunlight * (facing * (0.35 + 0.5 * centres[:, 1]))[:, None]
    rgb = tint * vary * (look.ambient * inner[:, None] + glint)
    # light that shines through thin leaves, yellower than what they reflect
    rgb += tint * colour(255, 240, 120) * (look.sunlight * max(float(look.sun[2]), 0.0) * 0.12)
    x = (centres[:, 0] * 0.49 + 0.5) * _WIDE
    y = (1.0 - centres[:, 1]) * (_HIGH - 8) + 4
    size = rng.uniform(3.5, 7.5, len(order)) * (0.75 if kind == "conifer" else 1.0)
    angle = rng.uniform(-1.0, 1.0, len(order))[:, None] + np.arange(4) * (np.pi / 2)
    reach = size[:, None] * np.array([1.0, 0.62, 1.0, 0.62])
    leaf = np.stack(
        [x[:, None] + reach * np.cos(angle), y[:, None] + reach * np.sin(angle)], axis=2
    )
    corners = np.round(leaf * 4.0).astype(np.int32)
    paints = np.column_stack([rgb, np.ones(len(rgb))]).tolist()
    for i in order.tolist():
        cv2.fillConvexPoly(picture, corners[i], paints[i], cv2.LINE_8, 2)
    return _pyramid(picture)


def tuft(rng: np.random.Generator, look: Look) -> Plant:
    """Grow a tuft of long grass."""
    picture = np.zeros((192, 256, 4), np.float32)
    light = look.ambient * 0.7 + look.sunlight * 0.5
    for _ in range(150):
        foot = rng.normal(128, 30)
        high, lean = rng.uniform(0.35, 0.95) * 180, rng.normal(0, 34)
        steps = np.linspace(0, 1, 5)
        line = np.stack([foot + lean * steps**2, 191 - high * steps], axis=1)
        tint = look.grass + (colour(196, 178, 116) - look.grass) * rng.uniform(0, 0.6)
        rgb = tint * light * rng.uniform(0.5, 1.15)
        for a, b in pairwise(line.astype(int).tolist()):
            cv2.line(picture, a, b, (*rgb.tolist(), 1.0), 2)
    return _pyramid(picture)


def draw_plant(
    canvas: Floats, labels: Bytes, camera: Camera, look: Look, plant: Plant,
    foot: tuple[float, float], height: float, label: int,
) -> None:  # fmt: skip
    """Draw a plant of a height (metres) at level x, z, into canvas and labels, in place.

    A negative height mirrors the plant.
    """
    tall, (x, z) = abs(height), foot
    half = tall * plant.aspect / 2
    if z < 1.5 or abs(x) - half > z * camera.width / camera.focal:
        return
    frame = np.array([[x - half, 0, z], [x + half, 0, z], [x, 0, z], [x, tall, z],
                      [x - half, tall, z], [x + half, tall, z]], np.float32)  # fmt: skip
    pixels, _ = camera.project(frame)
    area = around(camera, pixels, 1)
    if area is None:
        return
    x0, y0, x1, y1 = area
    extent = float(pixels[2, 1] - pixels[3, 1])
    if extent < 1.0:
        return
    wanted = [level for level in plant.levels if level.shape[0] >= extent]
    source = wanted[-1] if wanted else plant.levels[0]
    high, wide = source.shape[:2]
    corners = np.array([[-0.5, high - 0.5], [wide - 0.5, high - 0.5], [-0.5, -0.5]], np.float32)
    ends = pixels[[1, 0, 5]] if height < 0 else pixels[[0, 1, 4]]
    matrix = cv2.getAffineTransform(corners, ends - np.array([x0, y0], np.float32))
    layer = cv2.warpAffine(source, matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR)
    clear, haze = look.veil(z)
    fade = np.diag([clear, clear, clear, 1.0])
    fade[:3, 3] = haze
    layer = np.asarray(cv2.transform(layer, fade.astype(np.float32)), np.float32)
    lay_layer(canvas[y0:y1, x0:x1], floats(layer))
    labels[y0:y1, x0:x1][layer[..., 3] > 0.5] = label
