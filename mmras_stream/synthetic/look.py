"""The light, the weather, and the colours of a drawn road, all chosen by a seed."""

from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]
Bytes: TypeAlias = npt.NDArray[np.uint8]

TILE = 256
"""Side of a noise tile in texels."""

_PERIOD = 4.0


def floats(values: npt.ArrayLike) -> Floats:
    """Return values as float32, without a copy where they are already."""
    return np.asarray(values, np.float32)


def colour(*bytes_rgb: float) -> Floats:
    """Turn 8-bit display RGB into the linear light (3,) the scene is drawn in (gamma 2)."""
    return floats(np.square(np.array(bytes_rgb, np.float32) / 255.0))


def stream(seed: int, name: str) -> np.random.Generator:
    """Return the random stream of one part of the scene, so that parts vary independently."""
    return np.random.default_rng([seed, *name.encode()])


@cache
def noise_tile(number: int) -> Floats:
    """Return smooth periodic noise (TILE + 1, TILE + 1), zero mean, unit deviation.

    One bump is about four texels wide; the last row and column repeat the first.
    """
    white = np.random.default_rng(number).standard_normal((TILE, TILE), np.float32)
    wrapped = np.pad(white, 8, mode="wrap")
    smooth = cv2.GaussianBlur(wrapped, (0, 0), 1.1)[8 : 8 + TILE, 8 : 8 + TILE]
    smooth = (smooth - smooth.mean()) / smooth.std()
    return np.pad(smooth, (0, 1), mode="wrap").astype(np.float32)


@cache
def cloud_tile(number: int) -> Floats:
    """Return periodic fractal noise (TILE + 1, TILE + 1), zero mean, unit deviation."""
    white = np.random.default_rng(1000 + number).standard_normal((TILE, TILE))
    frequency = np.hypot(np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None])
    frequency[0, 0] = 1.0
    field = np.fft.irfft2(np.fft.rfft2(white) / frequency**1.7 * (frequency > 2.5 / TILE))
    field = (field - field.mean()) / field.std()
    return np.pad(field, (0, 1), mode="wrap").astype(np.float32)


def sample(tile: Floats, x: Floats, y: Floats) -> Floats:
    """Read a periodic tile at x, y (any equal 2-D shape), both counted in tiles."""
    columns = (x - np.floor(x)) * np.float32(TILE)
    rows = (y - np.floor(y)) * np.float32(TILE)
    return np.asarray(cv2.remap(tile, columns, rows, cv2.INTER_LINEAR), np.float32)


def bumps(number: int, x: Floats, y: Floats, size_x: float, size_y: float) -> Floats:
    """Read world-anchored noise at x, y (metres) whose bumps are size_x by size_y metres."""
    tiles = _PERIOD / TILE
    return sample(noise_tile(number), x * (tiles / size_x), y * (tiles / size_y))


def smoothstep(low: float, high: float, value: Floats) -> Floats:
    """Rise smoothly from 0 at low to 1 at high."""
    ramp = np.clip((value - low) / (high - low), 0.0, 1.0)
    return floats(ramp * ramp * (3.0 - 2.0 * ramp))


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Light, weather, and materials of one scene; colours are linear RGB (3,).

    `sun` is the unit vector towards the sun: x right, y up, z ahead.
    """

    weather: str
    sun: Floats
    sunlight: Floats
    ambient: Floats
    zenith: Floats
    horizon: Floats
    cloud: Floats
    cloudiness: float
    haze_per_metre: float
    dark: bool
    town: bool
    lane_width: float
    asphalt: Floats
    grass: Floats
    field: Floats
    leaves: Floats
    wear: float
    yellow_centre: bool

    @property
    def road_half(self) -> float:
        """Distance from the centre line to the edge of the asphalt, in metres."""
        return self.lane_width + 0.35

    def haze(self, rgb: Floats, distance: Floats | float) -> Floats:
        """Fade colours (3, ...) towards the horizon over a distance in metres, one or (...)."""
        clear = np.exp(-np.asarray(distance, np.float32) * np.float32(self.haze_per_metre))
        horizon = self.horizon.reshape(3, *[1] * (rgb.ndim - 1))
        return np.asarray(horizon + (rgb - horizon) * clear, np.float32)

    def veil(self, distance: float) -> tuple[float, Floats]:
        """Return the share of light that crosses a distance, and the haze (3) added to it."""
        clear = float(np.exp(-distance * self.haze_per_metre))
        return clear, self.horizon * np.float32(1.0 - clear)


@dataclass(frozen=True, slots=True)
class _Weather:
    elevation_degrees: tuple[float, float]
    sunlight: tuple[float, float, float]
    sun_strength: float
    ambient: tuple[float, float, float]
    ambient_strength: float
    zenith: tuple[float, float, float]
    horizon: tuple[float, float, float]
    cloud: tuple[float, float, float]
    cloudiness: tuple[float, float]
    visibility_metres: float


_WEATHERS = {
    "clear": _Weather((38, 60), (255, 246, 228), 1.55, (205, 220, 245), 0.62,
                      (72, 126, 196), (196, 214, 230), (250, 250, 250), (-0.2, 0.5), 900),
    "overcast": _Weather((50, 60), (255, 255, 255), 0.10, (238, 242, 248), 1.35,
                         (150, 160, 172), (208, 212, 216), (226, 228, 232), (0.9, 1.4), 420),
    "low_sun": _Weather((11, 19), (255, 218, 166), 1.9, (200, 212, 232), 0.60,
                        (86, 128, 186), (246, 216, 172), (255, 236, 210), (-0.1, 0.6), 500),
    "dusk": _Weather((8, 12), (255, 170, 120), 0.12, (176, 184, 226), 0.50,
                     (58, 76, 122), (206, 166, 146), (140, 122, 140), (0.0, 0.7), 650),
    "mist": _Weather((45, 55), (255, 250, 240), 0.22, (232, 236, 240), 1.10,
                     (182, 190, 198), (204, 208, 211), (222, 224, 226), (0.6, 1.2), 130),
}  # fmt: skip


def choose_look(seed: int) -> Look:
    """Choose everything about the light and the materials from one seed."""
    rng = stream(seed, "look")
    name = str(rng.choice(["clear", "clear", "low_sun", "overcast", "dusk", "mist"]))
    weather = _WEATHERS[name]
    elevation = np.radians(rng.uniform(*weather.elevation_degrees))
    azimuth = np.radians(rng.uniform(35, 130) * rng.choice([-1, 1]))
    sun = np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation),
                    np.cos(azimuth) * np.cos(elevation)], np.float32)  # fmt: skip
    grey = rng.uniform(88, 122)
    season = rng.uniform(0, 1)
    return Look(
        weather=name,
        sun=sun,
        sunlight=colour(*weather.sunlight) * np.float32(weather.sun_strength),
        ambient=colour(*weather.ambient) * np.float32(weather.ambient_strength),
        zenith=colour(*weather.zenith),
        horizon=colour(*weather.horizon),
        cloud=colour(*weather.cloud),
        cloudiness=float(rng.uniform(*weather.cloudiness)),
        haze_per_metre=1.0 / weather.visibility_metres,
        dark=name == "dusk",
        town=bool(rng.random() < 0.35),
        lane_width=float(rng.uniform(2.9, 3.6)),
        asphalt=colour(grey, grey + rng.uniform(-3, 2), grey + rng.uniform(-6, 6)),
        grass=colour(96 + 40 * season, 118 + 8 * season, 58),
        field=colour(132 + 70 * season, 140 + 30 * season, 74 + 20 * season),
        leaves=colour(74 + 50 * season * rng.random(), 100, 46),
        wear=float(rng.uniform(0.3, 1.0)),
        yellow_centre=bool(rng.random() < 0.25),
    )
