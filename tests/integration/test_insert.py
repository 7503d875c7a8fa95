from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from commands import SAMPLE, shown_at
from drives import loaded_coco
from mmras_cli.main import app
from mmras_stream.types import Image


def insert(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["insert", *(str(a) for a in arguments)])
    assert result.exit_code == code, result.output
    return result.output


def pictures(path: Path) -> list[Image]:
    with av.open(str(path)) as container:
        return [
            np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            for frame in container.decode(video=0)
        ]


def cut(path: Path, begin: int, end: int) -> Path:
    """Write a part of the sample drive, its times uneven."""
    with av.open(str(SAMPLE)) as source, av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "12"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number, frame in enumerate(source.decode(video=0)):
            if begin <= number < end:
                frame.pts = 40 * (number - begin) + 7 * (number % 3)
                frame.time_base = Fraction(1, 1000)
                out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cut(tmp_path_factory.mktemp("clip") / "clip.mp4", 40, 80)


@pytest.fixture(scope="module")
def made(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made")
    report = json.loads(insert(clip, "--out", out, "--seed", 3, "--objects", 3, "--json"))
    assert report["objects"] >= 1
    assert report["frames"] == 40
    return out


def test_every_frame_keeps_its_time_and_has_its_truth(clip: Path, made: Path) -> None:
    coco = loaded_coco(made / "clip.coco.json")
    times = shown_at(made / "clip.mp4")
    assert times == shown_at(clip)
    assert [image["timestamp"] for image in coco.dataset["images"]] == pytest.approx(
        [float(time) for time in times]
    )
    assert coco.dataset["videos"][0]["length"] == 40
    assert {a["track_id"] for a in coco.dataset["annotations"]} == {
        track["id"] for track in coco.dataset["tracks"]
    }


def test_what_comes_back_from_the_video_differs_where_the_truth_says(
    clip: Path, made: Path
) -> None:
    coco = loaded_coco(made / "clip.coco.json")
    before, after = pictures(clip), pictures(made / "clip.mp4")
    ranks = []
    for image in coco.dataset["images"]:
        index = image["frame_id"]
        change = np.abs(after[index].astype(int) - before[index]).mean(axis=2)
        truth = np.zeros(change.shape, bool)
        for annotation in coco.imgToAnns[image["id"]]:
            truth |= coco.annToMask(annotation).astype(bool)
        assert np.median(change[~truth]) < 4
        if truth.sum() > 200:
            ranks.append((change[truth] > 12).mean())
    assert np.mean(ranks) > 0.7


def test_the_same_seed_makes_the_same_truth(clip: Path, made: Path, tmp_path: Path) -> None:
    insert(clip, "--out", tmp_path, "--seed", 3, "--objects", 3, "--quiet")
    for name in ("clip.coco.json", "clip.settings.json"):
        assert (tmp_path / name).read_text() == (made / name).read_text()
    for one, other in zip(
        pictures(tmp_path / "clip.mp4"), pictures(made / "clip.mp4"), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_earlier_files_are_kept_unless_told_otherwise(clip: Path, made: Path) -> None:
    assert "exists already; give --overwrite" in insert(clip, "--out", made, code=1)


def test_a_clip_is_not_replaced_by_its_own_copy(clip: Path) -> None:
    said = insert(clip, "--out", clip.parent, "--overwrite", code=1)
    assert "would be overwritten by its own copy" in said


def test_a_clip_of_a_few_frames_is_refused(tmp_path: Path) -> None:
    short = cut(tmp_path / "short.mp4", 0, 4)
    said = insert(short, "--out", tmp_path / "out", code=1)
    assert "has 4 frames, too few to place anything" in said


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "no.mp4").write_bytes(b"no video")
    assert "no.mp4" in insert(tmp_path / "no.mp4", "--out", tmp_path / "out", code=1)


def test_an_unknown_kind_of_thing_is_refused(clip: Path, tmp_path: Path) -> None:
    said = insert(clip, "--out", tmp_path / "out", "--kinds", "chair,ballon", code=1)
    assert "no kind of thing called 'ballon'; did you mean 'ball'?" in said


def test_a_folder_without_cutouts_is_refused(clip: Path, tmp_path: Path) -> None:
    said = insert(clip, "--out", tmp_path / "out", "--cutouts", tmp_path, code=1)
    assert "holds no PNG with an alpha channel" in said
