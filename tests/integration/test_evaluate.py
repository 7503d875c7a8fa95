"""What `evaluate` measures, at the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from clips import Clip, write
from labelled import HEIGHT, WIDTH, labelled_folder, mask, save
from mmras_cli.main import app
from mmras_stream.evaluation import scores
from mmras_stream.evaluation.component import component_metrics, frame_components, track_for
from mmras_stream.evaluation.datasets import open_split
from mmras_stream.evaluation.measure import evaluate as measure
from mmras_stream.evaluation.pixel import pixel_metrics
from mmras_stream.model import Model, load_model
from mmras_stream.settings import ModelSettings, Settings
from mmras_stream.types import AnomalyMap, FrameBatch, Image, ScoreMap

SMALL = ("--input-width", "96")


def evaluated(*arguments: object) -> dict[str, Any]:
    """Run evaluate and return what it printed as JSON."""
    command = ["evaluate", *(str(argument) for argument in arguments), *SMALL, "--json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    values = json.loads(result.stdout)
    assert isinstance(values, dict)
    return values


def refused(*arguments: object) -> str:
    """Run evaluate, which must fail with one line, and return the line."""
    result = CliRunner().invoke(app, ["evaluate", *(str(a) for a in arguments), *SMALL])
    assert result.exit_code == 1, result.output
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr


def test_the_whole_equals_its_parts_and_the_file_holds_more_than_is_printed(
    tmp_path: Path,
) -> None:
    folder = labelled_folder(tmp_path / "set", 3)
    save(folder / "labels_masks" / "2.png", np.zeros((HEIGHT, WIDTH), np.uint8))
    values = evaluated(folder, "--out", tmp_path / "m" / "set.json")
    written = json.loads((tmp_path / "m" / "set.json").read_text())
    assert values == {k: v for k, v in written.items() if k not in ("levels", "per_picture")}
    settings = Settings(model=ModelSettings(input_width=96))
    model, split = load_model(settings), open_split(folder)
    scored = list(scores.scored_samples(split, model, settings))
    strange = np.concatenate([one.scores[one.gt_mask == 1] for one in scored])
    ordinary = np.concatenate([one.scores[one.gt_mask == 0] for one in scored])
    expected = pixel_metrics(strange, ordinary)
    assert values["average_precision"] == pytest.approx(expected.average_precision, abs=1e-12)
    assert values["fpr_at_95_tpr"] == pytest.approx(expected.fpr_at_95_tpr, abs=1e-12)
    assert values["pictures"] == 3
    for name, threshold in (
        ("oracle", values["oracle_threshold"]),
        ("calibrated", model.threshold),
    ):
        parts = [
            frame_components(
                one.scores, one.gt_mask, threshold=threshold, track=track_for("auto", "set")
            )
            for one in scored
        ]
        whole = component_metrics(parts, threshold=threshold)
        assert values[f"components_{name}"]["f1_mean"] == pytest.approx(whole.f1_mean)
        assert values[f"components_{name}"]["gt_components"] == 2
    for kind, size in (("strange", strange.size), ("ordinary", ordinary.size)):
        assert sum(sum(p[f"{kind}_counts"]) for p in written["per_picture"]) == size
    assert [p["average_precision"] is None for p in written["per_picture"]] == [False, False, True]


def test_a_table_is_printed_for_people(tmp_path: Path) -> None:
    folder = labelled_folder(tmp_path / "set", 1)
    result = CliRunner().invoke(app, ["evaluate", str(folder), *SMALL, "--track", "obstacle"])
    assert result.exit_code == 0, result.output
    for word in ("AuPRC", "FPR95", "without interpolation", "obstacle track", "calibrated"):
        assert word in result.stdout


def test_a_score_without_calibrated_threshold_has_one_column_and_a_note(tmp_path: Path) -> None:
    folder = labelled_folder(tmp_path / "set", 1)
    values = evaluated(folder, "--score", "msp")
    assert values["components_calibrated"] is None
    assert "no threshold was fixed beforehand" in values["notes"][0]
    assert evaluated(folder, "--score", "msp", "--threshold", 0.2)["components_calibrated"]


def test_a_drive_is_smoothed_over_all_frames_and_measured_at_the_labelled(
    tmp_path: Path,
) -> None:
    drive = write(tmp_path / "drive.mkv", Clip(frames=9, width=WIDTH, height=HEIGHT))
    masks = tmp_path / "masks"
    masks.mkdir()
    save(masks / "at_8.png", mask())
    steady = evaluated(drive, "--gt", masks, "--out", tmp_path / "steady.json")
    raw = evaluated(drive, "--gt", masks, "--smoother", "none")
    assert (steady["layout"], steady["pictures"]) == ("drive", 1)
    assert steady["auroc"] != raw["auroc"]
    (row,) = json.loads((tmp_path / "steady.json").read_text())["per_picture"]
    assert row["name"] == "000008"
    save(masks / "at_9.png", mask())
    assert "at_9.png is of frame 9, which drive.mkv does not have" in refused(drive, "--gt", masks)


def test_what_cannot_be_measured_is_one_line(tmp_path: Path) -> None:
    folder = labelled_folder(tmp_path / "set", 2)
    save(folder / "labels_masks" / "1.png", mask()[:-1])
    assert "1.png is 96x63, its picture is 96x64" in refused(folder)
    save(folder / "labels_masks" / "1.png", mask(3))
    assert "1.png holds the label 3; labels are 0, 1, 2 and 255" in refused(folder)
    for number in range(2):
        save(folder / "labels_masks" / f"{number}.png", mask(0))
    assert "set: no anomalous pixel in the whole set" in refused(folder)
    (folder / "images" / "1.jpg").write_bytes(b"no picture")
    assert "1.jpg as a picture of 8 bits" in refused(folder)
    assert "no track called 'road'" in refused(folder, "--track", "road")


def test_scores_that_are_no_numbers_name_their_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(image: Image, _model: object) -> ScoreMap:
        return np.full(image.shape[:2], np.nan, np.float32)

    monkeypatch.setattr(scores, "score_picture", broken)
    assert "0.jpg: a score is not a finite number" in refused(labelled_folder(tmp_path / "set"))


def test_scores_that_are_no_numbers_name_their_drive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_model: Model, batch: FrameBatch, _outputs: object) -> list[AnomalyMap]:
        return [AnomalyMap(i, np.full((2, 3), np.nan, np.float32), 4, 6) for i in batch.index]

    monkeypatch.setattr(Model, "score_maps", broken)
    drive = write(tmp_path / "drive.mkv", Clip(frames=3, width=WIDTH, height=HEIGHT))
    (tmp_path / "masks").mkdir()
    save(tmp_path / "masks" / "1.png", mask())
    line = refused(drive, "--gt", tmp_path / "masks")
    assert "drive.mkv: the anomaly map of frame 0 holds a score of nan" in line


def test_ties_at_the_top_and_an_empty_prediction_are_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def saturated(image: Image, _model: object) -> ScoreMap:
        return np.ones(image.shape[:2], np.float32)

    monkeypatch.setattr(scores, "score_picture", saturated)
    split = open_split(labelled_folder(tmp_path / "set"))
    settings = Settings()
    evaluation = measure(
        split, load_model(settings), settings, track=track_for("auto", "set"), threshold=0.5
    )
    assert evaluation.oracle.siou_gt == evaluation.oracle.ppv == 0
    assert evaluation.calibrated is not None
    assert evaluation.calibrated.siou_gt > 0
    ties, empty = evaluation.notes
    assert "100.00 % of the pixels share the highest score, 1:" in ties
    assert "nothing is predicted at the oracle threshold, so its PPV is set to 0" in empty
