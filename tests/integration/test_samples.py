from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import pytest

from commands import SAMPLE, annotate, shown_at
from drives import loaded_coco

SAMPLES = SAMPLE.parent


def run(program: str, *arguments: object) -> str:
    command = [sys.executable, str(SAMPLES / program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last two seconds of the sample drive, where the obstacle is near."""
    path = tmp_path_factory.mktemp("short") / "short.mp4"
    with av.open(str(SAMPLE)) as source, av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for number, frame in enumerate(source.decode(video=0)):
            if 175 <= number < 225:
                frame.pts = number - 175
                frame.time_base = Fraction(1, 25)
                out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def test_scores_can_be_watched(short: Path) -> None:
    lines = run("watch_scores.py", short).splitlines()
    assert [line.split()[0] for line in lines] == ["0", "1"]


def test_finds_are_cut_out(short: Path, tmp_path: Path) -> None:
    out = run("cut_out_finds.py", short, tmp_path / "finds")
    assert int(out.split()[0]) == len(list((tmp_path / "finds").glob("thing-*.jpg"))) >= 1


def test_a_picture_is_scored(tmp_path: Path) -> None:
    with av.open(str(SAMPLE)) as container:
        rgb = next(container.decode(video=0)).to_ndarray(format="rgb24")
    cv2.imwrite(str(tmp_path / "street.png"), rgb[..., ::-1])
    assert "highest score" in run("score_a_picture.py", tmp_path / "street.png", tmp_path / "m.png")
    assert (tmp_path / "m.png").stat().st_size > 100


def test_an_own_smoother_takes_part(short: Path) -> None:
    assert run("own_smoother.py", short).endswith("proposals\n")


def test_proposals_are_listed(short: Path, tmp_path: Path) -> None:
    annotate(short, "--out", tmp_path, "--exporters", "coco", "--quiet")
    assert "thing 1:" in run("read_proposals.py", tmp_path / "short")


def test_drives_are_drawn_with_their_truth(tmp_path: Path) -> None:
    shown = run("draw_drives.py", tmp_path / "drawn", "--drives", 2, "--seconds", 0.4)
    assert shown.split() == [str(tmp_path / "drawn" / f"drawn-{i}.mp4") for i in (1, 2)]
    truth = loaded_coco(tmp_path / "drawn" / "drawn-2.coco.json").dataset
    assert [round(1000 * float(at)) for at in shown_at(tmp_path / "drawn" / "drawn-2.mp4")] == [
        round(1000 * image["timestamp"]) for image in truth["images"]
    ]
    assert len(truth["images"]) == 20
    assert {track["id"] for track in truth["tracks"]} <= set(range(1, 9))


@pytest.mark.parametrize("program", sorted(SAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_a_sample_fits_a_screen(program: Path) -> None:
    assert len(program.read_text().splitlines()) <= 60
