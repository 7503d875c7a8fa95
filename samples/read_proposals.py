"""List the things in a proposals file, largest first, with pycocotools alone.

Run: mmras-stream annotate samples/drive.mp4 && python samples/read_proposals.py out/drive
"""

from __future__ import annotations

import sys
from pathlib import Path

from pycocotools.coco import COCO


def main(folder: str) -> None:
    """Show when each thing was seen and how much of the picture it came to fill."""
    coco = COCO(str(Path(folder) / "proposals.coco.json"))
    for track in coco.dataset["tracks"]:
        seen = [a for a in coco.dataset["annotations"] if a["track_id"] == track["id"]]
        times = [coco.imgs[a["image_id"]]["timestamp"] for a in seen]
        largest = max(seen, key=lambda a: a["area"])
        picture = coco.imgs[largest["image_id"]]
        share = largest["area"] / (picture["width"] * picture["height"])
        print(
            f"thing {track['id']}: {min(times):.2f} to {max(times):.2f} s, "
            f"{len(seen)} frames, up to {100 * share:.2f} % of the picture"
        )


if __name__ == "__main__":
    main(sys.argv[1])
