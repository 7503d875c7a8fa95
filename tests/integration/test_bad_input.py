"""What a user can get wrong, at the command line: one line, exit code 1, nothing lost."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from pycocotools.coco import COCO
from typer.testing import CliRunner

from clips import Clip, truncated, write
from commands import SAMPLE, annotate, shown_at
from mmras_cli.main import app

SMALL = ("--input-width", "64", "--quiet")


def refused(*arguments: object) -> str:
    """Run annotate, which must fail with one line, and return the line."""
    result = CliRunner().invoke(app, ["annotate", *(str(a) for a in arguments), *SMALL])
    assert result.exit_code == 1, result.output
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr


def report_of(folder: Path) -> dict[str, object]:
    report = json.loads((folder / "run.json").read_text())
    assert isinstance(report, dict)
    return report


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("text.mp4", b"dear diary, today", "it holds text, not video"),
        ("empty.mp4", b"", "the file is empty"),
        ("noise.mp4", bytes(range(256)) * 40, "cannot open"),
    ],
)
def test_a_file_that_is_no_video_is_refused(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    assert message in refused(tmp_path / name, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_header_only_and_sound_only_are_refused(tmp_path: Path) -> None:
    header = truncated(write(tmp_path / "header.mp4", Clip()), share=0.02)
    assert "moov" in refused(header, "--out", tmp_path / "out")
    folder = tmp_path / "empty folder"
    folder.mkdir()
    assert "it is a folder" in refused(folder, "--out", tmp_path / "out")


def test_a_recording_cut_off_in_the_middle_is_done_as_far_as_it_goes(tmp_path: Path) -> None:
    clip = truncated(write(tmp_path / "cut.mkv", Clip(frames=100)), share=0.5)
    annotate(clip, "--out", tmp_path / "out", *SMALL)
    report = report_of(tmp_path / "out" / "cut")
    frames = report["frames"]
    assert isinstance(frames, int)
    assert 10 < frames < 90
    assert "the file ends early" in str(report["warnings"])
    assert len(shown_at(tmp_path / "out" / "cut" / "overlay.mp4")) == frames


@pytest.mark.parametrize(
    ("width", "height", "frames"),
    [(2, 2, 4), (18, 34, 3), (63, 47, 3), (7680, 4320, 2), (64, 48, 1)],
)
def test_any_size_and_a_single_frame_are_annotated(
    width: int, height: int, frames: int, tmp_path: Path
) -> None:
    codec = "libx264" if width % 2 == 0 and height % 2 == 0 else "ffv1"
    pixel_format = "yuv420p" if codec == "libx264" else "yuv444p"
    clip = Clip(codec=codec, pixel_format=pixel_format, width=width, height=height, frames=frames)
    path = write(tmp_path / "clip.mkv", clip)
    annotate(path, "--out", tmp_path / "out", *SMALL)
    assert report_of(tmp_path / "out" / "clip")["frames"] == frames
    assert len(shown_at(tmp_path / "out" / "clip" / "overlay.mp4")) == frames


def test_one_pixel_is_annotated(tmp_path: Path) -> None:
    path = write(
        tmp_path / "dot.mkv",
        Clip(codec="ffv1", pixel_format="yuv444p", width=1, height=1, frames=3),
    )
    annotate(path, "--out", tmp_path / "out", *SMALL)
    COCO(str(tmp_path / "out" / "dot" / "proposals.coco.json"))
    assert len(shown_at(tmp_path / "out" / "dot" / "overlay.mp4")) == 3


def test_a_variable_frame_rate_is_kept(tmp_path: Path) -> None:
    pts = [0, 40, 90, 100, 400, 433, 1000]
    path = write(tmp_path / "vfr.mkv", Clip(frames=len(pts), pts=pts, b_frames=0))
    annotate(path, "--out", tmp_path / "out", *SMALL)
    expected = [Fraction(value, 1000) for value in pts]
    assert shown_at(tmp_path / "out" / "vfr" / "overlay.mp4") == expected


@pytest.mark.parametrize(
    "name",
    [
        "with blanks.mp4",
        'it\'s "quoted".mp4',
        "two\nlines.mp4",
        "mörder-牛.mp4",
        "...mp4",
        "-v.mp4",
    ],
)
def test_any_file_name_gives_a_folder_inside_the_output(name: str, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    path = write(source / "plain.mp4", Clip(frames=3)).rename(source / name)
    annotate(path, "--out", tmp_path / "out", *SMALL)
    (folder,) = (tmp_path / "out").iterdir()
    assert (folder / "overlay.mp4").is_file()
    assert "\n" not in folder.name
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out"]


def test_a_path_that_climbs_stays_inside_the_output(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    write(tmp_path / "drive.mp4", Clip(frames=3))
    annotate(tmp_path / "a" / ".." / "drive.mp4", "--out", tmp_path / "out", *SMALL)
    assert (tmp_path / "out" / "drive" / "run.json").is_file()


def test_an_output_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    assert "cannot write" in refused(SAMPLE, "--out", tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.skipif(os.name != "posix", reason="a limit on file size stands for a full disk")
def test_a_full_disk_is_one_line_and_spares_what_is_there(tmp_path: Path) -> None:
    annotate(SAMPLE, "--out", tmp_path, "--end", "0.2", *SMALL)
    before = (tmp_path / "drive" / "run.json").read_bytes()
    (tmp_path / "drive").rename(tmp_path / "earlier")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    command = [sys.executable, "-c", "from mmras_cli.main import run; run()", "annotate"]
    done = subprocess.run(
        [*command, str(SAMPLE), "--out", str(tmp_path), *SMALL],
        capture_output=True,
        text=True,
        preexec_fn=limit,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert "cannot write" in done.stderr
    assert (tmp_path / "earlier" / "run.json").read_bytes() == before


def test_weights_that_are_cut_short_or_foreign_are_refused(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(b"\x10" * 1000)
    assert "whole safetensors file" in refused(SAMPLE, "--out", tmp_path / "o", "--weights", cut)
    other = tmp_path / "other.safetensors"
    save_file({"x": torch.zeros(1)}, other)
    line = refused(SAMPLE, "--out", tmp_path / "o", "--weights", other)
    assert "holds another architecture" in line
