"""Conformance tests for plugins and fakes of their neighbours, for plugin authors."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch

from mmras_stream.motion import Cut, Motion
from mmras_stream.protocols import Decoder, Smoother
from mmras_stream.settings import TemporalSettings, VideoSettings
from mmras_stream.types import (
    AnomalyMap,
    ColourMatrix,
    Frame,
    FrameBatch,
    FrameResult,
    NetworkTraits,
    PixelFormat,
    SegmentationOutput,
    VideoInfo,
)

DecoderFactory: TypeAlias = Callable[[Path | str, VideoSettings], Decoder]

SmootherFactory: TypeAlias = Callable[[TemporalSettings], Smoother]


def check_decoder(factory: DecoderFactory, path: Path | str, *, exact: bool = True) -> None:
    """Check that a decoder keeps the promises of `protocols.Decoder` on one video.

    Args:
        factory: what the plugin registers.
        path: a sound video of at least four frames.
        exact: False where the decoder cannot give the same pictures on every pass.

    Raises:
        AssertionError: a promise is broken; the message says which, and what was seen.
    """
    settings = VideoSettings(batch_size=3)
    everything = _check_pass(factory, path, settings)
    assert len(everything) >= 4, f"a video of at least 4 frames is needed, got {len(everything)}"
    _check_times(everything)
    _check_sampling(factory, path, everything)
    _check_closing(factory, path)
    again = _decode(factory, path, settings)
    assert _times(again) == _times(everything), "a second decoder gives other indices or times"
    if exact:
        same = all(_same_planes(a, b) for a, b in zip(everything, again, strict=True))
        assert same, "a second decoder gives other pictures"


def check_smoother(factory: SmootherFactory) -> None:
    """Check that a smoother keeps the promises of `protocols.Smoother`.

    Args:
        factory: what the plugin registers.

    Raises:
        AssertionError: a promise is broken; the message says which, and what was seen.
    """
    smoother = factory(TemporalSettings())
    calm, strange = (_level(value) for value in (0.1, 0.9))
    first = smoother.update(_dark_frame(0), calm, Motion(cut=Cut.START))
    second = smoother.update(_dark_frame(1), strange, Motion())
    assert float(calm.scores.max()) < 0.2, "the map that was given is changed"
    assert float(strange.scores.min()) > 0.8, "the map that was given is changed"
    assert np.allclose(first.scores, 0.1), "the first map has no past and comes back as it was"
    for given, steady in ((calm, first), (strange, second)):
        kept = given.frame_index, given.frame_height, given.frame_width, given.scores.shape
        seen = steady.frame_index, steady.frame_height, steady.frame_width, steady.scores.shape
        assert seen == kept, f"frame and sizes are {seen} instead of {kept}"
        assert steady.scores.dtype == np.float32, f"scores are {steady.scores.dtype}, not float32"
    after_cut = smoother.update(_dark_frame(2), calm, Motion(cut=Cut.SCENE))
    assert np.allclose(after_cut.scores, 0.1), "what was before a cut is still there after it"
    smoother.update(_dark_frame(3), strange, Motion())
    smoother.reset()
    after_reset = smoother.update(_dark_frame(4), calm, Motion())
    assert np.allclose(after_reset.scores, 0.1), "what was before reset is still there after it"


def _level(value: float) -> AnomalyMap:
    return AnomalyMap(7, np.full((6, 8), value, np.float32), 24, 32)


def _dark_frame(index: int) -> Frame:
    luma, chroma = (torch.full(size, 16, dtype=torch.uint8) for size in ((24, 32), (12, 16)))
    limited = PixelFormat(ColourMatrix.BT601, full_range=False)
    return Frame(index, index, Fraction(1, 25), (luma, chroma, chroma), limited)


def _check_pass(factory: DecoderFactory, path: Path | str, settings: VideoSettings) -> list[Frame]:
    with closing(factory(path, settings)) as decoder:
        info = decoder.info
        assert info.uri == str(path), f"info.uri is {info.uri!r}, not {str(path)!r}"
        assert info.time_base > 0, f"info.time_base is {info.time_base}"
        assert info.frame_rate >= 0, f"info.frame_rate is {info.frame_rate}"
        batches = list(decoder)
        warnings = decoder.warnings
        assert not isinstance(warnings, str), "warnings is one string, not a sequence of them"
        assert decoder.info == info, "info changed while decoding"
    for batch, last in zip(batches, [False] * (len(batches) - 1) + [True], strict=True):
        _check_batch(batch, settings.batch_size, last=last)
        assert (batch.height, batch.width) == (info.height, info.width), (
            f"info says {info.width}x{info.height}, a batch has {batch.width}x{batch.height}"
        )
        assert batch.time_base == info.time_base, (
            f"info says ticks of {info.time_base} s, a batch {batch.time_base} s"
        )
    return [frame for batch in batches for frame in batch]


def _check_batch(batch: FrameBatch, size: int, *, last: bool) -> None:
    full = len(batch) == size or (last and 0 < len(batch) < size)
    assert full, f"a batch holds {len(batch)} frames instead of {size}"
    dtype = torch.uint8 if batch.pixel_format.bits == 8 else torch.int16
    for name, plane in zip(("first", "second", "third"), batch.planes, strict=True):
        assert plane.dtype == dtype, f"the {name} plane is {plane.dtype} instead of {dtype}"
        assert plane.ndim == 3, f"the {name} plane has {plane.ndim} axes instead of 3"
        fits = plane.shape[1] <= batch.height and plane.shape[2] <= batch.width
        assert fits, f"the {name} plane, {tuple(plane.shape[1:])}, is larger than the first"
        peak = int(plane.max())
        assert peak < 2**batch.pixel_format.bits, f"the {name} plane holds {peak}"


def _check_times(frames: list[Frame]) -> None:
    index = [frame.index for frame in frames]
    assert index == list(range(len(frames))), f"indices are {index[:8]}... instead of 0, 1, 2..."
    for before, after in pairwise(frames):
        assert after.pts > before.pts, (
            f"frame {after.index} has pts {after.pts}, not after {before.pts} of the one before"
        )


def _check_sampling(factory: DecoderFactory, path: Path | str, frames: list[Frame]) -> None:
    def since_first(frame: Frame) -> float:
        return frame.seconds - frames[0].seconds

    middle, end = since_first(frames[len(frames) // 2]), since_first(frames[-1])
    base = VideoSettings(batch_size=2)
    for settings, kept in (
        (replace(base, stride=3), frames[::3]),
        (replace(base, start_seconds=middle), frames[len(frames) // 2 :]),
        (replace(base, end_seconds=middle), frames[: len(frames) // 2]),
        (replace(base, every_seconds=end * 2), frames[:1]),
        (replace(base, start_seconds=end + 1), []),
    ):
        got = _decode(factory, path, settings)
        assert _times(got) == _times(kept), (
            f"{settings} keeps frames {[f.index for f in got]} instead of {[f.index for f in kept]}"
        )


def _check_closing(factory: DecoderFactory, path: Path | str) -> None:
    unread = factory(path, VideoSettings())
    unread.close()
    unread.close()
    abandoned = factory(path, VideoSettings(batch_size=1))
    batches = iter(abandoned)
    next(batches)
    abandoned.close()
    abandoned.close()


def _decode(factory: DecoderFactory, path: Path | str, settings: VideoSettings) -> list[Frame]:
    with closing(factory(path, settings)) as decoder:
        return [frame for batch in decoder for frame in batch]


def _times(frames: list[Frame]) -> list[tuple[int, int]]:
    return [(frame.index, frame.pts) for frame in frames]


def _same_planes(a: Frame, b: Frame) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.planes, b.planes, strict=True))


@dataclass
class FakeDecoder:
    """Yields dark pictures with a bright square, slower than they are consumed; can fail on one."""

    count: int = 20
    batch_size: int = 4
    fails_at: int | None = None
    """Index of the frame whose batch raises OSError."""
    seconds_per_frame: float = 0.001
    moving: bool = False
    """Brighten the ground from frame to frame, so that no picture repeats the one before."""
    decoded: int = 0
    closed: bool = False
    decoding: bool = False
    warnings: tuple[str, ...] = ()
    info: VideoInfo = field(
        default_factory=lambda: VideoInfo(
            "fake", 32, 48, Fraction(25), Fraction(1, 25), None, duration_seconds=None
        )
    )

    def __iter__(self) -> Iterator[FrameBatch]:
        for first in range(0, self.count, self.batch_size):
            index = tuple(range(first, min(first + self.batch_size, self.count)))
            self.decoding = True
            time.sleep(self.seconds_per_frame * len(index))
            self.decoding = False
            if self.fails_at in index:
                raise OSError("bad packet")
            self.decoded += len(index)
            yield self._batch(index)

    def _batch(self, index: tuple[int, ...]) -> FrameBatch:
        luma = torch.full((len(index), self.info.height, self.info.width), 16, dtype=torch.uint8)
        if self.moving:
            luma += torch.tensor([i % 8 for i in index], dtype=torch.uint8)[:, None, None]
        luma[:, 8:16, 16:32] = 235
        chroma = torch.full((len(index), 16, 24), 128, dtype=torch.uint8)
        limited = PixelFormat(ColourMatrix.BT601, full_range=False)
        return FrameBatch(index, index, self.info.time_base, (luma, chroma, chroma), limited)

    def close(self) -> None:
        """Remember it, and refuse to be closed while decoding, as FFmpeg does by crashing."""
        assert not self.decoding, "closed under the decoding thread: FFmpeg would crash"
        self.closed = True


@dataclass
class FakeBackend:
    """Calls bright places strange, remembers batch sizes, and can fail on one batch."""

    fails_at: int | None = None
    batch_sizes: list[int] = field(default_factory=list)
    threshold: float | None = 0.5
    weights_sha256: str = ""
    traits: NetworkTraits = field(
        default_factory=lambda: NetworkTraits(("bright",), has_outlier_head=True)
    )

    def predict(self, batch: FrameBatch) -> SegmentationOutput:
        """Return the luma, one cell for 4x4 pixels, as an outlier logit in -1..1."""
        if len(self.batch_sizes) == self.fails_at:
            raise RuntimeError("out of memory")
        self.batch_sizes.append(len(batch))
        luma = batch.planes[0][:, ::4, ::4].float() / 127.5 - 1
        return SegmentationOutput(
            class_scores=luma[:, None], features=luma[:, None], outlier_logits=luma
        )


@dataclass
class FakeScorer:
    """Maps the fake network's -1..1 to 0..1; can lose the last frame of each batch."""

    drops_last: bool = False

    def score(self, batch: FrameBatch, output: SegmentationOutput) -> list[AnomalyMap]:
        """Return one map per frame."""
        assert output.outlier_logits is not None
        grids = (output.outlier_logits.numpy() + 1) / 2
        maps = [
            AnomalyMap(index, grid, batch.height, batch.width)
            for index, grid in zip(batch.index, grids, strict=True)
        ]
        return maps[:-1] if self.drops_last else maps


@dataclass
class FakeExporter:
    """Remembers what it was given, and can fail on one frame."""

    fails_at: int | None = None
    frames: list[int] = field(default_factory=list)
    closed: bool = False
    warnings: tuple[str, ...] = ()

    def write(self, result: FrameResult) -> None:
        """Remember the frame."""
        if result.frame.index == self.fails_at:
            raise OSError("disk full")
        self.frames.append(result.frame.index)

    def close(self) -> None:
        """Remember it."""
        self.closed = True
