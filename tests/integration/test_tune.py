from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest
from typer.testing import CliRunner

from commands import annotate
from mmras_cli.main import app
from mmras_stream.models.checkpoint import read_card, weights_path
from reviewing import DrawnDrive, delete_what_is_wrong, draw, find
from reviews import annotation, compressed, square, write_coco, write_pictures

THRESHOLD = 0.5
"""Low enough that the built-in weights find drawn cars strange."""

SHORT = {"steps = 120": "steps = 60", "steps = 240": "steps = 120"}
"""Of the recipe; with fewer steps, or a faster rate, what is learnt is mostly chance."""


@pytest.fixture
def short_recipe(tmp_path: Path) -> Path:
    text = (files("mmras_stream.training") / "recipes" / "tuning.toml").read_text("utf-8")
    for before, after in SHORT.items():
        assert before in text
        text = text.replace(before, after)
    path = tmp_path / "short.toml"
    path.write_text(text)
    return path


def train(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["train", *(str(a) for a in arguments)])
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.stderr


def review(drives: list[DrawnDrive], out: Path) -> list[object]:
    """Annotate, delete what is wrong, and return the options that hand it in."""
    options: list[object] = []
    kept = gone = 0
    for drive in drives:
        annotate(
            *(drive.path, "--out", out, "--threshold", THRESHOLD, "--exporters", "frames", "-q")
        )
        folder = out / drive.path.stem
        before, reviewed = folder / "keyframes.coco.json", folder / "reviewed.json"
        right, wrong = delete_what_is_wrong(drive, before, reviewed)
        kept, gone = kept + right, gone + wrong
        options += ["--coco", reviewed, "--proposals", before]
    assert kept
    assert gone
    return options


@pytest.mark.timeout(900)
def test_what_a_person_rejects_on_some_drives_is_not_proposed_on_others(
    tmp_path: Path, short_recipe: Path
) -> None:
    learnt = [draw(tmp_path / f"{seed}.mp4", seed, rate=5) for seed in (101, 102, 104)]
    others = [draw(tmp_path / f"{seed}.mp4", seed, rate=5) for seed in (202, 203, 204)]
    options = review(learnt, tmp_path / "annotated")
    tuned = tmp_path / "tuned.safetensors"
    train(short_recipe, "--from", "embedded", *options, "--out", tuned, "-q")
    before, after = (find(others, weights, THRESHOLD) for weights in ("embedded", str(tuned)))
    assert before.obstacles == len(others)
    assert after.obstacles == before.obstacles
    assert after.obstacle_frames >= 0.85 * before.obstacle_frames
    assert after.false_tracks < before.false_tracks


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_shipped_recipe_finds_more_of_the_obstacles_with_fewer_false_tracks(
    tmp_path: Path,
) -> None:
    learnt = [draw(tmp_path / f"{n}.mp4", n) for n in (100, 101, 102, 104, 107, 109)]
    others = [draw(tmp_path / f"{n}.mp4", n) for n in (*range(201, 207), *range(301, 309))]
    tuned = tmp_path / "tuned.safetensors"
    options = review(learnt, tmp_path / "annotated")
    train("--from", "embedded", *options, "--out", tuned, "-q")
    card = read_card(tuned)
    assert card.threshold is not None
    for threshold in (THRESHOLD, card.threshold):
        before, after = (find(others, one, threshold) for one in ("embedded", str(tuned)))
        assert after.obstacles >= before.obstacles
        assert after.obstacle_frames > before.obstacle_frames
        assert after.false_tracks < 0.5 * before.false_tracks


@pytest.fixture
def reviewed(tmp_path: Path) -> Path:
    """One picture with an accepted and a rejected proposal."""
    write_pictures(tmp_path, "000001.jpg")
    regions = [
        annotation(compressed(square(10, 40))),
        annotation(compressed(square(80, 40)), category_id=2),
    ]
    return write_coco(tmp_path / "reviewed.json", regions)


def test_one_reviewed_file_is_enough_and_the_threshold_stays(
    tmp_path: Path, reviewed: Path, short_recipe: Path
) -> None:
    text = short_recipe.read_text()
    for name, few in (("steps", 60), ("steps", 120), ("scenes", 24)):
        text = text.replace(f"{name} = {few}", f"{name} = 1")
    short_recipe.write_text(text)
    out = tmp_path / "tuned.safetensors"
    shown = train(short_recipe, "--from", "embedded", "--coco", reviewed, "-o", out, "--json")
    before = read_card(weights_path("embedded"))
    assert json.loads(shown)["threshold"] == before.threshold
    card = read_card(out)
    assert card.calibration["kept_from"] == before.sha256
    assert card.provenance["start"] == before.sha256
    assert card.recipe["reviewed"][0]["coco"] == reviewed.as_posix()
    assert card.recipe["sources"] == []


def test_tuning_with_data_rehearses_the_sources_of_the_recipe(
    tmp_path: Path, reviewed: Path
) -> None:
    command = ("--from", "embedded", "--coco", reviewed, "-o", tmp_path / "w.safetensors")
    message = train(*command, "--data", tmp_path, code=1)
    assert "source 'idd_lite': no folder" in message


def test_tuning_asks_for_what_it_needs(tmp_path: Path, reviewed: Path) -> None:
    out = ("-o", tmp_path / "w.safetensors")
    assert "--coco tunes weights; say which, as in --from embedded" in train(
        "--coco", reviewed, *out, code=1
    )
    assert "no recipe; give one, such as 'embedded', or --coco" in train(*out, code=1)
    assert "--data is missing: the folder that" in train("embedded", *out, code=1)
    assert "--proposals and --images belong to --coco" in train(
        "embedded", "--images", tmp_path, *out, code=1
    )
    twice = ("--coco", reviewed, "--coco", reviewed, "--proposals", reviewed)
    assert "2 --coco and 1 --proposals; give one for each" in train(
        *twice, "--from", "embedded", *out, code=1
    )


def test_a_review_that_cannot_be_used_is_one_line(tmp_path: Path, reviewed: Path) -> None:
    (tmp_path / "000001.jpg").unlink()
    command = ("--from", "embedded", "--coco", reviewed, "-o", tmp_path / "w.safetensors")
    (line,) = train(*command, code=1).splitlines()
    assert "no picture 000001.jpg in" in line
    assert "--images FOLDER" in line
