"""How a camera that drives over flat ground moves, from the paths of points in its pictures.

With y, x the pixels below and right of the point towards which the car drives, a point of the
ground moves by dy = k * y * y', dx = k * x * y' (' is later), where k = d / (f * c) for a way d,
a focal length f in pixels and a camera c above the ground. Small turns add the same (a, b) to all
points. What does not lie on the ground moves along the line through (0, 0) all the same.
Longuet-Higgins and Prazdny 1980, "The interpretation of a moving retinal image", eq. 2.9 f.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Doubles: TypeAlias = npt.NDArray[np.float64]

_STEPS = 5
_INLIER_PIXELS = 1.0
_LEAST_GROUND_POINTS = 5
_LEAST_POINTS = 12
_GOAL_POINTS = 160
_NEAR_GOAL_PIXELS = 12.0
"""Closer to the goal of the drive, directions are mostly noise."""


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """Where points were in one frame and how far they moved by the next; (N, 2), x first."""

    points: Doubles
    flow: Doubles


@dataclass(frozen=True, slots=True)
class Step:
    """How the camera moved between two frames."""

    k: float
    """Way ahead over focal length and height of the camera, 1 / pixel."""
    right: float
    """Pixels by which everything moved right, as the camera turned left."""
    down: float
    """Pixels by which everything moved down, as the camera tilted up."""
    is_sure: bool
    """Whether enough of the ground was seen to move like this."""


def fit_step(paths: Paths, goal: tuple[float, float]) -> Step:
    """Fit one step to the points on the ground and to the directions of all others.

    Args:
        paths: In pixels.
        goal: x, y towards which the car drives; y is the horizon.
    """
    x, y = (paths.points - np.asarray(goal)).T
    dx, dy = paths.flow.T
    ground = on_the_way(x, y)
    if len(x) < _LEAST_POINTS:
        return Step(0.0, 0.0, 0.0, is_sure=False)
    gx, gy, later = x[ground], y[ground], (y + dy)[ground]
    ones, none = np.ones_like(gx), np.zeros_like(gx)
    across, up, weight, aside = _aside(x[~ground], y[~ground], dx[~ground], dy[~ground])
    rows = np.concatenate(
        [
            np.stack([gx * later, ones, none], 1),
            np.stack([gy * later, none, ones], 1),
            np.stack([np.zeros_like(across), across, up], 1) * weight[:, None],
        ]
    )
    wanted = np.concatenate([dx[ground], dy[ground], aside * weight])
    count = int(ground.sum())
    guess = np.array([_most_agreed(gy, later), 0.0, 0.0])
    solution, residual = _robust(rows, wanted, guess)
    both = np.hypot(residual[:count], residual[count : 2 * count])
    telling = np.hypot(rows[:count, 0], rows[count : 2 * count, 0]) * abs(solution[0]) > 1.0
    agreed = int((telling & (both < 1.5 * _INLIER_PIXELS)).sum())
    lively = int((np.abs(dy[ground]) > _INLIER_PIXELS).sum())
    # in the dark, hardly anything is seen of the road, which does not mean that it stands
    still = np.median(np.hypot(dx, dy)) < 0.1 and count >= 2 * _LEAST_GROUND_POINTS > 4 * lively
    is_sure = bool(still or (solution[0] > 0 and agreed >= _LEAST_GROUND_POINTS))
    k, right, down = (0.0 if still else float(value) for value in solution)
    return Step(k, right, down, is_sure=is_sure)


def _most_agreed(y: Doubles, later: Doubles) -> float:
    """Return the k that most points on the ground agree with, as much else stands or drives there.

    Points on long lines and on cars that drive along hardly move, and would win a mere average.
    """
    moved = later - y
    lively = moved > 1.0
    if not lively.any():
        return 0.0
    guesses = moved[lively] / (y * later)[lively]
    told = guesses[:, None] * (y * later)
    agreed = np.abs(moved - guesses[:, None] * (y * later)) < 0.5 * _INLIER_PIXELS + 0.05 * np.abs(
        moved
    )
    return float(guesses[(agreed & (told > 1.0)).sum(axis=1).argmax()])


def on_the_way(x: Doubles, y: Doubles) -> npt.NDArray[np.bool_]:
    """Tell which points, relative to the goal, likely lie on the road."""
    return np.asarray((y > 25) & (np.abs(x) < 2.2 * y))


def find_goal(
    steps: Sequence[Paths], *, size: tuple[int, int], start: tuple[float, float]
) -> tuple[float, float]:
    """Find the point away from which everything flows in all steps alike.

    Args:
        steps: Of frames between which the car moved.
        size: (height, width) of the pictures.
        start: The usual place, which wins where nothing can be told.
    """
    height, width = size
    best, reach = start, (0.14 * width, 0.16 * height)
    for _ in range(3):
        columns = best[0] + reach[0] * np.linspace(-1, 1, 7)
        rows = best[1] + reach[1] * np.linspace(-1, 1, 7)
        places = [(float(u), float(v)) for v in rows for u in columns]
        best = min(places, key=lambda goal: sum(_disorder(paths, goal) for paths in steps))
        reach = (reach[0] / 2.5, reach[1] / 2.5)
    return best


def _disorder(paths: Paths, goal: tuple[float, float]) -> float:
    """Return how badly points flow away from a goal, 0..1, whatever small turn came with it."""
    some = slice(None, None, max(1, len(paths.points) // _GOAL_POINTS))
    x, y = (paths.points[some] - np.asarray(goal)).T
    across, up, weight, aside = _aside(x, y, *paths.flow[some].T)
    rows = np.stack([across, up], 1) * weight[:, None]
    _, residual = _robust(rows, aside * weight, np.zeros(2))
    return float(np.minimum(np.square(residual / _INLIER_PIXELS), 1.0).mean())


def _aside(
    x: Doubles, y: Doubles, dx: Doubles, dy: Doubles
) -> tuple[Doubles, Doubles, Doubles, Doubles]:
    """Return unit vectors across the line to the goal, their weight, and the flow along them."""
    reach = np.hypot(x, y) + 1e-6
    across, up = -y / reach, x / reach
    return across, up, reach / (reach + _NEAR_GOAL_PIXELS), across * dx + up * dy


def _robust(rows: Doubles, wanted: Doubles, solution: Doubles) -> tuple[Doubles, Doubles]:
    """Improve a solution of rows @ solution = wanted with Cauchy weights; return residuals too."""
    scale = 4.0 * _INLIER_PIXELS
    for _ in range(_STEPS):
        weight = 1.0 / (1.0 + np.square((wanted - rows @ solution) / scale))
        weighted = rows * weight[:, None]
        normal = weighted.T @ rows
        # each unknown by its own measure: that of k is a million times that of the shifts
        normal[np.diag_indices_from(normal)] *= 1.0 + 1e-9
        normal[np.diag_indices_from(normal)] += 1e-9
        solution = np.asarray(np.linalg.solve(normal, weighted.T @ wanted), np.float64)
        scale = max(0.5 * _INLIER_PIXELS, scale / 1.7)
    return solution, wanted - rows @ solution
