"""Pair rows with columns so that what the pairs are worth adds up to the most."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Worth: TypeAlias = npt.NDArray[np.float64]
"""(rows, columns), 0 or more; 0 for what must not be paired."""


def best_pairs(worth: Worth) -> list[tuple[int, int]]:
    """Return the pairs of row and column, each in one pair at most, that are worth most together.

    The Hungarian method with potentials: each row is added by its shortest augmenting path, so
    the cost is rows^2 * columns of the smaller side. Kuhn 1955; Jonker and Volgenant 1987.

    >>> best_pairs(np.array([[0.9, 0.8], [0.8, 0.0]]))
    [(0, 1), (1, 0)]
    """
    if worth.size == 0 or not worth.any():
        return []
    if worth.shape[0] > worth.shape[1]:
        return sorted((row, column) for column, row in best_pairs(worth.T))
    row_of = _assigned(-worth)
    pairs = ((int(row), column) for column, row in enumerate(row_of) if row >= 0)
    return sorted((row, column) for row, column in pairs if worth[row, column] > 0)


def _assigned(cost: Worth) -> npt.NDArray[np.int64]:
    """Return the row of each column at least cost, -1 for none; no more rows than columns."""
    rows, columns = cost.shape
    # column 0 is no column: each row starts there and looks for a way to a free one
    row_of = np.full(columns + 1, -1, np.int64)
    by_row, by_column = np.zeros(rows), np.zeros(columns + 1)
    for row in range(rows):
        row_of[0] = row
        here = 0
        came_from = np.zeros(columns + 1, np.int64)
        least = np.full(columns + 1, np.inf)
        tied = np.zeros(columns + 1, np.bool_)
        while row_of[here] >= 0:
            tied[here] = True
            at = row_of[here]
            reduced = np.concatenate(([np.inf], cost[at] - by_row[at] - by_column[1:]))
            shorter = ~tied & (reduced < least)
            least[shorter], came_from[shorter] = reduced[shorter], here
            there = int(np.argmin(np.where(tied, np.inf, least)))
            step = least[there]
            by_row[row_of[tied]] += step
            by_column[tied] -= step
            least[~tied] -= step
            here = there
        while here:
            row_of[here] = row_of[came_from[here]]
            here = int(came_from[here])
    return row_of[1:]
