"""What a drive does over time, odd things included, ends up in the files of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from typer.testing import CliRunner

from commands import SAMPLE, annotate
from mmras_cli.main import app
from shaky_drive import texture

Picture = npt.NDArray[np.uint8]

QUICK = ("--input-width", 128, "--exporters", "coco", "--quiet")
NEAR = ("--start", 6, "--end", 8, "--exporters", "coco", "--quiet")
"""Where the obstacle of the sample is seen well."""


def street(left: int = 0) -> Picture:
    return np.ascontiguousarray(texture(120, 260, 3)[:, 40 - left : 200 - left].astype(np.uint8))


def written(path: Path, pictures: Sequence[Picture], milliseconds: Sequence[int]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "10"})
        stream.height, stream.width = pictures[0].shape
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for picture, pts in zip(pictures, milliseconds, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = pts, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def report_of(drive: Path, out: Path, *options: object) -> dict[str, Any]:
    annotate(drive, "--out", out, *(options or QUICK))
    report: dict[str, Any] = json.loads((out / drive.stem / "run.json").read_text())
    return report


def warnings_of(tmp_path: Path, pictures: Sequence[Picture], times: Sequence[int]) -> str:
    drive = written(tmp_path / "drive.mp4", pictures, times)
    report = report_of(drive, tmp_path / "out")
    assert report["frames"] == len(pictures)
    return "\n".join(report["warnings"])


def test_a_sound_drive_gives_no_warnings(tmp_path: Path) -> None:
    pictures = [street(left=2 * i) for i in range(12)]
    assert warnings_of(tmp_path, pictures, range(0, 480, 40)) == ""


def test_black_frames_and_a_frozen_camera_are_noted(tmp_path: Path) -> None:
    black = np.zeros((120, 160), np.uint8)
    pictures = [*[street(left=2 * i) for i in range(4)], black, black, *[street()] * 34]
    noted = warnings_of(tmp_path, pictures, range(0, 1600, 40))
    assert "2 frames without a picture, all black (first at 0.16 s)" in noted
    assert "the picture stands still for 1.3 s (from 0.24 s)" in noted
    assert "frames that repeat the one before" in noted


def test_ten_seconds_without_frames_are_noted(tmp_path: Path) -> None:
    pictures = [street(left=i % 40) for i in range(100)]
    noted = warnings_of(tmp_path, pictures, [*range(0, 2000, 40), *range(12_000, 14_000, 40)])
    assert "1 gap in time without frames" in noted


def test_one_frame_is_enough_for_a_run(tmp_path: Path) -> None:
    assert "there is one frame only" in warnings_of(tmp_path, [street()], [0])


def test_the_same_drive_gives_the_same_bytes_in_every_run_and_batch(tmp_path: Path) -> None:
    files = set()
    for name, batch in (("one", 1), ("four", 4), ("seven", 7), ("again", 7)):
        annotate(SAMPLE, "--out", tmp_path / name, "--batch-size", batch, *NEAR)
        files.add((tmp_path / name / "drive" / "proposals.coco.json").read_bytes())
    assert len(files) == 1
    assert json.loads(files.pop())["annotations"]


def test_the_obstacle_is_one_track_on_the_road_that_comes_nearer(tmp_path: Path) -> None:
    report = report_of(SAMPLE, tmp_path, *NEAR)
    coco = json.loads((tmp_path / "drive" / "proposals.coco.json").read_text())
    (track,), (written_track,) = report["track_summaries"], coco["tracks"]
    assert report["tracks"] == 1
    assert track["track_id"] == written_track["id"] == 1
    assert track["first_frame_index"] == 150, "frames before it was believed are there too"
    assert track["on_road"] > 0.8
    assert track["growth_per_second"] > 0.2
    assert track["stability"] > 0.7
    for key in ("first_seconds", "last_seconds", "peak_score", "on_road", "stability"):
        assert written_track[key] == pytest.approx(track[key], abs=1e-6)


@pytest.mark.parametrize(
    ("options", "tracks"),
    [(("--min-peak", 0.999), 0), (("--on-road", 0.5), 1), (("--min-duration", 30), 0)],
)
def test_things_can_be_left_out(options: tuple[object, ...], tracks: int, tmp_path: Path) -> None:
    assert report_of(SAMPLE, tmp_path, *NEAR, *options)["tracks"] == tracks


@pytest.mark.parametrize(
    "options",
    [("--motion", "none"), ("--smoother", "median"), ("--every", 0.5)],
)
def test_the_obstacle_is_found_however_it_is_followed(
    options: tuple[object, ...], tmp_path: Path
) -> None:
    tracks = report_of(SAMPLE, tmp_path, *NEAR, *options)["track_summaries"]
    spans = [track["last_seconds"] - track["first_seconds"] for track in tracks]
    assert max(spans) > 1.4, "one id from beginning to end"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--motion", "dsi"), "no motion plugin called 'dsi'; did you mean 'dis'?"),
        (("--smoother", "flwo"), "no smoother plugin called 'flwo'; did you mean 'flow'?"),
        (("--on-road", "2"), "proposals.on_road must lie in 0..1, got 2"),
    ],
)
def test_what_makes_no_sense_is_refused(options: tuple[str, ...], message: str) -> None:
    result = CliRunner().invoke(app, ["annotate", str(SAMPLE), *options])
    assert result.exit_code == 1
    assert message in result.stderr
