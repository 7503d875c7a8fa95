"""Conformance tests for plugins, for their authors to run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import torch

from mmras_stream.protocols import Decoder
from mmras_stream.settings import VideoSettings
from mmras_stream.types import Frame, FrameBatch

DecoderFactory: TypeAlias = Callable[[Path | str, VideoSettings], Decoder]


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
