"""A pinhole camera that follows a gently bending road."""

from dataclasses import dataclass

import numpy as np

from mmras_stream.synthetic.look import Floats

NEAREST_METRES = 0.6


@dataclass(frozen=True, slots=True)
class Bend:
    """The course of the road: its centre swings sideways as a sine of the distance driven."""

    swing_metres: float
    length_metres: float
    phase: float

    def sideways(self, start: float, s: Floats) -> Floats:
        """Return how far (metres) the road at s has left its tangent at start."""
        k = 2.0 * np.pi / self.length_metres
        ahead = np.sin(s * np.float32(k) + np.float32(self.phase))
        here = np.sin(k * start + self.phase)
        offset = ahead - here - k * np.cos(k * start + self.phase) * (s - start)
        return np.asarray(offset * self.swing_metres, np.float32)

    def heading(self, s: float) -> float:
        """Return the direction of the road at s in radians, positive to the right."""
        k = 2.0 * np.pi / self.length_metres
        return float(self.swing_metres * k * np.cos(k * s + self.phase))


def turn(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> Floats:
    """Return the rotation (3, 3) for a yaw to the right, a pitch up, a clockwise roll."""
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    cr, sr = np.cos(roll), np.sin(roll)
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    about_z = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    return np.asarray(about_y @ about_x @ about_z, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """Where the camera stands and looks.

    Level coordinates: metres, x right, y up, z ahead along the road's tangent, origin on
    the road right under the camera. Road coordinates: s along the road, d right of its centre.
    """

    height: int
    width: int
    focal: float
    s: float
    d: float
    elevation: float
    rotation: Floats
    bend: Bend
    principal: tuple[float, float] | None = None
    """x, y in pixels; None puts the horizon a little above the middle."""

    @property
    def centre(self) -> tuple[float, float]:
        """The principal point (x, y) in pixels."""
        return self.principal or (self.width / 2.0, self.height * 0.45)

    def rays(self, columns: Floats, rows: Floats) -> Floats:
        """Return level directions (3, h, w), not normalised, through columns (w) x rows (h)."""
        x = ((columns + 0.5 - self.centre[0]) / self.focal)[None, :]
        y = ((self.centre[1] - rows - 0.5) / self.focal)[:, None]
        turned = self.rotation
        return np.stack([turned[i, 0] * x + (turned[i, 1] * y + turned[i, 2]) for i in range(3)])

    def project(self, points: Floats) -> tuple[Floats, Floats]:
        """Project level points (N, 3) to pixel positions (N, 2) and depths (N) in metres."""
        seen = (points - np.array([0.0, self.elevation, 0.0], np.float32)) @ self.rotation
        depth = np.maximum(seen[:, 2], 1e-3)
        x = self.centre[0] - 0.5 + self.focal * seen[:, 0] / depth
        y = self.centre[1] - 0.5 - self.focal * seen[:, 1] / depth
        return np.stack([x, y], axis=1), seen[:, 2]

    def level(self, s: Floats, d: Floats, y: Floats) -> Floats:
        """Turn road coordinates (N) into level points (N, 3)."""
        x = d - np.float32(self.d) + self.bend.sideways(self.s, s)
        return np.stack([x, y, s - np.float32(self.s)], axis=1).astype(np.float32)

    def foot(self, s: float, d: float) -> tuple[float, float]:
        """Return level x, z of one spot on the road."""
        point = self.level(*(np.array([v], np.float32) for v in (s, d, 0.0)))[0]
        return float(point[0]), float(point[2])

    def heading(self, s: float) -> float:
        """Return the direction of the road at s against the level z axis, in radians."""
        return self.bend.heading(s) - self.bend.heading(self.s)


def level_camera(
    *, height: int, width: int, focal: float, elevation: float, principal: tuple[float, float]
) -> Camera:
    """Return a camera on a straight road that looks level along it, through `principal`."""
    straight = Bend(0.0, 1.0, 0.0)
    return Camera(
        height=height, width=width, focal=focal, s=0.0, d=0.0, elevation=elevation,
        rotation=turn(0.0), bend=straight, principal=principal,
    )  # fmt: skip


def clip_near(points: Floats) -> Floats:
    """Cut the part of a polygon (N, 3) that lies behind or too near to the camera."""
    if points[:, 2].min() > NEAREST_METRES:
        return points
    kept: list[Floats] = []
    for a, b in zip(points, np.roll(points, -1, axis=0), strict=True):
        if a[2] > NEAREST_METRES:
            kept.append(a)
        if (a[2] > NEAREST_METRES) != (b[2] > NEAREST_METRES):
            kept.append(a + (b - a) * ((NEAREST_METRES - a[2]) / (b[2] - a[2])))
    return np.array(kept, np.float32).reshape(-1, 3)


def clipped_pixels(camera: Camera, points: Floats) -> Floats | None:
    """Project a level polygon (N, 3), cut at the camera, to pixels (M, 2); None if unseen."""
    kept = clip_near(points)
    if len(kept) < 3:
        return None
    pixels, _ = camera.project(kept)
    inside = (pixels.max(axis=0) >= 0) & (pixels.min(axis=0) < (camera.width, camera.height))
    return pixels if inside.all() else None
