"""The paper's network end to end; its weights follow from their names, so it finds nonsense."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from typer.testing import CliRunner

from commands import SAMPLE, annotate, shown_at
from golden.runs import state
from mmras_cli.main import app
from mmras_stream.model import load_model
from mmras_stream.pipeline import results
from mmras_stream.settings import load

SMALL = ("--short-edge", "96", "--threshold", "-0.6", "--end", "0.4")
END = 0.4

MEAN_SCORE = 4
"""Column of a timeline."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "published.pth"
    torch.save({"model": {f"module.{name}": value for name, value in state().items()}}, path)
    return path


def _maps(checkpoint: Path, *, batch_size: int, fast: bool = False) -> list[np.ndarray]:
    settings = load(
        overrides={
            "video": {"batch_size": batch_size, "end_seconds": END},
            "model": {
                "name": "r50",
                "weights": str(checkpoint),
                "short_edge": 96,
                "fast": fast,
                "precision": "float32",
            },
            "proposals": {"threshold": 1.0},
        }
    )
    with closing(results(SAMPLE, settings, model=load_model(settings))) as frames:
        return [result.raw_map.scores for result in frames]


def test_a_drive_is_annotated_with_a_published_checkpoint(checkpoint: Path, tmp_path: Path) -> None:
    options = ("--model", "r50", "--checkpoint", checkpoint, "--score", "mask2anomaly,energy=0.1")
    annotate(SAMPLE, "--out", tmp_path, "--quiet", *options, *SMALL)
    folder = tmp_path / "drive"
    assert len(list((folder / "frames").iterdir())) > 0
    report = json.loads((folder / "run.json").read_text())
    assert report["score"] == "mask2anomaly=0.909091,energy=0.0909091"
    assert len(report["weights_sha256"]) == 64
    assert shown_at(folder / "overlay.mp4") == shown_at(SAMPLE)[: report["frames"]]
    assert COCO(str(folder / "proposals.coco.json")).dataset["categories"]


def test_frames_alone_get_the_scores_of_frames_in_a_batch(checkpoint: Path) -> None:
    alone, together = (_maps(checkpoint, batch_size=size) for size in (1, 4))
    assert len(alone) > 4
    np.testing.assert_allclose(alone, together, atol=1e-4)
    assert np.std(alone) > 0.01


def test_fast_scores_are_near_the_exact_ones_and_no_finer_than_the_network_sees(
    checkpoint: Path,
) -> None:
    exact, fast = (_maps(checkpoint, batch_size=4, fast=fast)[0] for fast in (False, True))
    assert fast.shape == (96, 172)
    enlarged = cv2.resize(fast, exact.shape[::-1], interpolation=cv2.INTER_LINEAR)
    assert np.corrcoef(exact.ravel(), enlarged.ravel())[0, 1] > 0.97


def test_the_score_of_a_mirrored_drive_is_averaged_in(checkpoint: Path, tmp_path: Path) -> None:
    options = ("--model", "r50", "--checkpoint", checkpoint, "--tta", "flip", "--fast")
    printed = annotate(SAMPLE, "--out", tmp_path, "--json", *options, *SMALL)
    (report,) = json.loads(printed)
    assert report["settings"]["score"]["tta"] == "flip"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "r50"], "r50 has no built-in weights; give --checkpoint FILE"),
        (["--model", "r101", "--checkpoint", "P"], "holds a ResNet-50; give --model r50"),
        (["--model", "r5O", "--checkpoint", "P"], "no backend plugin called 'r5O'; did you mean"),
        (["--model", "r50", "--checkpoint", "P"], "no calibrated threshold; give one"),
        (
            ["--model", "r50:P", "--score", "outlier", "--threshold", "1"],
            "needs a network with an outlier head",
        ),
        (["--model", "r50:P", "--score", "mmrass"], "no scorer plugin called 'mmrass'; "),
        (["--model", "r50:mask2former-r50-cityscape"], "did you mean 'mask2former-r50-cityscapes'"),
        (
            ["--model", "r50:mask2former-r50-cityscapes"],
            "run 'mmras-stream models download mask2former-r50-cityscapes'",
        ),
        (["--alpha", "1.5"], "score.alpha must lie in 0..1, got 1.5"),
        (["--w", "-0.1"], "score.w must lie in 0..1, got -0.1"),
        (["--model", "r50:P", "--tta", "scales", "--threshold", "1"], "such as compact; try flip"),
        (
            ["--tta", "rotate"],
            "score.tta must be 'auto' or 'none' or 'flip' or 'scales', got 'rotate'",
        ),
        (["--score", "msp"], "calibrated for the score pooled, not for msp"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_deleted(
    options: list[str],
    message: str,
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MMRAS_STREAM_HOME", str(tmp_path / "cache"))
    kept = tmp_path / "out" / "drive" / "run.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("{}")
    given = [option.replace("P", str(checkpoint)) for option in options]
    command = ["annotate", str(SAMPLE), "--out", str(tmp_path / "out"), "--overwrite", *given]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert kept.read_text() == "{}"


def test_half_precision_gives_nearly_the_same_scores(checkpoint: Path, tmp_path: Path) -> None:
    options = ("--model", "r50", "--checkpoint", checkpoint, "--fast", "--json")
    small = ("--short-edge", "96", "--threshold", "0", "--end", "0.1", "--timeline", "csv")
    for precision in ("float32", "bfloat16"):
        annotate(SAMPLE, "--out", tmp_path / precision, "--precision", precision, *options, *small)
    exact, blurred = (
        np.loadtxt(
            tmp_path / precision / "drive" / "timeline.csv",
            delimiter=",",
            skiprows=1,
            usecols=MEAN_SCORE,
        )
        for precision in ("float32", "bfloat16")
    )
    np.testing.assert_allclose(exact, blurred, rtol=0.05, atol=0.05)
