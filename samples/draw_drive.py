"""Draw the sample drive and its ground truth: samples/drive.mp4 and samples/drive.coco.json.

Run: python samples/draw_drive.py [seed] [obstacle]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
from pycocotools import mask as rle

from mmras_stream.synthetic.scene import DrawnFrame, RoadScene, SceneSettings

HERE = Path(__file__).parent


def annotate(frame: DrawnFrame, image_id: int) -> dict[str, Any]:
    """Return the COCO annotation of the obstacle in one frame."""
    code = rle.encode(np.asfortranarray(frame.obstacle_mask, dtype=np.uint8))
    shape = {"size": code["size"], "counts": code["counts"].decode()}
    return {"id": image_id, "image_id": image_id, "video_id": 1, "category_id": 1, "track_id": 1,
            "instance_id": 1, "iscrowd": 0, "bbox": rle.toBbox(code).tolist(),
            "area": int(rle.area(code)), "segmentation": shape}  # fmt: skip


def main(seed: int, obstacle: str) -> None:
    """Draw, encode, and annotate frame by frame."""
    scene = RoadScene(SceneSettings(seed=seed, obstacle=obstacle))
    rate, size = scene.settings.frame_rate, {"height": 360, "width": 640}
    images, annotations, encoding = [], [], {"crf": "25", "preset": "slow"}
    with av.open(str(HERE / "drive.mp4"), "w", options={"movflags": "+faststart"}) as movie:
        video = movie.add_stream("libx264", rate=rate, options=encoding)
        video.height, video.width, video.pix_fmt = size["height"], size["width"], "yuv420p"
        for index, drawn in enumerate(scene.frames()):
            movie.mux(video.encode(av.VideoFrame.from_ndarray(drawn.image, format="rgb24")))
            images.append({"id": index + 1, "file_name": f"drive/frames/{index:06d}.jpg", **size,
                           "video_id": 1, "frame_id": index, "frame_index": index,
                           "timestamp": drawn.seconds})  # fmt: skip
            if drawn.obstacle_mask.any():
                annotations.append(annotate(drawn, index + 1))
        movie.mux(video.encode())
    with av.open(str(HERE / "drive.mp4")) as movie:  # the container chose the time base
        stamps = sorted(packet.pts for packet in movie.demux(video=0) if packet.pts is not None)
    images = [{**image, "pts": pts} for image, pts in zip(images, stamps, strict=True)]
    videos = [{"id": 1, "name": "drive", **size, "length": len(images), "fps": float(rate),
               "neg_category_ids": [], "not_exhaustive_category_ids": [],
               "metadata": {"uri": "drive.mp4"}}]  # fmt: skip
    truth = {"videos": videos, "images": images, "annotations": annotations,
             "tracks": [{"id": 1, "category_id": 1, "video_id": 1}],
             "categories": [{"id": 1, "name": "obstacle", "supercategory": "anomaly"}]}  # fmt: skip
    (HERE / "drive.coco.json").write_text(json.dumps(truth, separators=(",", ":")))


if __name__ == "__main__":
    main(int(sys.argv[1] if len(sys.argv) > 1 else 40), (*sys.argv[2:], "cardboard_box")[0])
