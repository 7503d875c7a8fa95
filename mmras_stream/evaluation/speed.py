"""What each part of a run costs, alone and together, measured in one process."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from mmras_stream.errors import VideoError
from mmras_stream.model import Model, load_model
from mmras_stream.pipeline import new_watch, open_decoder, run
from mmras_stream.settings import Settings
from mmras_stream.types import FrameBatch
from mmras_stream.video.writer import VideoWriter
from mmras_stream.video.yuv420 import Planes420, to_yuv420, yuv420_format

T = TypeVar("T")

WARM_UP = 3
"""Batches through the network before it is timed."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of all frames together."""

    wall_seconds: float
    cpu_seconds: float
    """Of all threads of the process."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Of the same frames of one drive."""

    frames: int
    height: int
    width: int
    parts: dict[str, Cost]
    """decode, network, motion and encode, each alone, and the whole run with all outputs on."""
    stages: dict[str, float]
    """Wall seconds of each stage within the whole run; decoding and the search for motion run
    beside the others, and count there only as far as they were waited for."""
    peak_mib: float
    """Resident memory of the process at its highest; 0 where the system does not say."""

    @property
    def overhead(self) -> float:
        """Time of the whole run over the sum of its parts."""
        return self._ratio(lambda cost: cost.wall_seconds)

    @property
    def cpu_overhead(self) -> float:
        """The same of CPU time; threads that wait without sleeping count."""
        return self._ratio(lambda cost: cost.cpu_seconds)

    @property
    def following(self) -> float:
        """Share of the whole run that it takes to find motion, smooth and track."""
        steps = self.parts["motion"].wall_seconds, self.stages["smooth"], self.stages["track"]
        return sum(steps) / self.parts["whole run"].wall_seconds

    def _ratio(self, of: Callable[[Cost], float]) -> float:
        alone = sum(of(self.parts[name]) for name in ("decode", "network", "encode"))
        return of(self.parts["whole run"]) / alone


def measure(path: Path, settings: Settings) -> Costs:
    """Time the parts and the whole on the frames that `settings.video` selects.

    All frames of the parts are held in memory, so that each part is timed alone: give an end.

    Raises:
        VideoError: the drive cannot be decoded, or no frame of it is selected.
    """
    model = load_model(settings)
    with closing(open_decoder(path, settings.video)) as decoder:
        decode, batches = _timed(lambda: list(decoder))
        if not batches:
            raise VideoError(f"no frame of {path} lies between the start and the end asked for")
        for batch in batches[:WARM_UP]:
            model.predict(batch)
        network, _ = _timed(lambda: _look(batches, model))
        watch = new_watch(decoder.info, settings)
        motion, _ = _timed(lambda: [watch.update(frame) for batch in batches for frame in batch])
        with TemporaryDirectory() as folder:
            overlay = Path(folder) / "encoded.mp4"
            pictures = [(to_yuv420(frame), frame.pts) for batch in batches for frame in batch]
            encode, _ = _timed(lambda: _encode(batches[0], pictures, overlay, settings))
            whole, report = _timed(lambda: run(path, Path(folder), settings, model=model))
    return Costs(
        frames=report.frames,
        height=batches[0].height,
        width=batches[0].width,
        parts={
            "decode": decode,
            "network": network,
            "motion": motion,
            "encode": encode,
            "whole run": whole,
        },
        stages=report.stage_seconds,
        peak_mib=_peak_mib(),
    )


def _timed(work: Callable[[], T]) -> tuple[Cost, T]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu), result


def _look(batches: Iterable[FrameBatch], model: Model) -> None:
    for batch in batches:
        model.predict(batch)


def _encode(
    first: FrameBatch, pictures: list[tuple[Planes420, int]], path: Path, settings: Settings
) -> None:
    height, width = pictures[0][0][0].shape
    writer = VideoWriter(
        path,
        height=height,
        width=width,
        time_base=first.time_base,
        pixel_format=yuv420_format(first[0]),
        encoder=settings.output.encoder,
    )
    with closing(writer):
        for planes, pts in pictures:
            writer.write(planes, pts)


def _peak_mib() -> float:
    if os.name != "posix":
        return 0.0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)
