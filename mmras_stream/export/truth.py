"""Ground truth of a drive, in the shape of the proposals: COCO with tracks."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

from pycocotools import mask as mask_api

from mmras_stream.atomic import partial_path, publish, reported
from mmras_stream.export.coco_writer import VIDEO_ID, picture_name
from mmras_stream.regions.rle import encode
from mmras_stream.types import Mask

SUPERCATEGORY = "anomaly"


class TruthWriter:
    """Gathers what is true about a drive and writes it as one COCO file.

    Every frame becomes an image, with or without annotations; every kind of thing a category;
    every thing a track. `attributes` hold the share of a thing that is seen and whether the border
    of the picture cuts it.

    Args:
        drive: Name of the video without its ending.
        size: (height, width) of its pictures.
        frame_rate: Average.
    """

    def __init__(self, drive: str, *, size: tuple[int, int], frame_rate: Fraction) -> None:
        self._drive = drive
        self._size = size
        self._frame_rate = frame_rate
        self._images: list[dict[str, object]] = []
        self._annotations: list[dict[str, object]] = []
        self._categories: dict[str, int] = {}
        self._tracks: dict[int, dict[str, object]] = {}

    @property
    def tracks(self) -> int:
        """How many things were seen so far."""
        return len(self._tracks)

    @property
    def annotations(self) -> int:
        """How many masks were added so far."""
        return len(self._annotations)

    def add_frame(self, index: int, *, pts: int, seconds: float) -> None:
        """Begin the next frame."""
        height, width = self._size
        number = len(self._images)
        self._images.append(
            {
                "id": number + 1,
                "file_name": picture_name(self._drive, index),
                "height": height,
                "width": width,
                "video_id": VIDEO_ID,
                "frame_id": number,
                "frame_index": index,
                "timestamp": seconds,
                "pts": pts,
            }
        )

    def add_mask(self, track_id: int, kind: str, mask: Mask, *, visible_share: float = 1.0) -> None:
        """Add what is seen of a thing in the frame begun last; nothing if no pixel is.

        Args:
            track_id: From 1, the same for one thing throughout.
            kind: What it is.
            mask: (height, width) of what is seen.
            visible_share: Of the pixels it would have if nothing hid it, 0..1.
        """
        if not mask.any():
            return
        category = self._categories.setdefault(kind, len(self._categories) + 1)
        self._tracks.setdefault(
            track_id, {"id": track_id, "category_id": category, "video_id": VIDEO_ID, "name": kind}
        )
        code = encode(mask)
        shape = {"size": list(code.size), "counts": code.counts}
        edge = (mask[0].any(), mask[-1].any(), mask[:, 0].any(), mask[:, -1].any())
        self._annotations.append(
            {
                "id": len(self._annotations) + 1,
                "image_id": len(self._images),
                "video_id": VIDEO_ID,
                "category_id": category,
                "track_id": track_id,
                "instance_id": track_id,
                "iscrowd": 0,
                "bbox": mask_api.toBbox(shape).tolist(),
                "area": int(mask.sum()),
                "segmentation": shape,
                "attributes": {
                    "track_id": track_id,
                    "occluded": visible_share < 0.9,
                    "visible_share": round(visible_share, 3),
                    "truncated": bool(any(edge)),
                },
            }
        )

    def write(self, path: Path, *, uri: str) -> None:
        """Write the file for a video called `uri`.

        Raises:
            OutputError: it cannot be written.
        """
        height, width = self._size
        video = {
            "id": VIDEO_ID,
            "name": self._drive,
            "height": height,
            "width": width,
            "length": len(self._images),
            "fps": float(self._frame_rate),
            "neg_category_ids": [],
            "not_exhaustive_category_ids": [],
            "metadata": {"uri": uri},
        }
        truth = {
            "videos": [video],
            "images": self._images,
            "annotations": self._annotations,
            "tracks": list(self._tracks.values()),
            "categories": [
                {"id": number, "name": kind, "supercategory": SUPERCATEGORY}
                for kind, number in self._categories.items()
            ],
        }
        with reported(path):
            partial_path(path).write_text(json.dumps(truth, separators=(",", ":")) + "\n")
        publish(path)
