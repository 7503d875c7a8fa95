"""What a run leaves in the folder of a drive can be read, repeated and trusted."""

from __future__ import annotations

import csv
import hashlib
import json
import resource
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from pycocotools import mask as coco_mask

from drives import (
    ALL,
    TIME_BASE,
    context_for,
    export_all,
    frame_times,
    loaded_coco,
    made_drive,
    made_result,
)
from mmras_stream.errors import OutputError, VideoError
from mmras_stream.export.coco import CocoExporter
from mmras_stream.export.frames import FramesExporter
from mmras_stream.export.overlay import OverlayExporter
from mmras_stream.export.timeline import TimelineExporter
from mmras_stream.protocols import Exporter
from mmras_stream.regions.components import find_regions
from mmras_stream.settings import OutputSettings, RunContext, Settings, VideoSettings
from mmras_stream.types import (
    AnomalyMap,
    ColourMatrix,
    Frame,
    FrameResult,
    Guess,
    PixelFormat,
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
    bare = {"score", "track_id", "occluded"}
    words = [
        {key: value for key, value in annotation["attributes"].items() if key not in bare}
        for annotation in values["annotations"]
    ]
    last = {"name": "sofa", "names": "sofa 0.75", "looks_known": "car 0.88"}
    assert words == [{"name": "cow", "names": "cow 0.50; stag 0.25"}, {}, last]
    assert values["tracks"] == [
        {"id": 1, "category_id": 1, "video_id": 1, **last},
        {"id": 2, "category_id": 1, "video_id": 1},
    ]


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
    rows = _rows(tmp_path / "drive" / "timeline.parquet")
    assert [(row["proposals"], row["track_ids"]) for row in rows] == [(1, "2")] * 5
    assert rows[0]["area"] == drive[0].proposals[1].area


def test_a_mask_that_contradicts_its_box_is_refused(tmp_path: Path) -> None:
    result = made_result(0, (1, 3, 0.9))
    wrong = replace(result.proposals[0], area=1)
    exporter = CocoExporter(context_for(tmp_path / "drive"))
    with pytest.raises(OutputError, match="annotation 1: its mask has area"):
        exporter.write(replace(result, proposals=(wrong,)))
    exporter.close()


@pytest.mark.parametrize("kind", ALL)
def test_the_same_drive_gives_the_same_bytes(
    kind: Callable[[RunContext], Exporter], tmp_path: Path
) -> None:
    folders = [tmp_path / "a" / "drive", tmp_path / "b" / "drive"]
    for folder in folders:
        export_all(kind, context_for(folder, uri="none.mp4"), made_drive())
    first, second = ({p.relative_to(f): p for p in f.rglob("*") if p.is_file()} for f in folders)
    assert first.keys() == second.keys()
    assert len(first) >= 1
    for name, path in first.items():
        assert path.read_bytes() == second[name].read_bytes(), name


@pytest.mark.parametrize("kind", ALL)
def test_a_drive_without_frames_closes_cleanly(
    kind: Callable[[RunContext], Exporter], tmp_path: Path
) -> None:
    exporter = export_all(kind, context_for(tmp_path / "drive"), iter(()))
    assert list(exporter.warnings) == []
    assert not list(tmp_path.rglob("*.part"))
    for path in tmp_path.rglob("*.json"):
        assert loaded_coco(path).imgs == {}


@pytest.mark.parametrize("kind", ALL)
def test_closing_early_leaves_readable_files_under_their_names(
    kind: Callable[[RunContext], Exporter], tmp_path: Path
) -> None:
    exporter = kind(context_for(tmp_path / "drive"))
    for result in list(made_drive())[:23]:
        exporter.write(result)
    names = {p.name for p in (tmp_path / "drive").iterdir()}
    assert names
    assert all(name.startswith(".") for name in names)
    exporter.close()
    for path in (p for p in (tmp_path / "drive").rglob("*") if p.is_file()):
        _assert_readable(path)


def _assert_readable(path: Path) -> None:
    assert not path.name.startswith("."), path
    if path.suffix == ".json":
        assert loaded_coco(path).imgs
    elif path.suffix == ".mp4":
        assert len(frame_times(path)) == 23
    elif path.suffix == ".parquet":
        assert pq.read_table(path).num_rows == 23
    else:
        assert cv2.imread(str(path)) is not None


def test_the_overlay_keeps_every_time(tmp_path: Path) -> None:
    drive = [made_result(index, first=2002) for index in range(20)]
    export_all(OverlayExporter, context_for(tmp_path / "drive"), iter(drive))
    expected = [result.frame.pts * TIME_BASE for result in drive]
    assert frame_times(tmp_path / "drive" / "overlay.mp4") == expected


def test_the_overlay_of_a_part_starts_at_0(tmp_path: Path) -> None:
    settings = Settings(video=VideoSettings(start_seconds=1))
    drive = [made_result(index) for index in range(30, 40)]
    export_all(OverlayExporter, context_for(tmp_path / "drive", settings), iter(drive))
    times = frame_times(tmp_path / "drive" / "overlay.mp4")
    assert times == [1001 * k * TIME_BASE for k in range(10)]


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (3, 5), (31, 98)])
def test_odd_pictures_have_an_overlay_of_the_next_even_size(
    size: tuple[int, int], tmp_path: Path
) -> None:
    height, width = size
    small = (height + 1) // 2, (width + 1) // 2
    planes = tuple(torch.full(shape, 128, dtype=torch.uint8) for shape in (size, small, small))
    pixel_format = PixelFormat(ColourMatrix.BT601, full_range=False)
    frame = Frame(0, 0, TIME_BASE, planes, pixel_format)  # type: ignore[arg-type]  # three
    anomaly_map = AnomalyMap(0, np.full((2, 2), 0.9, np.float32), height, width)
    regions = find_regions(anomaly_map, pts=0, threshold=0.5, min_area=1)
    result = FrameResult(frame, anomaly_map, anomaly_map, regions, 0.5)
    export_all(OverlayExporter, context_for(tmp_path / "drive"), iter([result]))
    with av.open(str(tmp_path / "drive" / "overlay.mp4")) as container:
        (shown,) = container.decode(video=0)
    assert (shown.height, shown.width) == (height + height % 2, width + width % 2)


def test_an_unknown_encoder_is_refused_before_the_first_frame(tmp_path: Path) -> None:
    settings = Settings(output=OutputSettings(encoder="libx246"))
    with pytest.raises(VideoError, match="no video encoder called 'libx246'; did you mean"):
        OverlayExporter(context_for(tmp_path / "drive", settings))


def test_pictures_are_few_good_and_apart(tmp_path: Path) -> None:
    drive = [made_result(i, (1, 3, 0.6 + 0.3 * (i % 60 == 30)), (2, 12, 0.9)) for i in range(240)]
    export_all(FramesExporter, context_for(tmp_path / "drive"), iter(drive))
    folder = tmp_path / "drive" / "frames"
    numbers = sorted(int(path.stem) for path in folder.iterdir())
    assert all(path.suffix == ".jpg" for path in folder.iterdir())
    assert len(numbers) <= 6
    assert {30, 90, 150, 210} & set(numbers)
    values = json.loads((tmp_path / "drive" / "keyframes.coco.json").read_text())
    assert [i["frame_index"] for i in values["images"]] == numbers
    assert [i["frame_id"] for i in values["images"]] == list(range(len(numbers)))
    for image in values["images"]:
        assert (tmp_path / image["file_name"]).is_file()
    assert loaded_coco(tmp_path / "drive" / "keyframes.coco.json").anns


def test_pictures_of_one_thing_keep_their_distance(tmp_path: Path) -> None:
    export_all(
        FramesExporter,
        context_for(tmp_path / "drive"),
        (made_result(i, (1, 3, min(0.95, 0.51 * 1.004**i))) for i in range(150)),
    )
    numbers = sorted(int(p.stem) for p in (tmp_path / "drive" / "frames").iterdir())
    assert 1 <= len(numbers) <= 3
    assert all(b - a >= 14 for a, b in pairwise(numbers))


def test_no_pictures_are_taken_where_none_are_wanted(tmp_path: Path) -> None:
    settings = Settings(output=OutputSettings(frames_per_track=0))
    export_all(FramesExporter, context_for(tmp_path / "drive", settings), made_drive())
    assert not list((tmp_path / "drive").rglob("*.jpg"))


def test_a_picture_shows_the_frame(tmp_path: Path) -> None:
    export_all(FramesExporter, context_for(tmp_path / "drive"), iter([made_result(7, (1, 3, 0.9))]))
    picture = cv2.imread(str(tmp_path / "drive" / "frames" / "000007.jpg"))
    assert picture is not None
    assert picture.shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_the_timeline_has_a_row_per_frame(kind: Any, tmp_path: Path) -> None:
    settings = Settings(output=OutputSettings(timeline=kind))
    drive = list(made_drive())
    export_all(TimelineExporter, context_for(tmp_path / "drive", settings), iter(drive))
    rows = _rows(tmp_path / "drive" / f"timeline.{kind}")
    assert [int(row["frame_index"]) for row in rows] == list(range(60))
    assert [int(row["pts"]) for row in rows] == [r.frame.pts for r in drive]
    assert [int(row["proposals"]) for row in rows] == [len(r.proposals) for r in drive]
    assert float(rows[50]["max_score"]) == pytest.approx(0.55 + 0.4 * 50 / 60, abs=1e-6)
    assert int(rows[50]["area"]) == sum(p.area for p in drive[50].proposals)


def _rows(path: Path) -> Sequence[dict[str, Any]]:
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return list(csv.DictReader(file))
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


@contextmanager
def _full_disk(size: int) -> Iterator[None]:
    """Let no file grow beyond a size, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("kind", ALL)
def test_a_full_disk_is_one_sentence(
    kind: Callable[[RunContext], Exporter], tmp_path: Path
) -> None:
    exporter = kind(context_for(tmp_path / "drive"))
    with _full_disk(200), pytest.raises(OutputError, match=r"cannot write .*drive") as failure:
        _write_all(exporter)
    assert "\n" not in str(failure.value)
    exporter.close()


def _write_all(exporter: Exporter) -> None:
    for result in made_drive(400):
        exporter.write(result)
    exporter.close()
