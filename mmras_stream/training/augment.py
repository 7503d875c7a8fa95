"""What light, paint, bonnets and cameras do to an ordinary picture."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from mmras_stream.training import weather
from mmras_stream.training.outliers import CLASSLESS, Labels
from mmras_stream.training.recipe import Augmentation
from mmras_stream.types import Image


def cast_shadow(image: Image, rng: np.random.Generator) -> None:
    """Darken one to four polygons as trees and buildings do, or lighten them as reflections do."""
    height, width = image.shape[:2]
    shade: npt.NDArray[np.float32] = np.zeros((height, width), np.float32)
    for _ in range(rng.integers(1, 5)):
        centre = rng.uniform([0, height * 0.3], [width, height])
        reach = rng.uniform(0.04, 0.4) * np.array([width, height * rng.uniform(0.2, 0.8)])
        angle = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(4, 12))))
        ring = np.stack([np.cos(angle), np.sin(angle)], 1) * rng.uniform(0.3, 1, (angle.size, 1))
        cv2.fillPoly(shade, [(centre + ring * reach).astype(np.int32)], 1.0)
    soft = cv2.GaussianBlur(shade, (0, 0), rng.uniform(0.6, 4))[..., None]
    if rng.random() < 0.8:
        image[:] = (image * (1 - soft * rng.uniform(0.25, 0.65))).astype(np.uint8)
    else:
        image[:] = (image + (255.0 - image) * soft * rng.uniform(0.05, 0.3)).astype(np.uint8)


def paint_marking(
    image: Image,
    road: npt.NDArray[np.bool_],
    horizon: float,
    vanishing: float,
    rng: np.random.Generator,
) -> None:
    """Paint a white, yellow or worn patch on the road, drawn towards the vanishing point."""
    height, width = road.shape
    if horizon > 0.9 * height:
        return
    paint = np.zeros((height, width), np.float32)
    for _ in range(rng.integers(1, 4)):
        near = rng.uniform(horizon + 0.25 * (height - horizon), height)
        far = horizon + (near - horizon) * rng.uniform(0.5, 0.95)
        middle, half = rng.uniform(0, width), rng.uniform(0.01, 0.12) * width
        shrink = (far - horizon) / max(near - horizon, 1.0)
        edges = [middle - half, middle + half]
        back = [vanishing + (x - vanishing) * shrink for x in edges]
        points = [(edges[0], near), (edges[1], near), (back[1], far), (back[0], far)]
        cv2.fillPoly(paint, [np.array(points).astype(np.int32)], 1.0, cv2.LINE_AA)
    paint *= road * rng.uniform(0.3, 0.9)
    colours = [(235, 235, 230), (220, 180, 60), (60, 60, 62), (150, 70, 60)]
    colour = np.array(colours[rng.choice(4, p=[0.6, 0.2, 0.12, 0.08])], np.float32)
    image[:] = (image + (colour - image) * paint[..., None]).astype(np.uint8)


def park_bonnet(image: Image, labels: Labels, rng: np.random.Generator) -> None:
    """Cover the bottom with a bonnet that mirrors the scene, and perhaps a dashboard before it."""
    height, width = labels.shape
    mirrored = cv2.GaussianBlur(image[::-1], (0, 0), rng.uniform(1, 6))
    rise = rng.uniform(0.05, 0.32) * height
    share, shine = rng.uniform(0, 1), rng.uniform(0.05, 0.6)
    for _ in range(2 if rng.random() < 0.5 else 1):
        mask = _dome(height, width, rise, rng)
        base = rng.uniform(5, 200) + rng.uniform(-15, 15, 3)
        cover = base * (1 - shine) + mirrored * shine
        if rng.random() < 0.5:  # the far edge catches the light
            below = np.roll(mask, max(1, round(rise * rng.uniform(0.03, 0.2))), axis=0)
            cover = cover + ((mask - below).clip(0, 1) * rng.uniform(20, 160))[..., None]
        image[:] = (image + (cover.clip(0, 255) - image) * mask[..., None]).astype(np.uint8)
        labels[mask > 0.5] = CLASSLESS
        if rng.random() < 0.5:
            _ornament(image, labels, mask > 0.5, rng)
        if rng.random() < 0.3:
            _emblem(image, labels, mask > 0.5, rng)
        rise, shine = rise * (0.3 + 0.5 * share), shine * 0.3


def _dome(
    height: int, width: int, rise: float, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    mask = np.zeros((height, width), np.float32)
    centre = (int(rng.uniform(0.3, 0.7) * width), int(height + rise * rng.uniform(0.2, 4)))
    axes = (int(rng.uniform(0.5, 1.6) * width), int(rise + centre[1] - height))
    cv2.ellipse(mask, centre, axes, rng.uniform(-4, 4), 180, 360, 1.0, -1, cv2.LINE_AA)
    return mask


def _ornament(
    image: Image, labels: Labels, bonnet: npt.NDArray[np.bool_], rng: np.random.Generator
) -> None:
    """Put an emblem, a washer or a wiper on a bonnet, or a sticker low on the windscreen."""
    height, width = labels.shape
    cols = np.flatnonzero(bonnet.any(axis=0))
    if not cols.size:
        return
    col = int(cols[rng.integers(cols.size)])
    row = int(np.argmax(bonnet[:, col])) + round(rng.uniform(-0.03, 0.05) * height)
    size = rng.uniform(0.01, 0.04) * width
    shape = np.zeros((height, width), np.float32)
    angle, kind = float(rng.uniform(0, 180)), rng.integers(3)
    if kind == 0:
        axes = (max(1, round(size)), max(1, round(size * rng.uniform(0.3, 1))))
        cv2.ellipse(shape, (col, row), axes, angle, 0, 360, 1.0, -1, cv2.LINE_AA)
    elif kind == 1:
        corners = np.array([col, row]) + rng.uniform(-size, size, (int(rng.integers(3, 6)), 2))
        cv2.fillConvexPoly(shape, cv2.convexHull(corners.astype(np.int32)), 1.0, cv2.LINE_AA)
    else:
        reach = rng.uniform(0.1, 0.5) * width * np.array([1, rng.uniform(-0.25, 0.05)])
        end = (int(col + reach[0]), int(row + reach[1]))
        cv2.line(shape, (col, row), end, 1.0, int(rng.integers(1, 5)), cv2.LINE_AA)
    colour = rng.uniform(0, 255) + rng.normal(0, 40, 3)
    image[:] = (image + (colour.clip(0, 255) - image) * shape[..., None]).astype(np.uint8)
    labels[shape > 0.3] = CLASSLESS


def _emblem(
    image: Image, labels: Labels, bonnet: npt.NDArray[np.bool_], rng: np.random.Generator
) -> None:
    """Stand a ring with spokes on the edge of a bonnet, as some makes do."""
    height, width = labels.shape
    col = int(rng.uniform(0.3, 0.7) * width)
    if not bonnet[:, col].any():
        return
    radius = int(rng.uniform(0.012, 0.045) * width)
    row = int(np.argmax(bonnet[:, col])) - round(radius * rng.uniform(0.2, 1.3))
    thick = max(1, radius // 6)
    shape = np.zeros((height, width), np.float32)
    axes = (max(2, round(radius * rng.uniform(0.6, 1))), max(2, radius))
    cv2.ellipse(shape, (col, row), axes, 0, 0, 360, 1.0, thick, cv2.LINE_AA)
    for angle in np.deg2rad([-90, 30, 150]) if rng.random() < 0.7 else ():
        end = (int(col + axes[0] * np.cos(angle)), int(row + axes[1] * np.sin(angle)))
        cv2.line(shape, (col, row), end, 1.0, thick, cv2.LINE_AA)
    cv2.line(shape, (col, row + axes[1]), (col, row + 2 * axes[1]), 1.0, thick, cv2.LINE_AA)
    tone = rng.uniform(20, 255) + rng.normal(0, 12, 3)
    image[:] = (image + (tone.clip(0, 255) - image) * shape[..., None]).astype(np.uint8)
    inside = cv2.ellipse(np.zeros((height, width), np.uint8), (col, row), axes, 0, 0, 360, 1, -1)
    labels[(inside > 0) | (shape > 0.3)] = CLASSLESS


def scatter_leaves(image: Image, road: npt.NDArray[np.bool_], rng: np.random.Generator) -> None:
    """Strew a patch of the road with leaves, dirt or gravel, small and flat."""
    places = np.argwhere(road)
    if not places.size:
        return
    height, width = road.shape
    centre = places[rng.integers(len(places))]
    reach = np.array([rng.uniform(0.02, 0.12) * height, rng.uniform(0.05, 0.35) * width])
    count = int(rng.integers(20, 250))
    spots = (centre + rng.normal(0, 1, (count, 2)) * reach).astype(int)
    tones = np.array([(150, 105, 50), (110, 80, 45), (170, 140, 60), (90, 85, 75), (60, 55, 50)])
    tone = tones[rng.integers(len(tones))]
    strewn: Image = image.copy()
    for row, col in spots:
        size = max(1.0, (row / height) ** 2 * rng.uniform(1, 5))
        colour = (tone + rng.normal(0, 22, 3)).clip(0, 255)
        axes = (max(1, round(size)), max(1, round(size * 0.5)))
        cv2.ellipse(strewn, (int(col), int(row)), axes, 0, 0, 360, colour.tolist(), -1)
    image[road] = strewn[road]


def wet_road(
    image: Image, road: npt.NDArray[np.bool_], horizon: float, rng: np.random.Generator
) -> None:
    """Let the road mirror what stands above the horizon, smeared downwards."""
    height = image.shape[0]
    rows = (2 * horizon - np.arange(height)).clip(0, height - 1).astype(int)
    mirrored = cv2.blur(image[rows], (3, max(3, round(0.12 * height))))
    shine = rng.uniform(0.15, 0.55)
    film = cv2.GaussianBlur(road.astype(np.float32), (0, 0), 2)[..., None] * shine
    if rng.random() < 0.5:  # puddles in place of a film
        grain = rng.standard_normal((6, 8), np.float32)
        film = (
            film
            * (cv2.resize(grain, road.shape[::-1], interpolation=cv2.INTER_CUBIC) > 0.3)[..., None]
        )
    image[:] = (image + (mirrored * 0.95 - image) * film).clip(0, 255).astype(np.uint8)


def reflect_in_windscreen(image: Image, rng: np.random.Generator) -> None:
    """Lay one to three pale streaks and blots over the picture, as glass does."""
    height, width = image.shape[:2]
    if rng.random() < 0.4:
        _reflect_dashboard(image, rng)
        return
    veil: npt.NDArray[np.float32] = np.zeros((height, width), np.float32)
    for _ in range(rng.integers(1, 4)):
        foot, lean = rng.uniform(0, width), rng.uniform(-0.15, 0.15) * width
        top = rng.uniform(0.1, 0.8) * height
        thin, thick = np.sort(rng.uniform(0.004, 0.05, 2) * width)
        corners = [(foot + lean, top), (foot + lean + thin, top)]
        corners += [(foot + thick, height), (foot, height)]
        cv2.fillPoly(veil, [np.array(corners).astype(np.int32)], rng.uniform(0.1, 0.5))
    soft = cv2.GaussianBlur(veil, (0, 0), rng.uniform(0.5, 3))[..., None]
    image[:] = (image + (rng.uniform(150, 255, 3) - image) * soft).astype(np.uint8)


def _reflect_dashboard(image: Image, rng: np.random.Generator) -> None:
    """Add the light of a dashboard to the lower part: folds, vents, a sheet of paper."""
    height, width = image.shape[:2]
    glow = np.zeros((height, width), np.float32)
    for _ in range(rng.integers(2, 7)):
        corner = rng.uniform([0, 0.45 * height], [width, height])
        size = rng.uniform([0.05 * width, 0.02 * height], [0.5 * width, 0.25 * height])
        turned = cv2.boxPoints((corner.tolist(), size.tolist(), float(rng.uniform(-20, 20))))
        cv2.fillPoly(glow, [turned.astype(np.int32)], float(rng.uniform(0.1, 1)), cv2.LINE_AA)
    soft = cv2.GaussianBlur(glow, (0, 0), rng.uniform(1, 6))[..., None]
    light = soft * rng.uniform(15, 70) * (1 + rng.normal(0, 0.08, 3))
    image[:] = (image + light).clip(0, 255).astype(np.uint8)


def stamp_text(image: Image, labels: Labels, rng: np.random.Generator) -> None:
    """Write date, time and speed near an edge, as recorders do; the letters have no class."""
    height, width = labels.shape
    digits = "".join(str(d) for d in rng.integers(0, 10, 14))
    date, clock = f"20{digits[:2]}/{digits[2:4]}/{digits[4:6]}", f"{digits[6:8]}:{digits[8:10]}"
    text = rng.choice(
        [f"{date} {clock}:{digits[10:12]}", f"{digits[:2]} KM/H N{digits[2:8]}", date]
    )
    scale, thick = rng.uniform(0.25, 0.9), int(rng.integers(1, 3))
    row = rng.choice([rng.uniform(0.04, 0.1), rng.uniform(0.9, 0.99)]) * height
    place = (int(rng.uniform(-0.1, 0.7) * width), int(row))
    bright = [(255, 255, 255), (255, 230, 60), (250, 120, 40), (230, 250, 230)]
    colour = bright[rng.integers(len(bright))]
    font = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX]))
    letters = np.zeros((height, width), np.uint8)
    cv2.putText(letters, str(text), place, font, scale, 255, thick + 1)
    if rng.random() < 0.6:
        image[letters > 0] //= 4
    cv2.putText(image, str(text), place, font, scale, colour, thick, cv2.LINE_AA)
    labels[letters > 0] = CLASSLESS


def weathered(image: Image, horizon: float, style: Augmentation, rng: np.random.Generator) -> Image:
    """Let night fall or fog rise, or neither, and blur what moves."""
    chance = rng.random()
    if chance < style.night:
        image = weather.fall_night(image, horizon, rng)
    elif chance < style.night + style.fog:
        image = weather.raise_fog(image, horizon, rng)
    return weather.smear(image, rng) if rng.random() < style.motion else image


def photograph(image: Image, style: Augmentation, rng: np.random.Generator) -> Image:
    """Vary exposure, contrast and colour, then blur, add noise and compress as cameras do."""
    if rng.random() < style.blur:
        image = _blurred(image, rng)
    colour = rng.uniform(0.4, 1.5)
    mixing = colour * np.eye(3) + (1 - colour) / 3
    image = cv2.LUT(cv2.transform(image, mixing), _exposure(rng)).astype(np.uint8)
    if rng.random() < style.noise:
        grain = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(1, 9))
        image = np.clip(image + grain, 0, 255).astype(np.uint8)
    if rng.random() < style.compression:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 85))])
        image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return image


def _exposure(rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Return what each level of each channel becomes, (256, 1, 3): contrast, gain and gamma."""
    levels = np.arange(256, dtype=np.float64)[:, None, None]
    gain = np.exp(rng.normal(0, 0.3)) * np.exp(rng.normal(0, 0.06, 3))
    levels = (levels - 128) * rng.uniform(0.7, 1.25) + 128 + rng.normal(0, 10)
    shares = np.clip(levels * gain / 255, 0, 1) ** np.exp(rng.normal(0, 0.2))
    exposed: npt.NDArray[np.uint8] = np.rint(255 * shares).astype(np.uint8)
    return exposed


def _blurred(image: Image, rng: np.random.Generator) -> Image:
    if rng.random() < 0.6:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6)), np.uint8)
    height, width = image.shape[:2]
    share = rng.uniform(0.4, 0.8)
    small = cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height)), np.uint8)
