"""Flat-sided things beside the road: houses, poles, signs, and guard rails."""

import cv2
import numpy as np

from mmras_stream.synthetic.camera import Camera, clipped_pixels
from mmras_stream.synthetic.canvas import lay_colour, lay_picture, relit
from mmras_stream.synthetic.look import Bytes, Floats, Look, colour, floats

OBJECT, FAR = 4, 5


def fill(
    canvas: Floats, labels: Bytes, camera: Camera, points: Floats, rgb: Floats, label: int
) -> None:
    """Fill a level polygon (N, 3) with one lit colour, smooth at its edges, in place."""
    pixels = clipped_pixels(camera, points)
    if pixels is None:
        return
    pixels = np.clip(pixels, -4000.0, 8000.0)
    x0, y0 = (int(max(v, 0)) for v in np.floor(pixels.min(axis=0)) - 1)
    high = np.ceil(pixels.max(axis=0)) + 2
    x1, y1 = int(min(high[0], camera.width)), int(min(high[1], camera.height))
    if x1 <= x0 or y1 <= y0:
        return
    cover = np.zeros((y1 - y0, x1 - x0), np.uint8)
    corners = np.round((pixels - (x0, y0)) * 16.0).astype(np.int32)
    cv2.fillPoly(cover, [corners], 255, cv2.LINE_AA, 4)
    lay_colour(canvas[y0:y1, x0:x1], cover, rgb)
    labels[y0:y1, x0:x1][cover > 127] = label


def _upright(x: float, z: float, low: float, high: float, half: float) -> Floats:
    return np.array([[x - half, low, z], [x - half, high, z], [x + half, high, z],
                     [x + half, low, z]], np.float32)  # fmt: skip


def _lit(look: Look, rgb: Floats, facing: float, z: float) -> Floats:
    light = look.ambient * 0.85 + look.sunlight * (0.75 * max(facing, 0.0))
    return np.asarray(look.haze(np.asarray(rgb * light, np.float32), z), np.float32)


def draw_pole(
    canvas: Floats, labels: Bytes, camera: Camera, look: Look,
    foot: tuple[float, float], height: float, radius: float, rgb: Floats,
) -> None:  # fmt: skip
    """Draw a round pole in upright strips, each lit by how much it faces the sun."""
    x, z = foot
    if z < 1.2:
        return
    strips, step = (5, 0.62) if z < 12.0 else (3, 0.95) if z < 30.0 else (1, 1.0)
    for strip in range(strips):
        angle = (strip - strips // 2) * step
        facing = float(look.sun[0] * np.sin(angle) - look.sun[2] * np.cos(angle))
        piece = _upright(x + radius * np.sin(angle) * 0.9, z, 0.0, height, radius * 1.7 / strips)
        fill(canvas, labels, camera, piece, _lit(look, rgb, facing, z), OBJECT)


def draw_mast(
    canvas: Floats, labels: Bytes, camera: Camera, look: Look,
    foot: tuple[float, float], height: float,
) -> None:  # fmt: skip
    """Draw a wooden mast with a cross-arm and three insulators."""
    x, z = foot
    if z < 1.2:
        return
    wood, glass = colour(124, 106, 88), colour(206, 210, 208)
    draw_pole(canvas, labels, camera, look, foot, height, 0.085, wood)
    low, high = height - 0.42, height - 0.30
    ends = ((x - 0.9, low), (x - 0.9, high), (x + 0.9, high), (x + 0.9, low))
    arm = floats([[at, up, z] for at, up in ends])
    fill(canvas, labels, camera, arm, _lit(look, wood, 0.15, z), OBJECT)
    for offset in (-0.8, 0.0, 0.8):
        low = height - (0.30 if offset else 0.0)
        cap = _upright(x + offset, z, low, low + 0.2, 0.045)
        fill(canvas, labels, camera, cap, _lit(look, glass, 0.3, z), OBJECT)


def draw_lamp(
    canvas: Floats, labels: Bytes, camera: Camera, look: Look, foot: tuple[float, float]
) -> None:
    """Draw a street lamp whose arm reaches over the road."""
    x, z = foot
    draw_pole(canvas, labels, camera, look, foot, 6.4, 0.07, colour(118, 122, 124))
    if z < 1.2:
        return
    way = -1.0 if x > 0 else 1.0
    arm = np.array([[x, 6.3, z], [x + way * 1.3, 6.75, z], [x + way * 1.3, 6.67, z], [x, 6.2, z]])
    fill(
        canvas,
        labels,
        camera,
        arm.astype(np.float32),
        _lit(look, colour(118, 122, 124), 0.2, z),
        OBJECT,
    )
    head = _upright(x + way * 1.5, z, 6.62, 6.78, 0.36)
    glow = colour(255, 214, 150) * np.float32(3.0)
    shade = glow if look.dark else _lit(look, colour(92, 96, 100), 0.3, z)
    fill(canvas, labels, camera, head, shade, OBJECT)


def draw_sign(
    canvas: Floats, labels: Bytes, camera: Camera, look: Look,
    foot: tuple[float, float], kind: int,
) -> None:  # fmt: skip
    """Draw a traffic sign: 0 a speed limit, 1 a warning, 2 a blue direction board."""
    x, z = foot
    if z < 1.2:
        return
    draw_pole(canvas, labels, camera, look, foot, 2.7, 0.035, colour(150, 152, 154))
    facing = 0.25 - 0.5 * float(look.sun[2])
    white, red = colour(236, 236, 234), colour(188, 28, 34)
    dark, blue = colour(30, 30, 32), colour(32, 72, 148)
    corners, start = ((3, np.pi / 2), (24, 0.0), (4, np.pi / 4))[(1, 0, 2)[kind]]
    angles = start + np.arange(corners) * (2 * np.pi / corners)
    layers = {
        0: ((0.36, red), (0.28, white), (0.12, dark)),
        1: ((0.46, red), (0.33, white), (0.10, dark)),
        2: ((0.62, white), (0.58, blue), (0.18, white)),
    }[kind]
    for radius, rgb in layers:
        disc = np.stack([x + radius * np.cos(angles), 2.35 + radius * np.sin(angles),
                         np.full(corners, z - 0.04)], axis=1)  # fmt: skip
        fill(canvas, labels, camera, disc.astype(np.float32), _lit(look, rgb, facing, z), OBJECT)


def draw_marker(
    canvas: Floats, labels: Bytes, camera: Camera, look: Look, foot: tuple[float, float]
) -> None:
    """Draw a white roadside post with a black band and a reflector."""
    x, z = foot
    if z < 1.2:
        return
    facing = 0.2 - 0.5 * float(look.sun[2])
    for low, high, half, rgb in ((0.0, 1.0, 0.06, colour(232, 232, 228)),
                                 (0.68, 0.9, 0.06, colour(34, 34, 36)),
                                 (0.72, 0.86, 0.025, colour(236, 204, 160))):  # fmt: skip
        fill(canvas, labels, camera, _upright(x, z, low, high, half),
             _lit(look, rgb, facing, z), OBJECT)  # fmt: skip


def draw_rail(
    canvas: Floats, labels: Bytes, camera: Camera, look: Look, d: float, start: float, end: float
) -> None:
    """Draw a guard rail at d from s = start to end, posts first, then the beam."""
    first, last = max(start, camera.s + 0.8), min(end, camera.s + 160.0)
    if last - first < 1.0:
        return
    for s in np.arange(np.ceil(first / 4.0) * 4.0, min(last, camera.s + 70.0), 4.0)[::-1]:
        foot = camera.foot(float(s), d + 0.08 * np.sign(d))
        post = _upright(*foot, 0.0, 0.66, 0.06)
        shade = _lit(look, colour(112, 114, 116), 0.1, foot[1])
        fill(canvas, labels, camera, post, shade, OBJECT)
    steps = floats(first + (last - first) * np.linspace(0.0, 1.0, 24) ** 2.2)
    toward = -np.sign(d) * float(look.sun[0])
    for low, high, tone, tilt in ((0.43, 0.54, 150, -0.35), (0.54, 0.58, 104, -0.1),
                                  (0.58, 0.70, 160, 0.2), (0.70, 0.73, 176, 0.5)):  # fmt: skip
        shade = _lit(look, colour(tone, tone + 2, tone + 4), 0.5 * toward + tilt, 12.0)
        sides = [camera.level(steps, np.full_like(steps, d), np.full_like(steps, y))
                 for y in (low, high)]  # fmt: skip
        fill(canvas, labels, camera, np.concatenate([sides[0], sides[1][::-1]]), shade, OBJECT)


def _facade(rng: np.random.Generator, look: Look, columns: int, floors: int) -> Floats:
    """Paint a wall (h, w, 3), 24 texels per metre, each window field 2.4 m by 2.8 m."""
    high, wide = 67, 58
    wall = colour(*rng.choice([[206, 190, 162], [186, 142, 116], [214, 208, 198], [168, 122, 104],
                               [196, 180, 136], [158, 164, 168]]))  # fmt: skip
    grain = rng.normal(1.0, 0.045, (high * floors, wide * columns, 1))
    picture = np.asarray(wall * cv2.GaussianBlur(grain, (0, 0), 0.8)[..., None], np.float32)
    for row in range(floors):
        picture[row * high : row * high + 2] *= 0.8
        for column in range(columns):
            x, y = column * wide + 17, row * high + 16
            door = row == floors - 1 and column % 4 == 1
            bottom = (row + 1) * high if door else y + 34
            cv2.rectangle(
                picture, (x - 3, y - 3), (x + 26, bottom + 2), colour(226, 224, 218).tolist(), -1
            )
            lit = look.dark and rng.random() < 0.4
            pane = (
                colour(255, 206, 130) * 2.2 if lit else colour(48, 58, 70) * rng.uniform(0.7, 1.7)
            )
            pane = colour(92, 62, 44) if door else pane
            cv2.rectangle(picture, (x, y), (x + 23, bottom), pane.tolist(), -1)
            if not door:
                cv2.line(picture, (x + 12, y), (x + 12, bottom), colour(220, 218, 212).tolist(), 2)
                cv2.line(
                    picture, (x - 4, bottom + 3), (x + 27, bottom + 3), (wall * 0.5).tolist(), 2
                )
    return picture


class House:
    """A house with a gabled roof whose long side runs along the road."""

    def __init__(self, rng: np.random.Generator, look: Look, *, s: float, d: float) -> None:
        columns, self._floors = int(rng.integers(4, 8)), int(rng.integers(2, 4))
        self.s, self._d = s, d
        self._long, self._deep = columns * 2.4, 7.2
        self._high = self._floors * 2.8
        self._roof = colour(*rng.choice([[132, 70, 54], [92, 84, 82], [116, 62, 44]]))
        self._side = self._levels(_facade(rng, look, columns, self._floors))
        self._end = self._levels(_facade(rng, look, 3, self._floors))

    @staticmethod
    def _levels(picture: Floats) -> list[Floats]:
        levels = [picture]
        while min(levels[-1].shape[:2]) > 12:
            levels.append(np.asarray(cv2.pyrDown(levels[-1])))
        return levels

    def draw(self, canvas: Floats, labels: Bytes, camera: Camera, look: Look) -> None:
        """Draw the near gable, the wall along the road, and the roof above, in place."""
        first, last = max(self.s, camera.s + 2.0), self.s + self._long
        if last - first < 0.5 or first > camera.s + 190.0:
            return
        out = float(np.sign(self._d))
        shown = (first - self.s) / self._long
        d, deep, top = self._d, self._d + out * self._deep, self._high
        along = _lit(look, np.ones(3, np.float32), -out * float(look.sun[0]), 0.0)
        across = _lit(look, np.ones(3, np.float32), -float(look.sun[2]), 0.0)
        wall = self._points(camera, [(first, d, top), (last, d, top), (last, d, 0), (first, d, 0)])
        self._wall(canvas, labels, camera, look, self._side, wall, along, (shown, 1.0))
        ridge = [(first, d - out * 0.3, top - 0.1), (last, d - out * 0.3, top - 0.1),
                 (last, (d + deep) / 2, top + 2.6), (first, (d + deep) / 2, top + 2.6)]  # fmt: skip
        slope = 0.5 - 0.4 * out * float(look.sun[0])
        shade = _lit(look, self._roof, slope, first - camera.s)
        if shown == 0.0:
            gable = self._points(camera, [(first, d, top), (first, deep, top),
                                          (first, (d + deep) / 2, top + 2.6)])  # fmt: skip
            plain = look.haze(self._end[0][3, 3] * across, first - camera.s)
            fill(canvas, labels, camera, gable, plain, FAR)
            near = [(first, d, top), (first, deep, top), (first, deep, 0), (first, d, 0)]
            points = self._points(camera, near)
            self._wall(canvas, labels, camera, look, self._end, points, across, (0.0, 1.0))
        fill(canvas, labels, camera, self._points(camera, ridge), shade, FAR)

    @staticmethod
    def _points(camera: Camera, corners: list[tuple[float, float, float]]) -> Floats:
        s, d, y = np.array(corners, np.float32).T
        return camera.level(s, d, y)

    @staticmethod
    def _wall(
        canvas: Floats, labels: Bytes, camera: Camera, look: Look, levels: list[Floats],
        points: Floats, light: Floats, shown: tuple[float, float],
    ) -> None:  # fmt: skip
        pixels, _ = camera.project(points)
        x0, y0 = (int(np.clip(v, 0, 1e4)) for v in np.floor(pixels.min(axis=0)) - 1)
        high = np.ceil(pixels.max(axis=0)) + 2
        x1, y1 = int(min(high[0], camera.width)), int(min(high[1], camera.height))
        if x1 - x0 < 2 or y1 - y0 < 2:
            return
        across = float(np.ptp(pixels[:, 0])) / (shown[1] - shown[0])
        fitting = [level for level in levels if level.shape[1] >= across]
        source = fitting[-1] if fitting else levels[0]
        rows, columns = source.shape[:2]
        left, right = columns * shown[0], columns * shown[1]
        corners = np.array([[left, 0], [right, 0], [right, rows], [left, rows]], np.float32) - 0.5
        target = pixels - np.array([x0, y0], np.float32)
        matrix = cv2.getPerspectiveTransform(corners, target.astype(np.float32))
        layer = cv2.warpPerspective(source, matrix, (x1 - x0, y1 - y0),
                                    borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
        cover = np.zeros((y1 - y0, x1 - x0), np.uint8)
        outline = np.round(np.clip(target, -4000, 8000) * 16.0).astype(np.int32)
        cv2.fillPoly(cover, [outline], 255, cv2.LINE_AA, 4)
        clear, haze = look.veil(float(points[:, 2].mean()))
        layer = relit(np.asarray(layer, np.float32), light * np.float32(clear), haze)
        lay_picture(canvas[y0:y1, x0:x1], cover, layer)
        labels[y0:y1, x0:x1][cover > 127] = FAR
