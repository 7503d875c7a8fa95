"""False tracks on ten minutes in which nothing is strange, before and after smoothing.

pytest -m benchmark -s tests/benchmarks/test_ordinary_minutes.py

Five drives that training and calibration never saw, again and again, each time through another
window on the picture and every second time mirrored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from mmras_stream.evaluation.variants import Variant
from mmras_stream.model import Model, load_model
from mmras_stream.pipeline import new_watch, open_decoder
from mmras_stream.protocols import Decoder
from mmras_stream.settings import Settings
from mmras_stream.streaming import steadied
from mmras_stream.temporal.smoothing import NoSmoother
from mmras_stream.types import FrameBatch, FrameResult, VideoInfo
from real_drives import ANOMALY_FREE

pytestmark = [pytest.mark.benchmark, pytest.mark.footage, pytest.mark.timeout(7200)]

MINUTES = 10
SMOOTHERS = ("flow", "ema", "none")
LEAST_WINDOW = 0.8
"""Share of the picture's sides that a window has at least."""


class Window:
    """Fulfils `protocols.Decoder`: a part of each picture of another."""

    def __init__(self, decoder: Decoder, rng: np.random.Generator, *, mirrored: bool) -> None:
        self._decoder, self._mirrored = decoder, mirrored
        whole = decoder.info.height, decoder.info.width
        share = rng.uniform(LEAST_WINDOW, 1.0)
        self._size = tuple(int(share * side) // 4 * 4 for side in whole)
        self._corner = tuple(
            int(rng.integers(0, side - part + 1)) // 4 * 4
            for side, part in zip(whole, self._size, strict=True)
        )

    @property
    def info(self) -> VideoInfo:
        return replace(self._decoder.info, height=self._size[0], width=self._size[1])

    @property
    def warnings(self) -> Sequence[str]:
        return self._decoder.warnings

    def __iter__(self) -> Iterator[FrameBatch]:
        for batch in self._decoder:
            luma, u, v = batch.planes
            planes = self._through(luma, luma), self._through(u, luma), self._through(v, luma)
            yield replace(batch, planes=planes)

    def _through(self, plane: Tensor, luma: Tensor) -> Tensor:
        tall, wide = luma.shape[1] // plane.shape[1], luma.shape[2] // plane.shape[2]
        (top, left), (height, width) = self._corner, self._size
        rows = slice(top // tall, (top + height) // tall)
        part = plane[:, rows, left // wide : (left + width) // wide]
        return (part.flip(2) if self._mirrored else part).contiguous()

    def close(self) -> None:
        self._decoder.close()


def test_ordinary_minutes_give_few_tracks_and_fewer_when_steadied(footage: Path) -> None:
    settings = Settings()
    model = load_model(settings)
    rng = np.random.default_rng(1)
    tracks = {(clip, name): 0 for clip in ANOMALY_FREE for name in SMOOTHERS}
    seconds = dict.fromkeys(ANOMALY_FREE, 0.0)
    number = 0
    while sum(seconds.values()) < 60 * MINUTES:
        clip = ANOMALY_FREE[number % len(ANOMALY_FREE)]
        decoder = open_decoder(footage / f"{clip}.mp4", settings.video)
        with closing(Window(decoder, rng, mirrored=number // len(ANOMALY_FREE) % 2 == 1)) as window:
            seen, found = tracked(window, model, settings)
        seconds[clip] += seen
        for name, ids in found.items():
            tracks[clip, name] += ids
        number += 1
    for clip in ANOMALY_FREE:
        rates = [60 * tracks[clip, name] / seconds[clip] for name in SMOOTHERS]
        print(f"{clip:24} {seconds[clip]:5.0f} s", *(f"{rate:8.2f}" for rate in rates))
    total = {name: sum(tracks[clip, name] for clip in ANOMALY_FREE) for name in SMOOTHERS}
    minutes = sum(seconds.values()) / 60
    rates = [total[name] / minutes for name in SMOOTHERS]
    print(f"all, {minutes:.1f} min", SMOOTHERS, total, *(f"{rate:.2f} a minute" for rate in rates))
    assert total["flow"] <= 0.5 * total["none"]
    assert total["flow"] <= 2 * minutes


def tracked(decoder: Decoder, model: Model, settings: Settings) -> tuple[float, dict[str, int]]:
    """Return the seconds of a drive, and the number of its tracks with each smoother."""
    watch = new_watch(decoder.info, settings)
    variants = {name: Variant(name, settings, model, decoder.info) for name in SMOOTHERS}
    ids: dict[str, set[int]] = {name: set() for name in SMOOTHERS}
    last = 0.0
    frames = steadied(decoder, model, NoSmoother(settings.temporal), watch=watch)
    with closing(frames):
        for frame in frames:
            last = frame.frame.seconds
            for name, variant in variants.items():
                ids[name] |= numbers(variant.update(frame))
    for name, variant in variants.items():
        ids[name] |= numbers(variant.rest())
    return last, {name: len(found) for name, found in ids.items()}


def numbers(results: Sequence[FrameResult]) -> set[int]:
    return {p.track_id for result in results for p in result.proposals if p.track_id is not None}
