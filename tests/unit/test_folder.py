"""Results go where they were asked to go, and nowhere else."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from mmras_stream.errors import OutputError
from mmras_stream.export.folder import drive_name, prepare_folder
from mmras_stream.export.report import RunReport, installed_versions, report_values, write_report
from mmras_stream.types import VideoInfo

NASTY = [
    "",
    ".",
    "..",
    "...mp4",
    "a/../..mp4",
    "two\nlines.mp4",
    "\x1b[31m.mp4",
    " .mp4",
    "😀" * 90,
]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("trips/monday.mp4", "monday"),
        ("monday.cut.mp4", "monday.cut"),
        ("two\nlines.mp4", "two_lines"),
        ("back\\slash.mp4", "back_slash"),
        (".hidden.mp4", "hidden"),
        ("...mp4", "drive"),
        ("bad\udcff.mp4", "bad_"),
        ("Straße 7.mov", "Straße 7"),
        ("shots/*.png", "shots"),
    ],
)
def test_a_drive_is_named_after_its_file(path: str, name: str) -> None:
    assert drive_name(path, ()) == name


@pytest.mark.parametrize("path", NASTY, ids=lambda path: repr(path)[:20])
def test_no_name_leaves_the_folder_it_is_put_in(path: str, tmp_path: Path) -> None:
    name = drive_name(path, ())
    folder = prepare_folder(tmp_path, name, overwrite=False)
    assert folder.parent == tmp_path
    assert folder.is_dir()
    assert name.isprintable()
    assert len(name.encode()) <= 200


def test_a_folder_of_pictures_keeps_its_whole_name(tmp_path: Path) -> None:
    pictures = tmp_path / "2024.05.01"
    pictures.mkdir()
    assert drive_name(pictures, ()) == "2024.05.01"


def test_names_are_unique_within_a_run() -> None:
    taken: list[str] = []
    for path in ["a/x.mp4", "b/X.mp4", "c/b/x.mkv", "d/b/x.mkv"]:
        taken.append(drive_name(path, taken))
    assert taken == ["x", "b-X", "x-2", "x-3"]


def test_long_names_stay_unique_when_shortened() -> None:
    first = drive_name(f"{'n' * 400}.mp4", ())
    second = drive_name(f"{'n' * 400}.mp4", [first])
    third = drive_name(f"{'n' * 400}.mp4", [first, second])
    assert len({first, second, third}) == 3
    assert max(map(len, (first, second, third))) <= 200


def test_results_are_not_overwritten_unasked(tmp_path: Path) -> None:
    folder = prepare_folder(tmp_path / "deep" / "out", "x", overwrite=False)
    (folder / "run.json").touch()
    (folder / "notes.txt").touch()
    with pytest.raises(OutputError, match=r"already holds results \(run.json\); give --overwrite"):
        prepare_folder(tmp_path / "deep" / "out", "x", overwrite=False)
    prepare_folder(tmp_path / "deep" / "out", "x", overwrite=True)
    assert [p.name for p in folder.iterdir()] == ["notes.txt"]


def test_what_a_killed_run_left_goes(tmp_path: Path) -> None:
    folder = prepare_folder(tmp_path, "x", overwrite=False)
    (folder / "frames").mkdir()
    (folder / ".overlay.mp4.part").touch()
    (folder / ".frames.part").mkdir()
    (folder / ".frames.part" / "000001.jpg").touch()
    prepare_folder(tmp_path, "x", overwrite=False)
    assert [p.name for p in folder.rglob("*")] == ["frames"]


def test_a_file_in_the_way_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(OutputError, match=r"cannot write .*out/x: Not a directory") as failure:
        prepare_folder(tmp_path / "out", "x", overwrite=True)
    assert "\n" not in str(failure.value)


def test_a_report_is_plain_json(tmp_path: Path) -> None:
    info = VideoInfo("x.mp4", 360, 640, Fraction(30000, 1001), Fraction(1, 30000), None)
    report = RunReport(
        video=info,
        frames=3,
        proposals=2,
        tracks=1,
        media_seconds=1.0,
        wall_seconds=0.5,
        stage_seconds={"decode": 0.1},
        score="msp",
        threshold=0.5,
        settings={"video": {"stride": 1}, "output": {"exporters": ("coco",)}},
        versions=installed_versions(),
        weights_sha256="",
    )
    path = write_report(report, tmp_path)
    values = json.loads(path.read_text())
    assert values == report_values(report)
    assert values["video"]["frame_rate"] == "30000/1001"
    assert "torch" in values["versions"]
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]


def test_a_report_that_cannot_be_written_names_its_file(tmp_path: Path) -> None:
    info = VideoInfo("x.mp4", 1, 1, Fraction(0), Fraction(1), None)
    report = RunReport(info, 0, 0, 0, 0.0, 0.0, {}, "msp", 0.5, {}, {}, "")
    with pytest.raises(OutputError, match=r"run.json: No such file or directory"):
        write_report(report, tmp_path / "missing")
