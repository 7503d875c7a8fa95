"""Drawn drives along a road, with the exact truth about every pixel."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction

import cv2
import numpy as np
import numpy.typing as npt

from mmras_stream.synthetic.camera import Bend, Camera, turn
from mmras_stream.synthetic.canvas import spread
from mmras_stream.synthetic.ground import look_down, paint_ground
from mmras_stream.synthetic.look import Bytes, Floats, choose_look, floats, stream
from mmras_stream.synthetic.obstacles import OBSTACLES
from mmras_stream.synthetic.sky import paint_panorama
from mmras_stream.synthetic.solids import Placed, Solid, cast_shadow, draw_solid
from mmras_stream.synthetic.surroundings import Surroundings
from mmras_stream.synthetic.traffic import car, person

OBSTACLE_KINDS = tuple(sorted(OBSTACLES))
"""Every kind of obstacle that can be drawn."""

LABEL_NAMES = (
    "road", "verge", "living thing", "vehicle", "roadside object", "far object", "sky",
)  # fmt: skip
"""Label id -> what it stands for; 255 marks the obstacle."""

OBSTACLE_LABEL = 255
_LIVING, _VEHICLE = 2, 3
_TREMBLE = ((2, 0.0012), (3, 0.0014), (4, 0.0016))  # sway, radians


@dataclass(frozen=True, slots=True)
class SceneSettings:
    """What to draw; everything not named here follows from the seed.

    `height`, `width` are pixels. `obstacle` is one of OBSTACLE_KINDS, "auto" (the seed
    chooses one), or None for a drive on which nothing lies on the road. `shake` multiplies how
    much the camera trembles.
    """

    height: int = 360
    width: int = 640
    seed: int = 0
    frame_rate: Fraction = Fraction(25)
    duration_seconds: float = 10.0
    obstacle: str | None = "auto"
    shake: float = 1.0

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 32:
            raise ValueError(f"a {self.width}x{self.height} scene is too small; use at least 32x32")
        if self.frame_rate <= 0 or self.duration_seconds <= 0:
            raise ValueError("frame_rate and duration_seconds must be above 0")
        if self.obstacle not in (None, "auto", *OBSTACLE_KINDS):
            near = get_close_matches(str(self.obstacle), OBSTACLE_KINDS, n=1, cutoff=0.0)[0]
            raise ValueError(f"no obstacle called {self.obstacle!r}; did you mean {near!r}?")


@dataclass(frozen=True, slots=True, eq=False)
class DrawnFrame:
    """One picture and the truth about it.

    `image` (H, W, 3) uint8 RGB; `labels` (H, W) uint8, an index into LABEL_NAMES or 255 where
    the obstacle is; `obstacle_mask` (H, W) bool, without the obstacle's shadow; `seconds` since
    the start of the drive; `ids` (H, W) uint8, where the things in `extra` of `frame` are seen.
    """

    image: Bytes
    labels: Bytes
    obstacle_mask: npt.NDArray[np.bool_]
    seconds: float
    ids: Bytes


@dataclass(frozen=True, slots=True, eq=False)
class Mover:
    """A solid at s, d metres when the drive starts, moving along the road or across it.

    `number` 1..255 is what `DrawnFrame.ids` calls it; 0 is an ordinary thing.
    """

    solid: Solid
    s: float
    d: float
    metres_per_second: float
    yaw: float
    sideways: float = 0.0
    number: int = 0


class RoadScene:
    """A drive along a drawn road; any frame can be drawn at any time, always the same."""

    def __init__(self, settings: SceneSettings) -> None:
        self.settings = settings
        seed, rng = settings.seed, stream(settings.seed, "drive")
        self._look = choose_look(seed)
        self._focal = 1.05 * settings.width
        self._speed = float(rng.uniform(12.0, 15.0))
        self._elevation = float(rng.uniform(1.25, 1.4))
        self._bend = Bend(float(rng.uniform(0.0, 6.0)), 380.0, float(rng.uniform(0, 6.3)))
        self._shake = rng.uniform(0.0, 2 * np.pi, (5, 3))
        self.obstacle: str | None = settings.obstacle
        if settings.obstacle == "auto":
            self.obstacle = str(stream(seed, "kind").choice(OBSTACLE_KINDS))
        length = self.travel(settings.duration_seconds)
        heading = 2 * np.pi * 6.0 / 380.0
        self._panorama = paint_panorama(
            settings.height, settings.width, self._focal, heading, self._look, seed
        )
        self._surroundings = Surroundings(seed, self._look, length)
        self._traffic = self._send_traffic(stream(seed, "traffic"))
        self._walker = self._send_walker(stream(seed, "walker"))
        self._obstacle = self._drop_obstacle(stream(seed, "obstacle"))
        self._grain = self._film(stream(seed, "grain"))
        self._vignette = self._lens()

    def __len__(self) -> int:
        return max(1, int(self.settings.duration_seconds * self.settings.frame_rate))

    def frames(self) -> Iterator[DrawnFrame]:
        """Draw every frame from first to last."""
        return (self.frame(index) for index in range(len(self)))

    def frame(self, index: int, *, extra: Sequence[Mover] = ()) -> DrawnFrame:
        """Draw frame `index`, counted from 0, with more things than the scene's own."""
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} is not in 0..{len(self) - 1}")
        seconds = float(index / self.settings.frame_rate)
        camera, look = self._stand(seconds), self._look
        canvas = np.empty((camera.height, camera.width, 3), np.float32)
        labels = np.empty((camera.height, camera.width), np.uint8)
        ids = np.zeros_like(labels)
        self._panorama.draw(canvas, labels, camera)
        view, things = look_down(camera), self._things(camera, seconds, extra)
        sunlit, open_sky = np.ones_like(view.d), np.ones_like(view.d)
        self._surroundings.cast_shadows(view, camera, sunlit)
        for thing, _ in things:
            cast_shadow(view, camera, thing, look, sunlit, open_sky)
        paint_ground(canvas, labels, view, look, sunlit, open_sky)
        self._surroundings.draw(canvas, labels, camera)
        for thing, number in sorted(things, key=lambda pair: -pair[0].z):
            layer = draw_solid(canvas, labels, camera, thing, look)
            if layer is not None:
                ids[layer.area][layer.covered] = number
        return DrawnFrame(
            image=self._develop(canvas, index),
            labels=labels,
            obstacle_mask=labels == OBSTACLE_LABEL,
            seconds=seconds,
            ids=ids,
        )

    def travel(self, seconds: float) -> float:
        """Return the metres driven; the car brakes gently once there is something to brake for."""
        duration = self.settings.duration_seconds
        if self.obstacle is None:
            return self._speed * seconds
        start, end = 0.15 * duration, 0.55 * duration
        u = min(max((seconds - start) / (end - start), 0.0), 1.0)
        lost = (self._speed - 5.0) * ((end - start) * (u**3 - 0.5 * u**4) + max(seconds - end, 0.0))
        return self._speed * seconds - lost

    def _stand(self, seconds: float) -> Camera:
        """Return the camera at a time, swerving a little to the left of the obstacle."""
        duration = self.settings.duration_seconds
        waves = ((1.0, 0.9), (0.5, 2.3), (0.3, 5.1))  # amplitude, hertz
        sway = [
            sum(a * float(np.sin(2 * np.pi * hertz * seconds + phase))
                for (a, hertz), phase in zip(waves, phases, strict=True))
            for phases in self._shake
        ]  # fmt: skip
        sway = [self.settings.shake * value for value in sway]
        swerve = 0.0
        if self.obstacle is not None:
            u = min(max((seconds / duration - 0.45) / 0.4, 0.0), 1.0)
            swerve = -0.9 * u * u * (3.0 - 2.0 * u)
        return Camera(
            height=self.settings.height,
            width=self.settings.width,
            focal=self._focal,
            s=self.travel(seconds),
            d=self._look.lane_width / 2 + swerve + 0.03 * sway[0],
            elevation=self._elevation + 0.012 * sway[1],
            rotation=turn(*(rate * sway[i] for i, rate in _TREMBLE)),
            bend=self._bend,
        )

    def _drop_obstacle(self, rng: np.random.Generator) -> Mover | None:
        if self.obstacle is None:
            return None
        duration = self.settings.duration_seconds
        s = self.travel(0.9 * duration) + 4.0
        d = self._look.lane_width / 2 + float(rng.uniform(0.2, 0.6))
        solid = OBSTACLES[self.obstacle](rng)
        yaw = float(rng.uniform(-0.45, 0.45) + rng.choice([0.0, np.pi]))
        return Mover(solid, s, d, 0.0, yaw)

    def _send_traffic(self, rng: np.random.Generator) -> list[Mover]:
        look, duration, cars = self._look, self.settings.duration_seconds, []
        for share in np.cumsum(rng.uniform(0.12, 0.5, 3)):
            pace, meeting = float(rng.uniform(10, 15)), float(share) * duration
            s = self.travel(meeting) + pace * meeting
            solid = car(rng, dark=look.dark)
            cars.append(Mover(solid, s, -look.lane_width / 2 - 0.1, -pace, np.pi))
        if rng.random() < 0.5:
            gap = self.travel(duration) + 12.0 if self.obstacle else 26.0
            solid = car(rng, dark=look.dark)
            cars.append(Mover(solid, gap, look.lane_width / 2, self._speed * 0.95, 0.0))
        if look.town:
            for s in rng.uniform(8, 150, 5):
                side = float(rng.choice([-1.0, 1.0]))
                solid = car(rng)
                spot = side * (look.road_half + 1.05)
                cars.append(Mover(solid, float(s), spot, 0.0, 0.0 if side > 0 else np.pi))
        return cars

    def _send_walker(self, rng: np.random.Generator) -> Mover | None:
        if rng.random() > (0.8 if self._look.town else 0.2):
            return None
        solid, away = person(rng, 0.0), self._look.road_half + float(rng.uniform(0.9, 2.3))
        side, pace = float(rng.choice([-1.0, 1.0])), float(rng.choice([-1.3, 1.3]))
        s = float(rng.uniform(25, 70))
        return Mover(solid, s, side * away, pace, 0.0 if pace > 0 else np.pi)

    def _things(
        self, camera: Camera, seconds: float, extra: Sequence[Mover]
    ) -> list[tuple[Placed, int]]:
        movers = [(mover, _VEHICLE) for mover in self._traffic]
        if self._walker is not None:
            walking = person(stream(self.settings.seed, "walker"), seconds * 6.0)
            now = Mover(walking, self._walker.s, self._walker.d,
                         self._walker.metres_per_second, self._walker.yaw)  # fmt: skip
            movers.append((now, _LIVING))
        if self._obstacle is not None:
            movers.append((self._obstacle, OBSTACLE_LABEL))
        movers += [(mover, OBSTACLE_LABEL if mover.number else _VEHICLE) for mover in extra]
        things = []
        for mover, label in movers:
            s = mover.s + mover.metres_per_second * seconds
            if -3.0 < s - camera.s < 220.0:
                x, z = camera.foot(s, mover.d + mover.sideways * seconds)
                yaw = mover.yaw + camera.heading(s)
                things.append((Placed(mover.solid, x, z, yaw, label), mover.number))
        return things

    def _film(self, rng: np.random.Generator) -> Floats:
        """Return noise larger than the frame, so that each frame can cut its own piece."""
        shape = (self.settings.height + 64, self.settings.width + 64, 3)
        noise = rng.standard_normal(shape, np.float32)
        grey = noise.mean(axis=2, keepdims=True) * 1.3
        strength = 2.2 if self._look.dark else 1.3
        return np.asarray((grey + 0.35 * noise) * strength, np.float32)

    def _lens(self) -> Floats:
        x = np.linspace(-1.0, 1.0, self.settings.width, dtype=np.float32)[None]
        y = np.linspace(-1.0, 1.0, self.settings.height, dtype=np.float32)[:, None]
        return spread(floats(1.0 - 0.08 * np.square(x * x + y * y)))

    def _develop(self, canvas: Floats, index: int) -> Bytes:
        """Turn light into a picture: bloom, vignette, display gamma, and sensor noise."""
        height, width = canvas.shape[:2]
        small = cv2.resize(canvas, (width // 4, height // 4), interpolation=cv2.INTER_AREA)
        spill = cv2.GaussianBlur(np.maximum(small - 0.95, 0.0) * 0.55, (0, 0), 3.0)
        canvas += np.asarray(cv2.resize(spill, (width, height)), np.float32)
        light = canvas * self._vignette
        # a soft shoulder keeps bright skies and white paint from clipping flat
        shoulder = (light * 0.18 + 1.12) / (light * 0.36 + 1.0)
        light = np.maximum(light * shoulder, 0.0)
        dy, dx = (
            int(v) for v in np.random.default_rng([self.settings.seed, index]).integers(0, 64, 2)
        )
        shown = np.sqrt(light) * 255.0 + self._grain[dy : dy + height, dx : dx + width]
        return np.asarray(cv2.convertScaleAbs(np.maximum(shown, 0.0)), np.uint8)
