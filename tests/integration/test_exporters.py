"""What a run leaves in the folder of a drive can be read, repeated and trusted."""

from __future__ import annotations

import csv
import json
import resource
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

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
    PixelFormat,
)

HEIGHT, WIDTH = 96, 160


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


def test_frames_around_a_picture_are_kept_where_they_are_wanted(tmp_path: Path) -> None:
    settings = Settings(output=OutputSettings(frames_per_track=1, context_frames=3))
    drive = [made_result(i, *([(1, 3, 0.9)] if i in (2, 50) else [])) for i in range(60)]
    export_all(FramesExporter, context_for(tmp_path / "drive", settings), iter(drive))
    numbers = sorted(int(path.stem) for path in (tmp_path / "drive" / "frames").iterdir())
    assert numbers in ([0, 1, 2, 3, 4, 5], [47, 48, 49, 50, 51, 52, 53])
    values = json.loads((tmp_path / "drive" / "keyframes.coco.json").read_text())
    assert [image["frame_index"] for image in values["images"]] == numbers
    assert len(values["annotations"]) == 1
