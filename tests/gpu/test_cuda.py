"""What a CUDA device computes, against the CPU."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from commands import SAMPLE
from golden.runs import state
from mmras_stream import results
from mmras_stream.settings import load
from mmras_stream.temporal.lucas_kanade import LucasKanadeMotion
from mmras_stream.temporal.watching import thumbnail
from shaky_drive import frame_of, texture

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


def test_the_papers_network_scores_on_cuda_as_on_the_cpu(tmp_path: Path) -> None:
    weights = tmp_path / "published.pth"
    torch.save({"model": state()}, weights)
    maps = {}
    for device in ("cpu", "cuda"):
        model: dict[str, object] = {
            "name": "r50",
            "weights": str(weights),
            "short_edge": 256,
            "device": device,
        }
        chosen: dict[str, dict[str, object]] = {
            "video": {"end_seconds": 0.2},
            "model": model,
            "proposals": {"threshold": 1.0},
        }
        with closing(results(SAMPLE, load(overrides=chosen))) as frames:
            maps[device] = np.stack([result.raw_map.scores for result in frames])
    apart = np.abs(maps["cuda"] - maps["cpu"])
    # an attention bit turned by rounding moves a query, which the mean hardly feels
    assert apart.mean() <= 1e-4


def test_motion_on_cuda_is_that_of_the_cpu() -> None:
    before, now = (thumbnail(frame_of(picture, i)) for i, picture in enumerate(streets()))
    here = LucasKanadeMotion().flow(before, now)
    there = LucasKanadeMotion().flow(before.cuda(), now.cuda())
    assert here is not None
    assert there is not None
    assert np.abs(there - here).mean() <= 0.01  # cells


def streets() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    whole = texture(360, 660, 0).astype(np.uint8)
    return np.ascontiguousarray(whole[:, :640]), np.ascontiguousarray(whole[:, 12:652])
