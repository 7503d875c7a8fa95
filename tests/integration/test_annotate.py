from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from typer.testing import CliRunner

from clips import Clip, write
from commands import ROOT, SAMPLE, annotate, shown_at
from mmras_cli.main import app

SAMPLE_TRUTH = ROOT / "samples" / "drive.coco.json"


@pytest.fixture(scope="module")
def annotated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample drive, annotated once with every default."""
    out = tmp_path_factory.mktemp("annotated")
    annotate(SAMPLE, "--out", out, "--quiet")
    return out / "drive"


def test_every_promised_file_is_there_and_nothing_else(annotated: Path) -> None:
    assert sorted(path.name for path in annotated.iterdir()) == [
        "frames",
        "keyframes.coco.json",
        "overlay.mp4",
        "proposals.coco.json",
        "run.json",
        "timeline.parquet",
    ]


def test_the_overlay_has_the_frames_and_times_of_the_drive(annotated: Path) -> None:
    assert shown_at(annotated / "overlay.mp4") == shown_at(SAMPLE)


def test_proposals_load_in_pycocotools_and_masks_agree_with_their_boxes(annotated: Path) -> None:
    coco = COCO(str(annotated / "proposals.coco.json"))
    assert coco.anns
    for annotation in coco.anns.values():
        mask = coco_mask.decode(annotation["segmentation"])
        rows, columns = np.nonzero(mask)
        assert mask.sum() == annotation["area"]
        assert annotation["bbox"] == [
            columns.min(),
            rows.min(),
            np.ptp(columns) + 1,
            np.ptp(rows) + 1,
        ]
        assert annotation["track_id"] >= 1


def test_the_obstacle_of_the_sample_is_found_and_little_else(annotated: Path) -> None:
    truth, found = COCO(str(SAMPLE_TRUTH)), COCO(str(annotated / "proposals.coco.json"))
    masks = {
        truth.imgs[a["image_id"]]["frame_index"]: coco_mask.decode(a["segmentation"])
        for a in truth.anns.values()
    }
    hit_frames, hits, misses = set(), 0, 0
    for annotation in found.anns.values():
        index = found.imgs[annotation["image_id"]]["frame_index"]
        mask = coco_mask.decode(annotation["segmentation"])
        on_obstacle = index in masks and (mask & masks[index]).sum() > 0.3 * mask.sum()
        hits, misses = hits + on_obstacle, misses + (not on_obstacle)
        if on_obstacle:
            hit_frames.add(index)
    large = {index for index, mask in masks.items() if mask.sum() >= 0.002 * mask.size}
    assert len(large & hit_frames) >= 2 * len(large) / 3 > 0
    assert misses <= 0.3 * hits


def test_the_obstacle_of_the_sample_is_followed_back_to_when_it_was_far(annotated: Path) -> None:
    truth, found = COCO(str(SAMPLE_TRUTH)), COCO(str(annotated / "proposals.coco.json"))
    masks = {
        truth.imgs[a["image_id"]]["frame_index"]: coco_mask.decode(a["segmentation"])
        for a in truth.anns.values()
    }
    agreeing = set()
    for annotation in found.anns.values():
        index = found.imgs[annotation["image_id"]]["frame_index"]
        mask = coco_mask.decode(annotation["segmentation"])
        if annotation["attributes"]["retraced"] and index in masks:
            shared = (mask & masks[index]).sum() / (mask | masks[index]).sum()
            if shared > 0.25:
                agreeing.add(index)
    assert len(agreeing) >= 10


def test_pictures_stand_beside_the_labels_that_name_them(annotated: Path) -> None:
    dataset = json.loads((annotated / "keyframes.coco.json").read_text())
    assert dataset["images"]
    for image in dataset["images"]:
        picture = cv2.imread(str(annotated.parent / image["file_name"]))
        assert picture is not None
        assert picture.shape[:2] == (image["height"], image["width"])
    per_track: dict[int, int] = {}
    for annotation in dataset["annotations"]:
        per_track[annotation["track_id"]] = per_track.get(annotation["track_id"], 0) + 1
    assert {a["image_id"] for a in dataset["annotations"]} == {i["id"] for i in dataset["images"]}


def test_the_timeline_has_a_row_per_frame(annotated: Path) -> None:
    table = pq.read_table(annotated / "timeline.parquet").to_pydict()
    assert table["frame_index"] == list(range(250))
    assert table["seconds"] == pytest.approx([float(s) for s in shown_at(SAMPLE)])


def test_the_report_says_what_was_done(annotated: Path) -> None:
    report = json.loads((annotated / "run.json").read_text())
    assert report["frames"] == 250
    assert report["warnings"] == []
    assert report["interrupted"] is False
    assert len(report["weights_sha256"]) == 64
    assert report["settings"]["score"]["alpha"] == 0.99
    assert sum(report["stage_seconds"].values()) <= 1.02 * report["wall_seconds"]


def test_existing_results_are_kept_unless_told_otherwise(annotated: Path) -> None:
    before = (annotated / "run.json").read_text()
    result = CliRunner().invoke(app, ["annotate", str(SAMPLE), "--out", str(annotated.parent)])
    assert result.exit_code == 1
    assert "--overwrite" in result.stderr
    assert (annotated / "run.json").read_text() == before


def test_the_same_drive_gives_the_same_bytes_whatever_the_batch(tmp_path: Path) -> None:
    for name, batch in (("one", 1), ("four", 4)):
        annotate(
            *(SAMPLE, "--out", tmp_path / name, "--batch-size", batch, "--start", 6, "--end", 8),
            *("--exporters", "coco", "--quiet"),
        )
    first, second = (
        json.loads((tmp_path / n / "drive" / "proposals.coco.json").read_text())
        for n in ("one", "four")
    )
    assert len(first["annotations"]) == len(second["annotations"]) > 0
    for a, b in zip(first["annotations"], second["annotations"], strict=True):
        assert a["score"] == pytest.approx(b["score"], abs=1e-4)
        assert a["track_id"] == b["track_id"]


def test_an_overwritten_run_replaces_what_was_there(tmp_path: Path) -> None:
    annotate(SAMPLE, "--out", tmp_path, "--end", 0.4, "--quiet")
    annotate(SAMPLE, "--out", tmp_path, "--end", 0.2, "--quiet", "--overwrite")
    assert len(shown_at(tmp_path / "drive" / "overlay.mp4")) == 5


def test_json_reports_every_drive_and_several_may_share_a_name(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(SAMPLE, tmp_path / folder / "drive.mp4")
    out = annotate(
        str(tmp_path / "*" / "drive.mp4"), "--out", tmp_path / "out", "--end", 0.2, "--json"
    )
    reports = json.loads(out)
    assert [report["frames"] for report in reports] == [5, 5]
    assert len({report["drive"] for report in reports}) == 2


def test_one_bad_drive_does_not_stop_the_others(tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"")
    result = CliRunner().invoke(
        app,
        ["annotate", str(bad), str(SAMPLE), "--out", str(tmp_path / "out"), "--end", "0.2"],
    )
    assert result.exit_code == 1
    assert (tmp_path / "out" / "drive" / "run.json").is_file()
    assert "bad.mp4" in result.stderr


def test_a_folder_of_pictures_is_annotated_like_a_video(tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    with av.open(str(SAMPLE)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number % 50 == 0:
                rgb = frame.to_ndarray(format="rgb24")
                cv2.imwrite(str(pictures / f"{number}.png"), rgb[..., ::-1])
    report = json.loads(annotate(pictures, "--out", tmp_path / "out", "--json"))
    assert report[0]["frames"] == 5


@pytest.mark.parametrize(("end", "share"), [(None, 1.0), (0.5, 0.4)])
def test_sound_is_kept_to_its_end_or_to_the_end_asked_for(
    end: float | None, share: float, tmp_path: Path
) -> None:
    drive = write(tmp_path / "loud.mp4", Clip(frames=25, audio_seconds=1.3))
    ends = [] if end is None else ["--end", end]
    annotate(drive, "--out", tmp_path, "--quiet", "--input-width", 64, *ends)
    source, copied = sound_of(drive), sound_of(tmp_path / "loud" / "overlay.mp4")
    assert copied == source[: len(copied)]
    assert len(copied) == pytest.approx(share * len(source), abs=1 if end else 0)


def sound_of(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_whole_files(tmp_path: Path, sent: signal.Signals) -> None:
    command = [sys.executable, "-c", "from mmras_cli.main import run; run()", "annotate"]
    process = subprocess.Popen(
        [*command, str(SAMPLE), "--out", str(tmp_path), "--batch-size", "1"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    folder = tmp_path / "drive"
    deadline = time.monotonic() + 60
    while not _has_grown(folder) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(sent)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "the files of what was done are complete" in errors
    report = json.loads((folder / "run.json").read_text())
    assert report["interrupted"] is True
    assert 0 < report["frames"] < 250
    assert len(shown_at(folder / "overlay.mp4")) == report["frames"]
    assert len(pq.read_table(folder / "timeline.parquet")) == report["frames"]
    COCO(str(folder / "proposals.coco.json"))
    assert not [path for path in folder.rglob("*") if "part" in path.name]


def _has_grown(folder: Path) -> bool:
    return folder.is_dir() and any(
        path.is_file() and path.stat().st_size > 4000 for path in folder.iterdir()
    )
