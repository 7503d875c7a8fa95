"""The COCO file holds every proposal, with its mask, its track and its words."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pycocotools import mask as coco_mask

from drives import (
    ALL,
    context_for,
    export_all,
    loaded_coco,
    made_drive,
    made_result,
)
from mmras_stream.errors import OutputError
from mmras_stream.export.coco import CocoExporter
from mmras_stream.types import (
    FrameResult,
    Guess,
)

HEIGHT, WIDTH = 96, 160


def test_every_proposal_is_in_the_coco_file_with_its_mask(tmp_path: Path) -> None:
    results = list(made_drive())
    export_all(CocoExporter, context_for(tmp_path / "drive"), iter(results))
    coco = loaded_coco(tmp_path / "drive" / "proposals.coco.json")
    proposals = [p for result in results for p in result.proposals]
    annotations = coco.loadAnns(coco.getAnnIds())
    assert len(annotations) == len(proposals) == 70
    for annotation, proposal in zip(annotations, proposals, strict=True):
        assert annotation["bbox"] == list(proposal.bbox_xywh)
        assert int(coco_mask.area(annotation["segmentation"])) == annotation["area"]
        assert annotation["segmentation"]["size"] == [HEIGHT, WIDTH]
        assert annotation["iscrowd"] == 0
        assert annotation["track_id"] == annotation["instance_id"] == proposal.track_id
        image = coco.imgs[annotation["image_id"]]
        assert (image["frame_index"], image["pts"]) == (proposal.frame_index, proposal.pts)


def test_the_coco_file_holds_frames_with_proposals_only_and_numbers_them_densely(
    tmp_path: Path,
) -> None:
    export_all(CocoExporter, context_for(tmp_path / "drive"), made_drive())
    values = json.loads((tmp_path / "drive" / "proposals.coco.json").read_text())
    assert [i["frame_id"] for i in values["images"]] == list(range(50))
    assert [i["frame_index"] for i in values["images"]] == list(range(10, 60))
    assert values["images"][0]["file_name"] == "drive/frames/000010.jpg"
    assert values["videos"][0]["length"] == 60
    assert [t["id"] for t in values["tracks"]] == [1, 2]
    assert values["categories"] == [{"id": 1, "name": "anomaly", "supercategory": "obstacle"}]


def test_the_coco_file_names_its_source_by_hash(tmp_path: Path) -> None:
    source = tmp_path / "source.mp4"
    source.write_bytes(b"drive" * 400_000)
    export_all(CocoExporter, context_for(tmp_path / "drive", uri=str(source)), made_drive())
    values = json.loads((tmp_path / "drive" / "proposals.coco.json").read_text())
    expected = hashlib.sha256(source.read_bytes()).hexdigest()
    assert values["videos"][0]["metadata"] == {"uri": str(source), "sha256": expected}


def named(result: FrameResult, *guesses: Guess, looks_known: Guess | None = None) -> FrameResult:
    """Return a result whose first proposal is described."""
    first, *others = result.proposals
    first = replace(first, guesses=guesses, looks_known=looks_known)
    return replace(result, proposals=(first, *others))


def test_words_stand_in_the_attributes_only_where_there_are_some(tmp_path: Path) -> None:
    drive = [
        named(made_result(0, (1, 3, 0.9), (2, 12, 0.8)), Guess("cow", 0.5), Guess("stag", 0.25)),
        named(made_result(1, (1, 3, 0.9)), Guess("sofa", 0.75), looks_known=Guess("car", 0.875)),
    ]
    export_all(CocoExporter, context_for(tmp_path / "drive"), iter(drive))
    values = json.loads((tmp_path / "drive" / "proposals.coco.json").read_text())
    bare = {"score", "track_id", "occluded", "retraced"}
    words = [
        {key: value for key, value in annotation["attributes"].items() if key not in bare}
        for annotation in values["annotations"]
    ]
    last = {"name": "sofa", "names": "sofa 0.75", "looks_known": "car 0.88"}
    assert words == [{"name": "cow", "names": "cow 0.50; stag 0.25"}, {}, last]
    kept = {"id", "category_id", "video_id", "name", "names", "looks_known"}
    assert [{k: v for k, v in t.items() if k in kept} for t in values["tracks"]] == [
        {"id": 1, "category_id": 1, "video_id": 1, **last},
        {"id": 2, "category_id": 1, "video_id": 1},
    ]


def test_tracks_say_when_and_how_a_thing_was_seen_and_nothing_unknown(tmp_path: Path) -> None:
    export_all(CocoExporter, context_for(tmp_path / "drive"), made_drive())
    first, second = loaded_coco(tmp_path / "drive" / "proposals.coco.json").dataset["tracks"]
    assert first == {
        "id": 1,
        "category_id": 1,
        "video_id": 1,
        "first_frame_index": 10,
        "last_frame_index": 59,
        "first_seconds": round(10 * 1001 / 30000, 6),
        "last_seconds": round(59 * 1001 / 30000, 6),
        "frames": 50,
        "peak_score": round(0.55 + 0.4 * 59 / 60, 6),
        "growth_per_second": pytest.approx(0.35, abs=0.35),
    }
    assert (second["frames"], second["growth_per_second"]) == (20, 0)


def test_what_is_suppressed_is_recorded_and_no_find(tmp_path: Path) -> None:
    drive = [
        named(made_result(i, (1, 3, 0.9), (2, 12, 0.8)), looks_known=Guess("car", 0.9))
        for i in range(5)
    ]
    for kind in ALL:
        export_all(kind, context_for(tmp_path / "drive"), iter(drive))
    everything, pictured = (
        json.loads((tmp_path / "drive" / f"{name}.coco.json").read_text())
        for name in ("proposals", "keyframes")
    )
    assert [track["id"] for track in everything["tracks"]] == [1, 2]
    assert len(everything["annotations"]) == 10
    assert {annotation["track_id"] for annotation in pictured["annotations"]} == {2}
    rows = pq.read_table(tmp_path / "drive" / "timeline.parquet").to_pylist()
    assert [(row["proposals"], row["track_ids"]) for row in rows] == [(1, "2")] * 5
    assert rows[0]["area"] == drive[0].proposals[1].area


def test_a_mask_that_contradicts_its_box_is_refused(tmp_path: Path) -> None:
    result = made_result(0, (1, 3, 0.9))
    wrong = replace(result.proposals[0], area=1)
    exporter = CocoExporter(context_for(tmp_path / "drive"))
    with pytest.raises(OutputError, match="annotation 1: its mask has area"):
        exporter.write(replace(result, proposals=(wrong,)))
    exporter.close()
