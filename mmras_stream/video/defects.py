"""What turned out to be wrong with a video while it was read."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum


class Defect(StrEnum):
    """A fault that can occur many times and is reported once, with its count."""

    CORRUPT_PACKET = "corrupt packet{s} skipped"
    DAMAGED_FRAME = "frame{s} decoded with errors, so parts of them may be wrong"
    MISSING_PTS = "frame{s} had no presentation time; it was continued from the frame before"
    MOVED_PTS = "frame{s} did not come after the frame before and moved to the next tick"
    RESTART = "place{s} where time starts over; it was continued"
    GAP = "gap{s} in time without frames"
    RESIZED_FRAME = "frame{s} of another size brought to that of the first"
    UNREADABLE_PICTURE = "unreadable picture{s} skipped"


class Defects:
    """Collects faults and words them, one sentence each."""

    def __init__(self) -> None:
        self._notes: dict[str, None] = {}
        self._counts: Counter[Defect] = Counter()
        self._first: dict[Defect, str] = {}

    def note(self, sentence: str) -> None:
        """Add a sentence, unless it was said before."""
        self._notes[sentence] = None

    def count(self, defect: Defect, where: str = "") -> None:
        """Count a fault; the first place where it occurred is remembered."""
        self._counts[defect] += 1
        self._first.setdefault(defect, where)

    def __getitem__(self, defect: Defect) -> int:
        return self._counts[defect]

    def sentences(self) -> tuple[str, ...]:
        """Return what is known so far."""
        return (*self._notes, *(self._sentence(defect) for defect in self._counts))

    def _sentence(self, defect: Defect) -> str:
        count, where = self._counts[defect], self._first[defect]
        text = f"{count} {defect.value.format(s='' if count == 1 else 's')}"
        return f"{text} (first {where})" if where else text
