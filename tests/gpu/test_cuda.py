"""What a CUDA device computes, against the CPU."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest

from commands import SAMPLE
from mmras_stream import results
from mmras_stream.settings import load

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-3), ("bfloat16", 5e-2)])
def test_scores_on_cuda_are_those_of_the_cpu(precision: str, tolerance: float) -> None:
    video = {"end_seconds": 0.4}
    maps = {}
    for device, kind in (("cpu", "float32"), ("cuda", precision)):
        settings = load(overrides={"video": video, "model": {"device": device, "precision": kind}})
        with closing(results(SAMPLE, settings)) as frames:
            maps[device] = np.stack([result.raw_map.scores for result in frames])
    np.testing.assert_allclose(maps["cuda"], maps["cpu"], atol=tolerance)
