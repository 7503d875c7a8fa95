"""How much faster components are counted together than one at a time."""

from __future__ import annotations

import time

import numpy as np
import pytest

from mmras_stream.evaluation.component import Track, frame_components
from slow_components import slow_frame

pytestmark = pytest.mark.benchmark


def test_a_thousand_components_are_counted_ten_times_faster_than_one_by_one() -> None:
    gt_mask = np.zeros((240, 320), np.uint8)
    gt_mask[4:-1:24, 4::24] = gt_mask[5::24, 4::24] = 1
    scores = np.zeros(gt_mask.shape, np.float32)
    scores[1::6, 1::8] = scores[4::6, 4::8] = 1
    began = time.perf_counter()
    ours = frame_components(scores, gt_mask, threshold=0.5, track=Track("any", 1, 1))
    middle = time.perf_counter()
    slow = slow_frame(scores, gt_mask, 0.5, 1, 1)
    end = time.perf_counter()
    print(f"{len(ours.ppv)} components: {middle - began:.4f} s, one by one {end - middle:.2f} s")
    assert len(ours.ppv) >= 1000
    assert ours.ppv == pytest.approx(slow[1])
    assert end - middle >= 10 * (middle - began)
