"""Files for others' evaluators."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from clips import Clip, write
from labelled import HEIGHT, WIDTH, labelled_folder, mask, save
from mmras_cli.main import app
from mmras_stream.evaluation.datasets import Layout, Split
from mmras_stream.evaluation.peer import SosExport, rescaled
from mmras_stream.evaluation.pixel import PixelPool, pixel_metrics
from mmras_stream.regions.rle import encode
from mmras_stream.types import (
    AnomalyMap,
    ColourMatrix,
    Frame,
    FrameResult,
    PixelFormat,
    Proposal,
)


def evaluate(*arguments: object, code: int = 0) -> str:
    """Run evaluate quietly, check its exit code and return what it complained of."""
    command = ["evaluate", *(str(a) for a in arguments), "--input-width", "96", "--quiet"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == code, result.output
    return result.stderr


def test_segment_me_if_you_can_gets_a_file_for_each_picture(tmp_path: Path) -> None:
    folder = labelled_folder(tmp_path / "dataset_AnomalyTrack", 2, suffix="_labels_semantic")
    evaluate(folder, "--export", "smiyc", "--export-to", tmp_path / "out")
    written = sorted((tmp_path / "out").rglob("*.*"))
    place = tmp_path / "out" / "anomaly_p" / "compact-auto" / "AnomalyTrack-all"
    assert written == [place / "0.hdf5", place / "1.hdf5"]
    with h5py.File(written[0]) as file:
        values = file["value"]
        assert (values.dtype, values.shape) == (np.float16, (HEIGHT, WIDTH))
        assert values.compression == "gzip"
        assert 0 <= values[:].min() < values[:].max() <= 0.9905


def test_scores_near_one_survive_sixteen_bits() -> None:
    rng = np.random.default_rng(0)
    # in float16 as they are, nearly all of these would be 1
    near_one = [1 - 10 ** rng.normal(mean, 0.7, (60, 60)) for mean in (-6, -4.5)]
    strange, ordinary = (part.astype(np.float32) for part in near_one)
    with PixelPool() as pool:
        pool.add(strange, np.ones(strange.shape, np.uint8))
        pool.add(ordinary, np.zeros(ordinary.shape, np.uint8))
        curve = pool.curve()
    small = [rescaled(part, curve) for part in (strange, ordinary)]
    order = np.argsort(np.concatenate([strange, ordinary]).ravel())
    assert (np.diff(np.concatenate(small).ravel()[order].astype(float)) >= 0).all()
    packed = pixel_metrics(*(part.astype(np.float32).ravel() for part in small))
    plain = pixel_metrics(
        *(part.astype(np.float16).astype(np.float32).ravel() for part in near_one)
    )
    exact = curve.metrics
    assert packed.average_precision == pytest.approx(exact.average_precision, abs=1e-3)
    assert packed.fpr_at_95_tpr == pytest.approx(exact.fpr_at_95_tpr, abs=5e-3)
    assert plain.fpr_at_95_tpr > exact.fpr_at_95_tpr + 0.05


def test_a_drive_becomes_a_sequence_of_scores_and_tracks(tmp_path: Path) -> None:
    drive = write(tmp_path / "drive_12.mkv", Clip(frames=5, width=WIDTH, height=HEIGHT))
    (tmp_path / "masks").mkdir()
    save(tmp_path / "masks" / "1.png", mask())
    evaluate(drive, "--gt", tmp_path / "masks", "--export", "sos", "--export-to", tmp_path / "out")
    for kind, dtype in (("ood_score", np.float32), ("ood_prediction_tracked", np.int32)):
        files = sorted((tmp_path / "out" / kind).rglob("*.npy"))
        assert [f.relative_to(tmp_path / "out" / kind).as_posix() for f in files] == [
            f"sequence_012/{index:06d}.npy" for index in range(5)
        ]
        values = np.load(files[-1])
        assert (values.dtype, values.shape) == (dtype, (HEIGHT, WIDTH))


def test_the_strangest_track_lies_on_top(tmp_path: Path) -> None:
    left, both = np.zeros((2, 4, 6), np.bool_)
    left[:, :2] = both[:, :4] = True
    proposals = tuple(
        Proposal(3, 0, (0, 0, 4, 4), 8, encode(seen), score, track_id)
        for seen, score, track_id in ((left, 0.9, 5), (both, 0.8, 2))
    )
    grey = torch.zeros((4, 6), dtype=torch.uint8)
    rgb = PixelFormat(ColourMatrix.RGB, full_range=True)
    frame = Frame(3, 0, Fraction(1), (grey, grey, grey), rgb)
    seen_map = AnomalyMap(3, np.full((2, 3), 0.25, np.float32), 4, 6)
    split = Split("x", Layout.DRIVE, (), drive=Path("x.mp4"))
    SosExport(tmp_path, split)(FrameResult(frame, seen_map, seen_map, proposals, 0.5))
    tracks = np.load(tmp_path / "ood_prediction_tracked" / "sequence_000" / "000003.npy")
    assert tracks.tolist() == [[5, 5, 2, 2, 0, 0]] * 4
    scores = np.load(tmp_path / "ood_score" / "sequence_000" / "000003.npy")
    assert (scores == 0.25).all()


def test_what_cannot_be_exported_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = labelled_folder(tmp_path / "set", 1)
    assert "no export called 'smic'; known: smiyc, sos" in evaluate(
        folder, "--export", "smic", code=1
    )
    line = evaluate(folder, "--export", "sos", code=1)
    assert "the export 'sos' needs a drive" in line
    monkeypatch.setitem(sys.modules, "h5py", None)
    line = evaluate(folder, "--export", "smiyc", code=1)
    assert line == (
        "mmras-stream: the export 'smiyc' needs the package h5py: "
        "pip install 'mmras-stream[hdf5]'\n"
    )
