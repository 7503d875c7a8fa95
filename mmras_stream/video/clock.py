"""Give every frame a time later than that of the frame before."""

from __future__ import annotations

from fractions import Fraction

from mmras_stream.video.defects import Defect, Defects

_UNKNOWN_RATE = Fraction(25)
"""Frames per second assumed where neither frame nor header says; FFmpeg's own default."""

_GAP_SECONDS = 1.0
_GAP_FRAMES = 10
"""A gap is longer than this many frames and seconds; less is a variable frame rate."""

_RESTART_SECONDS = 1.0
"""A time that goes back further begins a new recording, joined to the one before."""


class Clock:
    """Repairs presentation times; one instance serves one pass over one video.

    Args:
        time_base: seconds per tick.
        frame_rate: average; 0 where it is unknown.
        defects: where repairs are counted.
    """

    def __init__(self, *, time_base: Fraction, frame_rate: Fraction, defects: Defects) -> None:
        self._time_base = time_base
        rate = float(frame_rate or _UNKNOWN_RATE)
        self._gap = max(_GAP_SECONDS, _GAP_FRAMES / rate)
        self._step = max(1, round(1 / ((frame_rate or _UNKNOWN_RATE) * time_base)))
        self._last: int | None = None
        self._by_dts = False
        self._offset = 0
        self._defects = defects

    def tick(self, pts: int | None, dts: int | None) -> int:
        """Return the time of the next frame, in ticks.

        Args:
            pts: as the decoder says, if it does.
            dts: decoding time of the packet that completed the frame; in files that store no pts
                (AVI) the two are the same but for a constant.
        """
        now = self._continued(dts) if pts is None else self._repaired(pts)
        if self._last is not None and (now - self._last) * self._time_base > self._gap:
            self._count_gap(self._last, now)
        self._last = now
        return now

    def _repaired(self, pts: int) -> int:
        last = self._last
        if last is None or pts > last:
            self._offset = 0
            return pts
        if pts + self._offset > last:
            return pts + self._offset
        if (last - pts - self._offset) * self._time_base > _RESTART_SECONDS:
            self._offset = last + self._step - pts
            self._defects.count(Defect.RESTART, f"after {float(last * self._time_base):.1f} s")
            return last + self._step
        self._defects.count(Defect.MOVED_PTS)
        return last + 1

    def _continued(self, dts: int | None) -> int:
        last = self._last
        if dts is not None and (last is None or dts > last):
            self._by_dts = True
            return dts
        # A decoder that is emptied has no packet left to take a dts from: no fault of the file.
        if dts is not None or not self._by_dts:
            self._defects.count(Defect.MISSING_PTS)
        return 0 if last is None else last + self._step

    def _count_gap(self, last: int, now: int) -> None:
        length, at = float((now - last) * self._time_base), float(last * self._time_base)
        self._defects.count(Defect.GAP, f"of {length:.1f} s at {at:.1f} s")
