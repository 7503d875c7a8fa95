"""Print the strangest moment of each second of a drive.

Run: python samples/watch_scores.py samples/drive.mp4
"""

from __future__ import annotations

import sys
from contextlib import closing

from mmras_stream import results


def main(path: str) -> None:
    """Go through the drive frame by frame; nothing is written to disk."""
    second, peak = 0, 0.0
    with closing(results(path)) as frames:
        for result in frames:
            if int(result.frame.seconds) > second:
                print(f"{second:4d} s  {'#' * round(40 * peak)} {peak:.2f}")
                second, peak = int(result.frame.seconds), 0.0
            peak = max(peak, float(result.anomaly_map.scores.max()))
    print(f"{second:4d} s  {'#' * round(40 * peak)} {peak:.2f}")


if __name__ == "__main__":
    main(sys.argv[1])
