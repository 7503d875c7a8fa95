"""Save a close-up of each thing found, at its highest score.

Run: python samples/cut_out_finds.py samples/drive.mp4 finds
"""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import cv2

from mmras_stream import results
from mmras_stream.video.colour import to_rgb


def main(path: str, folder: str) -> None:
    """Keep the best crop of each track; a margin of half its size shows where it lay."""
    best: dict[int, float] = {}
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    with closing(results(path)) as frames:
        for result in frames:
            for proposal in result.proposals:
                if proposal.score <= best.get(proposal.track_id or 0, 0.0):
                    continue
                best[proposal.track_id or 0] = proposal.score
                x, y, w, h = proposal.bbox_xywh
                top, left = max(y - h // 2, 0), max(x - w // 2, 0)
                close_up = to_rgb(result.frame)[top : y + h + h // 2, left : x + w + w // 2]
                name = out / f"thing-{proposal.track_id}.jpg"
                cv2.imwrite(str(name), cv2.cvtColor(close_up, cv2.COLOR_RGB2BGR))
    print(f"{len(best)} things in {out}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
