from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch

from mmras_stream.errors import DataError
from mmras_stream.evaluation.drives import read_truth
from mmras_stream.types import ColourMatrix, Frame, PixelFormat
from moving import HEIGHT, WIDTH, Box, annotation, painted, write_labels

LEFT: Box = (10, 10, 20, 20)
RIGHT: Box = (20, 10, 20, 20)

LUMA = torch.zeros((HEIGHT, WIDTH), dtype=torch.uint8)
FRAME = Frame(
    0, 0, Fraction(1, 25), (LUMA, LUMA, LUMA), PixelFormat(ColourMatrix.BT601, full_range=False)
)


def labelled(path: Path, *annotations: dict[str, Any], length: int | None = None) -> Path:
    image = {"id": 7, "frame_id": 0, "height": HEIGHT, "width": WIDTH}
    write_labels(path, [image], list(annotations), length=length)
    return path


def test_what_is_sure_wins_over_what_is_ignored(tmp_path: Path) -> None:
    path = labelled(
        tmp_path / "x.json",
        annotation(1, 7, RIGHT, iscrowd=1),
        annotation(2, 7, LEFT, track_id=3),
    )
    truth = read_truth(path).at(FRAME)
    assert (truth.things[3] == painted(LEFT)).all()
    assert (truth.ignored == (painted(RIGHT) & ~painted(LEFT))).all()
    assert (truth.labels == 1).sum() == 400
    assert (truth.labels == 255).sum() == 200


def test_parts_of_one_track_are_one_thing_and_ids_may_stand_among_attributes(
    tmp_path: Path,
) -> None:
    path = labelled(
        tmp_path / "x.json",
        annotation(1, 7, LEFT, attributes={"track_id": 3}),
        annotation(2, 7, RIGHT, track_id=3),
        annotation(3, 7, RIGHT, track_id=4),
    )
    things = read_truth(path).at(FRAME).things
    assert things.keys() == {3, 4}
    assert (things[3] == (painted(LEFT) | painted(RIGHT))).all()
    assert (things[4] == painted(RIGHT)).all()


def test_labels_speak_for_as_many_frames_as_they_say_or_list(tmp_path: Path) -> None:
    path = labelled(tmp_path / "x.json", annotation(1, 7, LEFT, track_id=3), length=9)
    assert read_truth(path).length == 9
    assert read_truth(path).at(replace(FRAME, index=5)).things == {}
    assert read_truth(labelled(path)).length == 1


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    broken = annotation(1, 7, LEFT, track_id=3) | {"segmentation": {"size": [2, 2], "counts": "04"}}
    truth = read_truth(labelled(tmp_path / "x.json", broken))
    with pytest.raises(DataError, match=r"x.json: annotation 1 has a mask of 2x2, its picture"):
        truth.at(FRAME)
