"""Drives drawn for tests: bright boxes on a dark ground, some of them labelled as things."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.video.stream import VideoStream

from mmras_stream.model import Model
from mmras_stream.regions.rle import encode
from mmras_stream.testing import FakeBackend, FakeScorer

HEIGHT, WIDTH = 96, 160

Box = tuple[int, int, int, int]
"""Left, top, width and height."""


@dataclass(frozen=True)
class Shown:
    """A bright box that moves right; it is labelled as a thing unless it has no number."""

    thing: int | None
    first: int
    end: int
    place: Box
    speed: int = 0
    bright: Callable[[int], bool] = lambda _index: True
    """Tells in which frames it looks strange; it is labelled in the others as well."""

    def box(self, index: int) -> Box | None:
        if not self.first <= index < self.end:
            return None
        left, top, width, height = self.place
        return left + self.speed * (index - self.first), top, width, height


def write_drive(folder: Path, name: str, shown: Sequence[Shown], *, frames: int = 50) -> Path:
    """Write `NAME.mp4` at 25 frames/s, without loss, and `NAME.coco.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.mp4"
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "0"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index in range(frames):
            container.mux(stream.encode(_frame(shown, index)))
            images.append({"id": index + 1, "frame_index": index, "height": HEIGHT, "width": WIDTH})
            for one in shown:
                box = one.box(index)
                if box is not None and one.thing is not None:
                    number = len(annotations) + 1
                    annotations.append(annotation(number, index + 1, box, track_id=one.thing))
        container.mux(stream.encode())
    write_labels(folder / f"{name}.coco.json", images, annotations, length=frames)
    return path


def write_labels(
    path: Path,
    images: list[dict[str, Any]],
    annotations: list[dict[str, Any]],
    *,
    length: int | None = None,
) -> None:
    videos = [] if length is None else [{"id": 1, "length": length}]
    path.write_text(json.dumps({"videos": videos, "images": images, "annotations": annotations}))


def annotation(number: int, image_id: int, box: Box, **fields: Any) -> dict[str, Any]:
    rle = encode(painted(box))
    shape = {"size": list(rle.size), "counts": rle.counts}
    return {"id": number, "image_id": image_id, "segmentation": shape, **fields}


def painted(box: Box) -> npt.NDArray[np.bool_]:
    left, top, width, height = box
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[top : top + height, left : left + width] = True
    return mask


def _frame(shown: Sequence[Shown], index: int) -> av.VideoFrame:
    luma = np.full((HEIGHT, WIDTH), 40, np.uint8)
    for one in shown:
        box = one.box(index)
        if box is not None and one.bright(index):
            luma[painted(box)] = 230
    chroma = np.full((HEIGHT // 2, WIDTH), 128, np.uint8)
    frame = av.VideoFrame.from_ndarray(np.concatenate([luma, chroma]), "yuv420p")
    frame.pts, frame.time_base = index, Fraction(1, 25)
    return frame


def bright_model(**backend: Any) -> Model:
    """Return a model to which bright places are strange."""
    return Model(FakeBackend(**backend), FakeScorer(), 0.5, score="brightness")
