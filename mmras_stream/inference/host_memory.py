"""Memory of the C library under large networks on a CPU."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
"""Names of settings in glibc's malloc.h."""

_KEPT = 2**31 - 1
_GROWTH = 64 << 20


def keep_freed_memory() -> bool:
    """Let malloc keep what is freed for the next frame, in this whole process.

    Maps of tens of megabytes come and go in every layer. By default glibc gets each of them from
    the kernel and gives it back, and clearing its pages takes a sixth of the network's time. The
    peak of the resident memory hardly changes; it is only held until the process ends.

    Returns:
        Whether the C library is glibc, which alone is asked.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return False
    return all(
        mallopt(setting, value) == 1
        for setting, value in (
            (_M_MMAP_MAX, 0),
            (_M_TRIM_THRESHOLD, _KEPT),
            (_M_TOP_PAD, _GROWTH),
        )
    )
