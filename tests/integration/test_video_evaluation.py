from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from mmras_cli.main import app
from mmras_stream.evaluation.drive_figures import VideoEvaluation
from mmras_stream.evaluation.drives import open_drives
from mmras_stream.evaluation.overlaps import Rules
from mmras_stream.evaluation.pixel import pixel_metrics
from mmras_stream.evaluation.scores import enlarged
from mmras_stream.evaluation.variants import Variant, drive_info, raw_frames
from mmras_stream.evaluation.video import evaluate_drives
from mmras_stream.model import Model
from mmras_stream.pipeline import results, run
from mmras_stream.settings import OutputSettings, Settings, TemporalSettings
from mmras_stream.streaming import SteadyFrame
from mmras_stream.testing import FakeBackend
from mmras_stream.types import AnomalyMap, FrameBatch, FrameResult
from moving import HEIGHT, WIDTH, Shown, annotation, bright_model, write_drive, write_labels

PROMPT = Settings(temporal=TemporalSettings(min_duration_seconds=0.0))

SEEN = Shown(1, 5, 45, (8, 24, 24, 24), speed=2, bright=lambda index: index >= 15)
MISSED = Shown(2, 10, 30, (120, 60, 16, 16), bright=lambda _index: False)
DECOY = Shown(None, 30, 40, (60, 70, 16, 16))


def evaluated(path: Path, *smoothers: str, model: Model | None = None) -> VideoEvaluation:
    return evaluate_drives(
        open_drives(path),
        model or bright_model(),
        PROMPT,
        smoothers=smoothers or ("none",),
        rules=Rules(),
    )


def test_things_are_found_late_missed_and_seen_where_none_are(tmp_path: Path) -> None:
    drive = write_drive(tmp_path, "one", [SEEN, MISSED, DECOY])
    evaluation = evaluated(drive)
    figures = evaluation.whole["none"]
    found, missed = evaluation.drives[0].courses["none"].tracks.things
    assert (found.thing_id, found.delay_frames, found.flips) == (1, 10, 1)
    assert found.delay_seconds == pytest.approx(0.4)
    assert missed.first_found is None
    tracking = figures.tracking
    assert (tracking.found_things, tracking.things, tracking.false_tracks) == (1, 2, 1)
    assert tracking.false_tracks_per_minute == pytest.approx(30)
    assert (tracking.visible, tracking.misses, tracking.false_regions) == (60, 30, 10)
    assert tracking.mota == pytest.approx(1 - 40 / 60)
    assert evaluation.truth_consistency.mean is not None
    assert evaluation.notes == ()


def test_one_pass_of_the_network_serves_all_smoothers(tmp_path: Path) -> None:
    drive = write_drive(tmp_path, "one", [SEEN, DECOY])
    model = bright_model()
    both = evaluated(drive, "ema", "none", model=model)
    assert isinstance(model.backend, FakeBackend)
    assert sum(model.backend.batch_sizes) == 50
    for name in ("ema", "none"):
        assert evaluated(drive, name).whole[name] == both.whole[name]
    assert both.whole["none"].curve == both.raw != both.whole["ema"].curve


@pytest.mark.parametrize("smoother", ["ema", "none"])
def test_a_variant_proposes_what_a_run_proposes(tmp_path: Path, smoother: str) -> None:
    drive = write_drive(tmp_path, "one", [SEEN, DECOY])
    settings = Settings(temporal=TemporalSettings(smoother=smoother))
    model = bright_model()
    variant = Variant(smoother, Settings(), model, drive_info(drive, settings))
    with closing(raw_frames(drive, model, Settings())) as frames:
        ours = [result for raw in frames for result in variant.update(raw)]
    ours += variant.rest()
    with closing(results(drive, settings, model=model)) as frames:
        theirs = list(frames)
    assert [result.proposals for result in ours] == [result.proposals for result in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.frame.index == other.frame.index
        assert (mine.anomaly_map.scores == other.anomaly_map.scores).all()
    assert sum(len(result.proposals) for result in ours) > 20


class _Late(Variant):
    """Settles each frame only three frames later."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._held: list[FrameResult] = []

    def update(self, raw: SteadyFrame) -> Sequence[FrameResult]:
        self._held += super().update(raw)
        settled, self._held = self._held[:-3], self._held[-3:]
        return settled

    def rest(self) -> Sequence[FrameResult]:
        return [*self._held, *super().rest()]


def test_results_may_come_later_than_their_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive = write_drive(tmp_path, "one", [SEEN, MISSED, DECOY])
    prompt = evaluated(drive, "ema")
    monkeypatch.setattr("mmras_stream.evaluation.drive_run.Variant", _Late)
    assert evaluated(drive, "ema") == prompt


def test_pixels_are_pooled_exactly_over_frames_and_over_drives(tmp_path: Path) -> None:
    write_drive(tmp_path, "a", [SEEN])
    write_drive(tmp_path, "b", [DECOY, replace(SEEN, thing=7)])
    evaluation = evaluated(tmp_path, "ema")
    strange: list[Any] = []
    ordinary: list[Any] = []
    for drive in open_drives(tmp_path):
        settings = Settings(temporal=TemporalSettings(smoother="ema"))
        with closing(results(drive.video, settings, model=bright_model())) as frames:
            for result in frames:
                scores, labels = enlarged(result.anomaly_map), drive.truth.at(result.frame).labels
                strange.append(scores[labels == 1])
                ordinary.append(scores[labels == 0])
    expected = pixel_metrics(np.concatenate(strange), np.concatenate(ordinary))
    curve = evaluation.whole["ema"].curve
    assert curve is not None
    assert curve.metrics.average_precision == pytest.approx(expected.average_precision, abs=1e-12)
    assert curve.metrics.fpr_at_95_tpr == pytest.approx(expected.fpr_at_95_tpr, abs=1e-12)


def test_drives_of_a_folder_are_measured_one_by_one_and_together(tmp_path: Path) -> None:
    write_drive(tmp_path, "a", [SEEN])
    write_drive(tmp_path, "b", [MISSED, DECOY])
    write_drive(tmp_path, "calm", [DECOY], frames=45)
    values = printed(tmp_path)
    assert [drive["name"] for drive in values["drives"]] == ["a", "b", "calm"]
    whole, mean = values["whole"]["none"], values["mean_over_drives"]["none"]
    parts = [drive["courses"]["none"] for drive in values["drives"]]
    for name in ("things", "found_things", "false_tracks", "visible", "misses", "minutes"):
        assert whole[name] == pytest.approx(sum(part[name] for part in parts)), name
    assert parts[2]["average_precision"] is parts[2]["mota"] is None
    assert mean["average_precision"] == pytest.approx(
        (parts[0]["average_precision"] + parts[1]["average_precision"]) / 2
    )
    assert mean["recall"] == 0.5


def test_what_is_ignored_is_neither_found_nor_false(tmp_path: Path) -> None:
    drive = write_drive(tmp_path, "one", [SEEN, DECOY])
    labels = tmp_path / "one.coco.json"
    content = json.loads(labels.read_text())
    for index in range(30, 40):
        content["annotations"].append(annotation(900 + index, index + 1, DECOY.place, ignore=1))
    labels.write_text(json.dumps(content))
    figures = evaluated(drive).whole["none"]
    tracking = figures.tracking
    assert (tracking.tracks, tracking.false_tracks, tracking.false_regions) == (1, 0, 0)
    left = 50 * HEIGHT * WIDTH - 40 * 24 * 24 - 10 * 16 * 16
    assert figures.pixels.ordinary == left
    assert figures.curve is not None
    assert figures.curve.metrics.ordinary_pixels == left


def test_frames_that_the_file_does_not_list_are_ordinary(tmp_path: Path) -> None:
    drive = write_drive(tmp_path, "one", [SEEN, DECOY])
    dense = evaluated(drive).whole
    labels = tmp_path / "one.coco.json"
    content = json.loads(labels.read_text())
    annotated = {one["image_id"] for one in content["annotations"]}
    content["images"] = [image for image in content["images"] if image["id"] in annotated]
    labels.write_text(json.dumps(content))
    assert evaluated(drive).whole == dense


def printed(path: Path, *options: object) -> dict[str, Any]:
    """Run `evaluate --video --json` with the bright model and return what it printed."""
    result = invoked(path, "--json", *options)
    assert result.exit_code == 0, result.output
    values = json.loads(result.stdout)
    assert isinstance(values, dict)
    return values


def invoked(path: Path, *options: object) -> Any:
    smoothers = () if {"--smoother", "--smoothers"} & set(options) else ("--smoother", "none")
    command = ["evaluate", str(path), "--video", *smoothers, *map(str, options)]
    return CliRunner().invoke(app, command)


@pytest.fixture(autouse=True)
def _bright_things_are_strange(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmras_stream.model.load_model", lambda _settings: bright_model())


def refused(path: Path, *options: object) -> str:
    result = invoked(path, *options)
    assert result.exit_code == 1, result.output
    assert result.stderr.count("\n") == 1, result.stderr
    return str(result.stderr)


def test_a_table_is_printed_for_people_and_a_file_for_programs(tmp_path: Path) -> None:
    write_drive(tmp_path / "set", "a", [SEEN, DECOY])
    write_drive(tmp_path / "set", "b", [MISSED, DECOY])
    out = tmp_path / "out.json"
    result = invoked(tmp_path / "set", "--smoothers", "ema,none", "--out", out)
    assert result.exit_code == 0, result.output
    words = ("AuPRC", "TC,", "flips", "1 of 2", "MOTA", "drives, smoother none", "pooled", "mean")
    for word in words:
        assert word in result.stdout
    values = json.loads(out.read_text())
    assert values["smoothers"] == ["ema", "none"]
    assert (values["overlap"], values["visible_pixels"]) == (0.25, 50)
    assert printed(tmp_path / "set", "--visible-pixels", 300)["whole"]["none"]["things"] == 1


def test_labels_that_do_not_fit_are_one_line(tmp_path: Path) -> None:
    drive = write_drive(tmp_path, "one", [SEEN])
    labels = tmp_path / "one.coco.json"
    content = json.loads(labels.read_text())
    images, annotations = content["images"], content["annotations"]

    def line(images: list[Any], annotations: list[Any], length: int | None = 50) -> str:
        write_labels(labels, images, annotations, length=length)
        return refused(drive)

    assert f"{labels} lists no frame" in line([], [])
    assert f"{labels}: nothing strange is annotated" in line(images, [])
    bare = [{k: v for k, v in one.items() if k != "track_id"} for one in annotations]
    assert f"{labels}: annotation 1 has no track_id; give each thing one" in line(images, bare)
    small = [{**image, "height": 48} for image in images]
    assert "one.coco.json labels frames of 160x48, the drive's are 160x96" in line(
        small, annotations
    )
    assert "one.coco.json lists frames of 2 sizes" in line([small[0], *images[1:]], annotations)
    assert f"{labels} lists frame 49 of a drive of 20 frames" in line(images, annotations, 20)
    assert "labels 20 frames, one.mp4 has more" in line(images[:20], annotations[:10], 20)
    assert "labels 90 frames, one.mp4 has 50; are they of one" in line(images, annotations, 90)
    later = [{**image, "frame_index": image["frame_index"] + 500} for image in images]
    assert "lists no frame that one.mp4 has" in line(later, annotations, 600)
    numberless = [{k: v for k, v in image.items() if k != "frame_index"} for image in images]
    assert f"{labels}: image 1 has no frame_index" in line(numberless, annotations)
    write_labels(labels, images, annotations, length=51)
    assert printed(drive)["whole"]["none"]["things"] == 1  # one frame more is tolerated


def test_what_cannot_be_measured_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive = write_drive(tmp_path, "one", [SEEN])
    assert "there is nothing at" in refused(tmp_path / "none.mp4")
    assert "no smoother plugin called 'flo'" in refused(drive, "--smoothers", "none,flo")
    assert "name each smoother once" in refused(drive, "--smoothers", "none,none")
    assert "--layout, --track and --export are for pictures" in refused(drive, "--layout", "coco")
    assert "the overlap must lie above 0" in refused(drive, "--overlap", 0)
    assert "cannot read" not in refused(drive, "--gt", tmp_path / "absent.json")
    (tmp_path / "bad.json").write_text("cows")
    assert "bad.json is no COCO file of a drive's frames" in refused(
        drive, "--gt", tmp_path / "bad.json"
    )
    (tmp_path / "two.mp4").write_bytes(drive.read_bytes())
    assert "the drive two.mp4 has no labels at" in refused(tmp_path)

    def broken(_model: Model, batch: FrameBatch, _outputs: object) -> list[AnomalyMap]:
        return [AnomalyMap(i, np.full((2, 3), np.nan, np.float32), 96, 160) for i in batch.index]

    monkeypatch.setattr(Model, "score_maps", broken)
    assert "one.mp4: a score is not a finite number" in refused(drive)


def test_another_clock_is_noted(tmp_path: Path) -> None:
    drive = write_drive(tmp_path, "one", [SEEN])
    labels = tmp_path / "one.coco.json"
    content = json.loads(labels.read_text())
    content["images"] = [{**image, "pts": image["id"] * 7} for image in content["images"]]
    labels.write_text(json.dumps(content))
    (note,) = printed(drive)["notes"]
    assert re.match(r"\d\d frames of one.mp4 are shown at another time than one.coco.json", note)


def test_what_annotate_proposes_is_perfect_if_taken_for_the_truth(tmp_path: Path) -> None:
    drive = write_drive(tmp_path / "in", "one", [SEEN, DECOY, replace(SEEN, first=20, end=40)])
    settings = replace(PROMPT, output=OutputSettings(exporters=("coco",)))
    run(drive, tmp_path / "out", settings, model=bright_model())
    labels = tmp_path / "out" / "one" / "proposals.coco.json"
    config = tmp_path / "prompt.toml"
    config.write_text("[temporal]\nmin_duration_seconds = 0.0\n")
    values = printed(drive, "--gt", labels, "--smoother", "flow", "--config", config)
    whole = values["whole"]["flow"]
    assert whole["things"] > 1
    assert (whole["recall"], whole["mota"], whole["idf1"]) == (1.0, 1.0, 1.0)
    assert (whole["false_tracks"], whole["flips"], whole["median_delay_ms"]) == (0, 0, 0)
