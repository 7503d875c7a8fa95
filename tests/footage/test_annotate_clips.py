"""Real drives end to end, and what the embedded weights make of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from commands import shown_at
from golden.runs import state
from real_drives import ANOMALY_FREE

pytestmark = pytest.mark.footage

CATTLE = "cattle_day"
OTHERS = (
    "carnd_vehicle_test_video",
    "cattle_night",
    "kb_dashcam",
    "prab_pothole",
    "tmo_night",
    "tmo_seattlestreet1",
)
QUICK = ("--input-width", "128", "--threshold", "0.2")
"""For clips on which only the files are looked at: a small network input, many proposals."""

CATTLE_LEFT = 76
"""Column of the clip at which the labelled pictures begin."""


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


def annotated(clip: str, footage: Path, out: Path, *options: str) -> Path:
    """Annotate a clip once per module, in a process of its own with threads of its own."""
    folder = out / clip
    if not folder.exists():
        command = [sys.executable, "-c", "from mmras_cli.main import run; run()", "annotate"]
        environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
        done = subprocess.run(
            [*command, str(footage / f"{clip}.mp4"), "--out", str(out), "--quiet", *options],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
        assert done.stderr == "", "a warning was printed"
    return folder


def audio(path: Path) -> Iterator[bytes]:
    with av.open(str(path)) as container:
        for packet in container.demux(audio=0):
            if packet.size:
                yield bytes(packet)


@pytest.mark.parametrize("clip", [*ANOMALY_FREE, CATTLE, *OTHERS])
def test_every_clip_gives_whole_files(clip: str, footage: Path, out: Path) -> None:
    source = footage / f"{clip}.mp4"
    folder = annotated(clip, footage, out, *(QUICK if clip in OTHERS else ()))
    assert json.loads((folder / "run.json").read_text())["warnings"] == []
    assert shown_at(folder / "overlay.mp4") == shown_at(source)
    assert list(audio(folder / "overlay.mp4")) == list(audio(source))
    coco = COCO(str(folder / "proposals.coco.json"))
    for annotation in coco.anns.values():
        mask = coco_mask.decode(annotation["segmentation"])
        assert mask.sum() == annotation["area"]
        rle = coco_mask.encode(np.asfortranarray(mask))
        assert coco_mask.toBbox(rle).tolist() == annotation["bbox"]


@pytest.mark.parametrize("clip", ANOMALY_FREE)
def test_an_ordinary_drive_gives_few_false_tracks(clip: str, footage: Path, out: Path) -> None:
    folder = annotated(clip, footage, out)
    report = json.loads((folder / "run.json").read_text())
    minutes = report["video"]["duration_seconds"] / 60
    rate = report["tracks"] / minutes
    print(f"{clip}: {report['tracks']} false tracks in {60 * minutes:.1f} s, {rate:.1f} a minute")
    assert rate <= 4


def test_cows_on_the_road_are_proposed(footage: Path, out: Path) -> None:
    folder = annotated(CATTLE, footage, out)
    coco = COCO(str(folder / "proposals.coco.json"))
    labelled = sorted((footage.parent / "data/dev/cattle/labels_masks").glob("*.png"))
    hits = 0
    for path in labelled:
        cow = np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED)) == 1
        index = int(path.stem.rpartition("_")[2])
        images = [i["id"] for i in coco.imgs.values() if i["frame_index"] == index]
        masks = [
            coco_mask.decode(a["segmentation"]).astype(bool)
            for a in coco.loadAnns(coco.getAnnIds(imgIds=images) if images else [])
        ]
        part = slice(CATTLE_LEFT, CATTLE_LEFT + cow.shape[1])
        hits += any((mask[:, part] & cow).sum() >= 0.5 * mask.sum() for mask in masks)
    print(f"a proposal lies for half its area on a cow in {hits} of {len(labelled)} frames")
    assert len(labelled) == 11
    assert hits >= 6


@pytest.mark.parametrize(
    ("name", "average_precision", "fpr_at_95_tpr"),
    [("cattle", 0.80, 0.08), ("lost_and_found", 0.05, 0.45)],
)
def test_the_embedded_weights_tell_strange_from_ordinary(
    name: str, average_precision: float, fpr_at_95_tpr: float, footage: Path
) -> None:
    folder = footage.parent / "data/dev" / name
    command = [sys.executable, "-c", "from mmras_cli.main import run; run()", "evaluate"]
    done = subprocess.run(
        [*command, str(folder), "--json"], capture_output=True, text=True, check=True
    )
    metrics = json.loads(done.stdout)
    print(f"{name}: {metrics}")
    assert metrics["average_precision"] >= average_precision
    assert metrics["fpr_at_95_tpr"] <= fpr_at_95_tpr


def test_the_papers_network_annotates_a_real_drive(footage: Path, tmp_path: Path) -> None:
    weights = tmp_path / "published.pth"
    torch.save({"model": state()}, weights)
    size = ("--short-edge", "128", "--stride", "10", "--threshold", "-0.6")
    options = ("--model", "r50", "--checkpoint", str(weights), *size)
    folder = annotated("carnd_vehicle_test_video", footage, tmp_path, *options)
    report = json.loads((folder / "run.json").read_text())
    source = footage / "carnd_vehicle_test_video.mp4"
    assert report["frames"] == len(shown_at(folder / "overlay.mp4"))
    assert shown_at(folder / "overlay.mp4") == shown_at(source)[::10]
    assert COCO(str(folder / "proposals.coco.json")).anns
