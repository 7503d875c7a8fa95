"""A made-up drive with results, for exporters to write."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from pycocotools.coco import COCO

from mmras_stream.export.coco import CocoExporter
from mmras_stream.export.frames import FramesExporter
from mmras_stream.export.overlay import OverlayExporter
from mmras_stream.export.timeline import TimelineExporter
from mmras_stream.protocols import Exporter
from mmras_stream.regions.components import find_regions
from mmras_stream.settings import RunContext, Settings
from mmras_stream.types import (
    AnomalyMap,
    ColourMatrix,
    Frame,
    FrameResult,
    PixelFormat,
    VideoInfo,
)

HEIGHT, WIDTH = 96, 160

TIME_BASE = Fraction(1, 30000)
ALL: list[Callable[[RunContext], Exporter]] = [
    OverlayExporter,
    CocoExporter,
    FramesExporter,
    TimelineExporter,
]


def context_for(folder: Path, settings: Settings | None = None, *, uri: str = "") -> RunContext:
    folder.mkdir(parents=True, exist_ok=True)
    rate = Fraction(30000, 1001)
    info = VideoInfo(uri or str(folder / "none.mp4"), HEIGHT, WIDTH, rate, TIME_BASE, None)
    return RunContext(info, folder, folder.name, settings or Settings())


def made_result(index: int, *things: tuple[int, int, float], first: int = 0) -> FrameResult:
    """Return a result with one region per thing: track, column of 20, score."""
    scores = np.full((12, 20), 0.1, np.float32)
    for _, column, score in things:
        scores[4:8, column : column + 3] = score
    anomaly_map = AnomalyMap(index, scores, HEIGHT, WIDTH)
    planes = tuple(
        torch.full((HEIGHT // k, WIDTH // k), 60 + index % 100, dtype=torch.uint8)
        for k in (1, 2, 2)
    )
    pixel_format = PixelFormat(ColourMatrix.BT601, full_range=False)
    frame = Frame(index, first + 1001 * index, TIME_BASE, planes, pixel_format)  # type: ignore[arg-type]  # three
    regions = find_regions(anomaly_map, pts=frame.pts, threshold=0.5)
    by_place = {round(p.bbox_xywh[0] / 8): p for p in regions}
    tracked = tuple(
        replace(by_place[min(by_place, key=lambda place: abs(place - column))], track_id=track)
        for track, column, _ in things
    )
    return FrameResult(frame, anomaly_map, anomaly_map, tracked, 0.5)


def made_drive(frames: int = 60) -> Iterator[FrameResult]:
    """Yield a calm start, then one thing, then two."""
    for index in range(frames):
        rising = 0.55 + 0.4 * index / frames
        if index < 10:
            yield made_result(index)
        elif index < 40:
            yield made_result(index, (1, 3, rising))
        else:
            yield made_result(index, (1, 3, rising), (2, 12, 0.8))


def export_all(
    kind: Callable[[RunContext], Exporter], context: RunContext, results: Iterator[FrameResult]
) -> Exporter:
    exporter = kind(context)
    for result in results:
        exporter.write(result)
    exporter.close()
    exporter.close()
    return exporter


def loaded_coco(path: Path) -> Any:
    with redirect_stdout(io.StringIO()):
        return COCO(str(path))


def frame_times(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        return [f.pts * stream.time_base for f in container.decode(stream) if f.pts is not None]
