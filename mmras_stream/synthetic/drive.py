"""Whole drawn drives: several shots, things that come, go and hide, and the truth about them."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np

from mmras_stream.synthetic.catalogue import MOVING, SOLIDS, chosen_kinds
from mmras_stream.synthetic.look import Bytes, floats, stream
from mmras_stream.synthetic.scene import Mover, RoadScene, SceneSettings
from mmras_stream.synthetic.traffic import car

_CAR_PACE = 12.0
_SHOULDER_METRES = -7.0
_CAR_METRES = -2.6


@dataclass(frozen=True, slots=True)
class DriveSettings:
    """What drive to draw; everything not named here follows from the seed.

    `height`, `width` are pixels. The drive has `shots` of `shot_seconds` with a cut between. Each
    has a thing in the lane, one on the far shoulder which a passing car hides for a while, and two
    that cross each other's way. `kinds` are names from `catalogue.SOLIDS`, none of them: all.
    `rain` is 0..1; `shake` multiplies how much the camera trembles.
    """

    height: int = 360
    width: int = 640
    seed: int = 0
    frame_rate: Fraction = Fraction(25)
    shots: int = 2
    shot_seconds: float = 6.0
    kinds: tuple[str, ...] = ()
    rain: float = 0.0
    shake: float = 1.0

    def __post_init__(self) -> None:
        if not 1 <= self.shots <= 60:
            raise ValueError(f"shots must lie in 1..60, got {self.shots}")
        if not 0.0 <= self.rain <= 1.0:
            raise ValueError(f"rain must lie in 0..1, got {self.rain:g}")


@dataclass(frozen=True, slots=True, eq=False)
class DriveFrame:
    """One picture of a drive and the truth about it.

    `image` (H, W, 3) uint8 RGB; `ids` (H, W) uint8, from 1 where a strange thing is seen, the same
    for one thing throughout; `kinds` id -> what it is, for the things of the shot.
    """

    image: Bytes
    ids: Bytes
    kinds: dict[int, str]
    index: int
    seconds: float
    shot: int


def draw_drive(settings: DriveSettings) -> Iterator[DriveFrame]:
    """Draw a drive from its first frame to its last."""
    index = 0
    for shot in range(settings.shots):
        seed = 1000 * settings.seed + shot
        scene = RoadScene(
            SceneSettings(
                height=settings.height,
                width=settings.width,
                seed=seed,
                frame_rate=settings.frame_rate,
                duration_seconds=settings.shot_seconds,
                obstacle=None,
                shake=settings.shake,
            )
        )
        kinds, movers = _cast(scene, settings, first=4 * shot + 1)
        for number in range(len(scene)):
            drawn = scene.frame(number, extra=movers)
            image = _rained_on(drawn.image, settings.rain, seed, number)
            seconds = float(index / settings.frame_rate)
            yield DriveFrame(image, drawn.ids, kinds, index, seconds, shot)
            index += 1


def _cast(
    scene: RoadScene, settings: DriveSettings, *, first: int
) -> tuple[dict[int, str], list[Mover]]:
    """Choose the things of a shot and the car that hides one of them."""
    rng = stream(scene.settings.seed, "cast")
    kinds = chosen_kinds(settings.kinds)
    moving = [name for name in MOVING if name in kinds]
    names = [str(name) for name in rng.choice(kinds, 2, replace=len(kinds) < 2)]
    names += [str(name) for name in rng.choice(moving or kinds, 2)]
    solids = [SOLIDS[name](rng) for name in names]
    duration = settings.shot_seconds
    end, half = scene.travel(duration), duration / 2
    beside = end + float(rng.uniform(6.0, 12.0))
    crossing = scene.travel(0.8 * duration) + 10.0
    paces = [float(pace) for pace in rng.uniform(1.2, 2.2, 2)]
    yaw = float(rng.uniform(-0.5, 0.5))
    movers = [
        Mover(solids[0], scene.travel(0.85 * duration) + 6.0, 2.4, 0.0, yaw, number=first),
        Mover(solids[1], beside, _SHOULDER_METRES, 0.0, yaw, number=first + 1),
        Mover(solids[2], crossing, 1.5 - paces[0] * half, 0.0, np.pi / 2, paces[0], first + 2),
        Mover(solids[3], crossing + 2.0, 1.5 + paces[1] * half, 0.0, -np.pi / 2, -paces[1],
              first + 3),
        _hiding_car(scene, beside, half, rng),
    ]  # fmt: skip
    return dict(zip(range(first, first + 4), names, strict=True)), movers


def _hiding_car(scene: RoadScene, beside: float, when: float, rng: np.random.Generator) -> Mover:
    """Return an oncoming car that passes between the camera and the shoulder at a time."""
    here, lane = scene.travel(when), 1.6
    share = (_CAR_METRES - lane) / (_SHOULDER_METRES - lane)
    there = here + share * (beside - here)
    return Mover(car(rng), there + _CAR_PACE * when, _CAR_METRES, -_CAR_PACE, np.pi)


def _rained_on(image: Bytes, rain: float, seed: int, number: int) -> Bytes:
    """Veil a picture with grey and streaks."""
    if rain == 0.0:
        return image
    rng = np.random.default_rng([seed, number, 7])
    height, width = image.shape[:2]
    streaks = np.zeros((height, width), np.float32)
    for x, y in rng.uniform((0, -20), (width, height), (int(rain * width * 0.6), 2)):
        long = rng.uniform(0.02, 0.06) * height
        ends = [(int(x), int(y)), (int(x + 0.12 * long), int(y + long))]
        cv2.line(streaks, ends[0], ends[1], float(rng.uniform(0.08, 0.3)), 1, cv2.LINE_AA)
    cover = floats(cv2.GaussianBlur(streaks, (0, 0), 0.7) * rain + 0.18 * rain)[..., None]
    veiled = image.astype(np.float32) * (1.0 - cover) + 178.0 * cover
    return np.asarray(veiled, np.uint8)
