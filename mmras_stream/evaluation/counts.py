"""Count equal scores exactly, however many there are, in little memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, TypeAlias

import numpy as np
import numpy.typing as npt

from mmras_stream.errors import OutputError

Keys: TypeAlias = npt.NDArray[np.uint32]
Rows: TypeAlias = npt.NDArray[np.uint64]
"""Sorted; a key in the upper half of each number, how often it was seen in the lower."""

BUFFER = 1 << 22
"""Keys that are held before they are sorted and laid aside."""

STEP = 1 << 12
"""Rows from one entry of a run's index to the next."""

_ROW = 8
_LOW = np.uint64(0xFFFF_FFFF)
_HALF = np.uint64(32)
_SIGN = np.uint32(0x8000_0000)


def keys_of(scores: npt.NDArray[np.float32]) -> Keys:
    """Return whole numbers in the order of the scores, equal where these are equal.

    >>> keys = keys_of(np.float32([-2, -0.0, 0.0, 1e-45, 3]))
    >>> bool(keys[1] == keys[2]), bool((np.diff(keys[2:].astype(np.int64)) > 0).all())
    (True, True)
    """
    bits = (scores + np.float32(0)).view(np.uint32)  # the sum turns -0 into 0
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def scores_of(keys: Keys) -> npt.NDArray[np.float32]:
    """Return the scores that `keys_of` made these of."""
    return np.where(keys & _SIGN, keys ^ _SIGN, ~keys).view(np.float32)


@dataclass(frozen=True, slots=True)
class Counted:
    """Neighbouring distinct scores, the lowest first, and how often each was seen."""

    keys: Keys
    counts: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """Sorted rows in a file."""

    offset: int
    rows: int
    index: Keys
    """Every `STEP`-th key."""


class ScoreCounts:
    """How often each score was seen: exact, in memory that does not grow with what is counted.

    Keys are sorted a buffer at a time and laid aside, as distinct keys with their counts, in an
    unnamed temporary file (8 bytes for each distinct score of a buffer); `slices` merges what lies
    there, one range of keys after the other. What fits into one buffer touches no disk.
    """

    def __init__(self) -> None:
        self.total = 0
        self._held: list[Keys] = []
        self._held_size = 0
        self._runs: list[_Run] = []
        self._files = ExitStack()
        self._file: IO[bytes] | None = None

    def add(self, scores: npt.NDArray[np.float32]) -> None:
        """Count finite scores of any shape."""
        keys = keys_of(scores.ravel())
        self.total += keys.size
        for part in np.split(keys, range(BUFFER, keys.size, BUFFER)):
            if self._held_size + part.size > BUFFER:
                self.lay_aside()
            self._held.append(part)
            self._held_size += part.size

    def close(self) -> None:
        """Give the temporary file back; nothing can be read afterwards."""
        self._files.close()
        self._runs, self._held = [], []

    def lay_aside(self) -> None:
        """Move what memory holds to the disk; it can still be read.

        Raises:
            OutputError: there is no space.
        """
        rows = self._memory_rows()
        if not rows.size:
            return
        try:
            if self._file is None:
                self._file = self._files.enter_context(tempfile.TemporaryFile("w+b"))  # noqa: SIM115 - closed in close
            offset = self._file.seek(0, 2)
            self._file.write(rows.data)
        except OSError as error:
            raise OutputError(
                f"cannot keep scores in {tempfile.gettempdir()}: {error.strerror}; "
                "free some space or set TMPDIR to another folder"
            ) from error
        self._runs.append(_Run(offset, rows.size, _rows_keys(rows[::STEP])))
        self._held, self._held_size = [], 0

    def index(self) -> Keys:
        """Return keys, sorted, between two of which lie at most `STEP` rows of each run."""
        parts = [run.index for run in self._runs] + [_rows_keys(self._memory_rows())[::STEP]]
        return np.sort(np.concatenate(parts))

    def slices(self, bounds: Sequence[int]) -> Iterator[Counted]:
        """Yield what was counted between neighbouring bounds, the highest first.

        Args:
            bounds: Keys, ascending; a slice holds those from its lower bound to below its upper.
        """
        held = self._memory_rows()
        for low, high in zip(bounds[-2::-1], bounds[:0:-1], strict=True):
            parts = [_between(held, low, high)]
            parts += [self._read(run, low, high) for run in self._runs]
            yield _merged(np.concatenate(parts))

    def _memory_rows(self) -> Rows:
        self._held = [np.sort(np.concatenate(self._held))] if self._held else []
        return _counted_rows(self._held[0]) if self._held_size else np.zeros(0, np.uint64)

    def _read(self, run: _Run, low: int, high: int) -> Rows:
        assert self._file is not None
        first = max(0, int(np.searchsorted(run.index, low, "left")) - 1) * STEP
        last = min(run.rows, int(np.searchsorted(run.index, high, "left")) * STEP)
        self._file.seek(run.offset + first * _ROW)
        data = self._file.read(max(0, last - first) * _ROW)
        return _between(np.frombuffer(data, np.uint64), low, high)


def common_slices(counts: Sequence[ScoreCounts], bounds: Sequence[int]) -> Iterator[Counted]:
    """Yield what several counted together; see `ScoreCounts.slices`."""
    for first, *others in zip(*(one.slices(bounds) for one in counts), strict=True):
        if not others:
            yield first
            continue
        keys = np.concatenate([first.keys, *(part.keys for part in others)])
        seen = np.concatenate([first.counts, *(part.counts for part in others)])
        order = np.argsort(keys, kind="stable")
        yield _summed(keys[order], seen[order])


def range_bounds(counts: Sequence[ScoreCounts], *, rows: int = 1 << 20) -> list[int]:
    """Return bounds of ranges of keys that hold about so many rows each, for `slices`."""
    index = np.sort(np.concatenate([one.index() for one in counts]))
    inner = np.unique(index[:: max(1, rows // STEP)])
    return [0, *(int(key) for key in inner if key > 0), 1 << 32]


def _counted_rows(keys: Keys) -> Rows:
    begins = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    counts = np.diff(begins, append=keys.size).astype(np.uint64)
    return keys[begins].astype(np.uint64) << _HALF | counts


def _rows_keys(rows: Rows) -> Keys:
    return (rows >> _HALF).astype(np.uint32)


def _between(rows: Rows, low: int, high: int) -> Rows:
    first = np.searchsorted(rows, np.uint64(low << 32), "left")
    if high >= 1 << 32:
        return rows[first:]
    return rows[first : np.searchsorted(rows, np.uint64(high << 32), "left")]


def _merged(rows: Rows) -> Counted:
    rows = np.sort(rows)
    return _summed(_rows_keys(rows), (rows & _LOW).astype(np.int64))


def _summed(keys: Keys, counts: npt.NDArray[np.int64]) -> Counted:
    """Add up the counts of equal keys, which are sorted."""
    if not keys.size:
        return Counted(keys, counts)
    begins = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    return Counted(keys[begins], np.add.reduceat(counts, begins))
