"""Batches are the same whoever makes them."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmras_stream.training.batches import batches, on_device, usual_workers
from mmras_stream.training.data import Crop, CropSource
from road_pictures import small_recipe, write_pictures

CPU = torch.device("cpu")


@pytest.fixture
def crops(tmp_path: Path) -> CropSource:
    return CropSource(small_recipe(), write_pictures(tmp_path))


@pytest.fixture
def opencv_threads() -> Iterator[int]:
    """Have OpenCV run threads, which forked processes lack."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    cv2.GaussianBlur(np.zeros((2000, 2000, 3), np.float32), (0, 0), 3)
    yield 2
    cv2.setNumThreads(before)


def test_processes_make_the_batches_that_are_made_here(
    crops: CropSource, opencv_threads: int
) -> None:
    with (
        closing(batches(crops, 2, first=3, workers=2)) as made,
        closing(batches(crops, 2, first=3, workers=0)) as asked,
    ):
        for theirs, ours in islice(zip(made, asked, strict=True), 3):
            for part, own in zip(theirs, ours, strict=True):
                torch.testing.assert_close(part, own, rtol=0, atol=0)
    assert cv2.getNumThreads() == opencv_threads
    assert not multiprocessing.active_children()
    for thread in threading.enumerate():
        if "Queue" in thread.name:  # of the closed queues, on its way out
            thread.join(timeout=10)


def test_batches_count_crops_from_the_first_that_is_asked_for(crops: CropSource) -> None:
    asked: list[int] = []

    class Counted:
        def __getitem__(self, number: int) -> Crop:
            asked.append(number)
            return crops[number]

    next(batches(Counted(), 3, first=2, workers=0))
    assert asked == [6, 7, 8]


def test_pixels_reach_a_device_as_the_weights_card_says(crops: CropSource) -> None:
    stacked = next(batches(crops, 2, first=0, workers=0))
    pixels, *rest = on_device(stacked, CPU)
    assert stacked[0].dtype == torch.uint8
    assert pixels.shape[:2] == (2, 3)
    assert abs(float(pixels.mean())) < 3
    assert all(torch.equal(part, own) for part, own in zip(rest, stacked[1:], strict=True))


def test_a_gpu_has_its_crops_made_beside_it_and_the_cpu_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    assert usual_workers(CPU) == 0
    assert usual_workers(torch.device("cuda")) == 15
