"""The backend as commands use it, mirrored pass included, against the original's scores."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
import torch

from golden.comparison import LARGEST, MEAN, close, wrong
from golden.data import meta, picture
from golden.runs import SMALL, state
from mmras_stream.model import load_model
from mmras_stream.settings import load
from mmras_stream.types import ColourMatrix, FrameBatch, PixelFormat

RGB = PixelFormat(ColourMatrix.RGB, full_range=True)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "golden.pth"
    torch.save({"model": state()}, path)
    return path


def _batch(run: str) -> FrameBatch:
    facts = meta()["runs"][run]
    red, green, blue = picture(facts["seed"], facts["h"], facts["w"])[0]
    return FrameBatch((0,), (0,), Fraction(1), (red[None], green[None], blue[None]), RGB)


@pytest.mark.parametrize("run", SMALL)
def test_a_picture_gets_the_score_that_the_original_gives_it(run: str, checkpoint: Path) -> None:
    model = load_model(
        load(
            overrides={
                "model": {
                    "name": "r50",
                    "weights": str(checkpoint),
                    "short_edge": meta()["runs"][run]["min_size_test"],
                    "long_edge": 2048,
                },
                "score": {"name": "maxlogits", "tta": "flip"},
                "proposals": {"threshold": 0.5},
            }
        )
    )
    batch = _batch(run)
    (seen,) = model.score_maps(batch, model.predict(batch))
    scores = torch.from_numpy(seen.scores[2::4, 2::4])
    assert not wrong([close(f"{run}/score_maxlogits", scores, largest=LARGEST, mean=MEAN)])
