"""Things pasted into pictures to stand for the unknown, and ordinary things pasted alike.

A network that only ever sees strange things pasted learns to see pasting. So ordinary things cut
from other pictures are pasted the same way and keep their class. Sizes follow perspective: with
a camera c metres above a flat road, a thing h metres tall that stands at a row r pixels below the
horizon is h / c * r pixels tall.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from mmras_stream.synthetic.cutouts import OUTLIER, Cutout
from mmras_stream.types import Image, Mask

IGNORE = 255
DOUBTFUL = 253
"""Marks regions that may be strange or ordinary; they have no class either."""

CLASSLESS = 252
"""Marks ordinary regions that belong to no class."""

GROUND = 251
"""Marks what is likely road where no class is known."""

SHADOW = 48
"""Rows and columns in which a contact shadow is drawn."""

LEAST_MARK = GROUND
"""From here up, labels are marks and no classes."""

Labels = npt.NDArray[np.uint8]


def inlier_cutout(
    image: Image, labels: Labels, kinds: Sequence[int], rng: np.random.Generator
) -> Cutout | None:
    """Cut one region with a label of `kinds` out of a picture, if there is any.

    Now and then its middle wears a signal colour, as people at work on a road do.
    """
    present = [kind for kind in kinds if (labels == kind).any()]
    if not present:
        return None
    label = int(present[rng.integers(len(present))])
    count, regions, stats, _ = cv2.connectedComponentsWithStats((labels == label).astype(np.uint8))
    large = [i for i in range(1, count) if stats[i][4] > 250]
    if not large:
        return None
    chosen = large[rng.integers(len(large))]
    x, y, w, h, _ = (int(v) for v in stats[chosen])
    box = np.s_[y : y + h, x : x + w]
    thing = image[box].copy()
    if rng.random() < 0.12:
        vest = thing[int(0.2 * h) : max(int(0.55 * h), 1)]
        grey = vest.mean(axis=2, keepdims=True) / 160
        signal = np.array([(230, 250, 40), (255, 120, 20)][rng.integers(2)], np.float32)
        vest[:] = np.clip(signal * grey, 0, 255).astype(np.uint8)
    return Cutout(thing, (regions[box] == chosen).astype(np.float32), label)


def paste(
    image: Image,
    labels: Labels,
    weights: npt.NDArray[np.float32],
    thing: Cutout,
    *,
    foot: tuple[int, int],
    height: float,
    rng: np.random.Generator,
    enlargement: float = 1.0,
) -> None:
    """Stand a thing on the picture, its lowest middle at `foot` (row, column).

    Writes into its arguments: they are a crop under construction. A rim around the thing is left
    out of the loss; small things get larger `weights`. On a picture that was enlarged the thing
    is blurred as much: it would be the one sharp place otherwise, and be known by that.
    """
    stretch = height / thing.image.shape[0]
    size = (max(2, round(thing.image.shape[1] * stretch)), max(2, round(height)))
    how = cv2.INTER_AREA if stretch < 1 else cv2.INTER_LINEAR
    picture = _softened(cv2.resize(thing.image, size, interpolation=how), stretch, enlargement)
    alpha = np.asarray(cv2.resize(thing.alpha, size, interpolation=how), np.float32)
    if rng.random() < 0.5:
        picture, alpha = picture[:, ::-1], alpha[:, ::-1]
    sigma = rng.uniform(0.3, 1.2)
    border = int(np.ceil(2 * sigma)) + 1
    picture = _bordered(picture, border, cv2.BORDER_REPLICATE)
    alpha = _bordered(np.ascontiguousarray(alpha), border, cv2.BORDER_CONSTANT)
    alpha = np.asarray(cv2.GaussianBlur(alpha, (0, 0), sigma), np.float32)
    top, left = foot[0] - size[1] - border, foot[1] - size[0] // 2 - border
    there, here = _overlap(labels.shape, alpha.shape, top, left)
    if here[0].stop <= here[0].start or here[1].stop <= here[1].start:
        return
    if rng.random() < 0.5:
        _contact_shadow(image, foot, size, rng)
    alpha, ground = alpha[here], image[there].astype(np.float32)
    lit = _matched(picture[here].astype(np.float32), alpha, ground, rng)
    image[there] = (ground + alpha[..., None] * (lit - ground)).astype(np.uint8)
    core, region = alpha > 0.6, labels[there]
    region[(alpha > 0.08) & ~core] = IGNORE
    region[core] = thing.label
    if thing.label == OUTLIER and core.any():
        weights[there][core] = size_weight(int(core.sum()))


def size_weight(area: int) -> float:
    """Return the weight of a strange thing of so many pixels in the loss: small ones count more."""
    return float(np.clip((400 / max(area, 1)) ** 0.5, 0.8, 3.0))


def _softened(picture: npt.NDArray[Any], stretch: float, enlargement: float) -> npt.NDArray[Any]:
    if enlargement <= max(1.0, stretch):
        return picture
    sigma = 0.45 * float(np.sqrt(enlargement**2 - max(1.0, stretch) ** 2))
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), max(0.1, sigma)))


def _matched(
    picture: npt.NDArray[np.float32],
    alpha: npt.NDArray[np.float32],
    ground: npt.NDArray[np.float32],
    rng: np.random.Generator,
) -> npt.NDArray[np.float32]:
    inside: Mask = alpha > 0.5
    if not inside.any():
        return picture
    pull = rng.uniform(0.0, 0.7)
    own, around = picture[inside].mean(), ground.mean()
    gain = ((1 - pull) * own + pull * around + 4) / (own + 4)
    matched: npt.NDArray[np.float32] = np.clip(picture * gain, 0, 255)
    return matched


def _contact_shadow(
    image: Image, foot: tuple[int, int], size: tuple[int, int], rng: np.random.Generator
) -> None:
    row, col = foot
    reach = max(3, round(size[0] * rng.uniform(0.5, 0.75)))
    depth = max(2, round(reach * rng.uniform(0.15, 0.4)))
    top, left = row - 2 * depth, col - 2 * reach
    there, here = _overlap(image.shape[:2], (4 * depth, 4 * reach), top, left)
    if here[0].stop <= here[0].start or here[1].stop <= here[1].start:
        return
    # drawn small and enlarged: a blur as wide as a lorry would take seconds
    small: npt.NDArray[np.float32] = np.zeros((SHADOW, SHADOW), np.float32)
    cv2.circle(small, (SHADOW // 2, SHADOW // 2), SHADOW // 4, 1.0, -1)
    spread = cv2.GaussianBlur(small, (0, 0), SHADOW / 10)
    soft = cv2.resize(spread, (4 * reach, 4 * depth), interpolation=cv2.INTER_LINEAR)[here]
    factor = 1 - soft[..., None] * rng.uniform(0.2, 0.6)
    image[there] = (image[there] * factor).astype(np.uint8)


def _overlap(
    outer: tuple[int, ...], inner: tuple[int, ...], top: int, left: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + inner[0], outer[0]), min(left + inner[1], outer[1])
    there = (slice(y0, max(y1, y0)), slice(x0, max(x1, x0)))
    return there, (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))


def _bordered(pixels: npt.NDArray[Any], border: int, how: int) -> npt.NDArray[Any]:
    return np.asarray(cv2.copyMakeBorder(pixels, border, border, border, border, how))
