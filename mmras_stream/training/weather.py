"""What night, fog, rain and motion do to an ordinary picture."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from mmras_stream.types import Image


def fall_night(image: Image, horizon: float, rng: np.random.Generator) -> Image:
    """Darken all but a pool of light on the road ahead, and turn the rest blue or yellow."""
    height, width = image.shape[:2]
    rows, cols = np.mgrid[0:height, 0:width].astype(np.float32)
    reach = max(8.0, height - horizon)
    across = (cols - width * rng.uniform(0.35, 0.65)) / (width * rng.uniform(0.25, 0.6))
    down = (rows - horizon - reach * rng.uniform(0.2, 0.7)) / (reach * rng.uniform(0.3, 0.7))
    pool = np.exp(-(across**2) - down**2)
    ambient, beam = rng.uniform(0.12, 0.45), rng.uniform(0.0, 0.7)
    tint = np.array([1.0, 1.0, 1.0]) + rng.uniform(-0.15, 0.15, 3)
    light = (ambient + beam * pool)[..., None] * tint.astype(np.float32)
    lit: Image = np.clip(image * light, 0, 255).astype(np.uint8)
    return lit


def raise_fog(image: Image, horizon: float, rng: np.random.Generator) -> Image:
    """Veil what is far: everything above the horizon, and below it less the nearer it is.

    Light that reaches the camera is exp(-b d), with d one over the rows below the horizon
    (Koschmieder's law over a flat road).
    """
    height = image.shape[0]
    below = np.clip(np.arange(height, dtype=np.float32) - horizon, 1, None) / height
    clear = np.exp(-rng.uniform(0.02, 0.2) / below)[:, None, None]
    clear = np.maximum(clear, rng.uniform(0.1, 0.6))
    grey = rng.uniform(120, 235) + rng.uniform(-8, 8, 3)
    veiled: Image = np.clip(image * clear + grey * (1 - clear), 0, 255).astype(np.uint8)
    return veiled


def splash_drops(image: Image, rng: np.random.Generator) -> Image:
    """Put drops on the glass: each shows the blurred scene upside down, brighter at its rim."""
    height, width = image.shape[:2]
    veil: npt.NDArray[np.float32] = np.zeros((height, width), np.float32)
    for _ in range(rng.integers(5, 40)):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        radius = float(np.exp(rng.uniform(np.log(1.5), np.log(0.05 * height))))
        axes = (max(1, round(radius)), max(1, round(radius * rng.uniform(0.8, 1.8))))
        cv2.ellipse(veil, centre, axes, 0, 0, 360, rng.uniform(0.3, 0.9), -1, cv2.LINE_AA)
    soft = cv2.GaussianBlur(veil, (0, 0), rng.uniform(0.5, 1.5))[..., None]
    through = cv2.GaussianBlur(image[::-1], (0, 0), 0.04 * height).astype(np.float32)
    return (image + (through * rng.uniform(0.8, 1.2) - image) * soft).clip(0, 255).astype(np.uint8)


def smear(image: Image, rng: np.random.Generator) -> Image:
    """Blur along one direction, as a turning or shaking camera does."""
    length = int(rng.integers(3, 10))
    kernel = np.zeros((length, length), np.float32)
    middle, angle = (length - 1) / 2, rng.normal(0, 0.5)
    ends = [middle + sign * middle * np.array([np.cos(angle), np.sin(angle)]) for sign in (-1, 1)]
    start, stop = (tuple(round(float(v)) for v in end) for end in ends)
    cv2.line(kernel, start, stop, 1.0)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)
