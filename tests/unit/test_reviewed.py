from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmras_stream.errors import DataError
from mmras_stream.training.recipe import Reviewed
from mmras_stream.training.reviewed import ReviewedPicture, read_review
from mmras_stream.types import Mask
from reviews import annotation, compressed, runs, square, write_coco, write_pictures

RIGHT, WRONG = square(10, 40), square(80, 40)


def read(folder: Path, *proposals: str) -> list[ReviewedPicture]:
    review = Reviewed("monday", "reviewed.json", ".", proposals=proposals)
    return list(read_review(review, folder))


def only(folder: Path, *annotations: dict[str, Any]) -> ReviewedPicture:
    write_pictures(folder, "000001.jpg")
    write_coco(folder / "reviewed.json", list(annotations))
    (picture,) = read(folder)
    return picture


def assert_masks(masks: tuple[Mask, ...], *expected: Mask) -> None:
    assert len(masks) == len(expected)
    for mask, wanted in zip(masks, expected, strict=True):
        np.testing.assert_array_equal(mask, wanted)


@pytest.mark.parametrize(
    "verdict",
    [
        {"category_id": 2},
        {"category_id": 4},
        {"attributes": {"review": "Rejected", "occluded": False}},
        {"review": "rejected"},
        {"attributes": {"accepted": False}},
        {"attributes": {"accepted": "false"}},
        {"attributes": {"rejected": True}},
        {"category_id": 4, "attributes": None},
    ],
)
def test_a_category_or_an_attribute_rejects(tmp_path: Path, verdict: dict[str, Any]) -> None:
    right, wrong = annotation(compressed(RIGHT)), annotation(compressed(WRONG), **verdict)
    picture = only(tmp_path, right, wrong)
    assert_masks(picture.accepted, RIGHT)
    assert_masks(picture.rejected, WRONG)


@pytest.mark.parametrize(
    "verdict", [{}, {"attributes": {"review": "accepted"}}, {"category_id": 2, "accepted": True}]
)
def test_what_stays_is_accepted_and_an_attribute_wins_over_the_category(
    tmp_path: Path, verdict: dict[str, Any]
) -> None:
    assert_masks(only(tmp_path, annotation(compressed(RIGHT), **verdict)).accepted, RIGHT)


def test_what_is_unsure_is_neither(tmp_path: Path) -> None:
    doubtful = annotation(compressed(WRONG), attributes={"review": "unsure"})
    picture = only(tmp_path, annotation(compressed(RIGHT)), doubtful)
    assert_masks(picture.unsure, WRONG)
    assert not picture.rejected


@pytest.mark.parametrize("marked", [{"attributes": {"retraced": True}}, {"retraced": "true"}])
def test_what_was_only_retraced_is_neither_accepted_nor_rejected(
    tmp_path: Path, marked: dict[str, Any]
) -> None:
    seen, retraced = annotation(compressed(RIGHT)), annotation(compressed(WRONG), **marked)
    picture = only(tmp_path, seen, retraced)
    assert_masks(picture.accepted, RIGHT)
    assert_masks(picture.unsure, WRONG)
    write_coco(tmp_path / "before.json", [seen, retraced])
    write_coco(tmp_path / "reviewed.json", [seen])
    (picture,) = read(tmp_path, "before.json")
    assert not picture.rejected
    assert not picture.unsure


def test_an_unknown_verdict_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"annotation 1 has the review 'meh'; it must be one of"):
        only(tmp_path, annotation(compressed(RIGHT), attributes={"review": "meh"}))
    with pytest.raises(DataError, match=r"annotation 1 has 'old' for retraced; it must be true"):
        only(tmp_path, annotation(compressed(RIGHT), attributes={"retraced": "old"}))
    with pytest.raises(DataError, match=r"annotation 1 has 'maybe' for accepted; it must be true"):
        only(tmp_path, annotation(compressed(RIGHT), accepted="maybe"))


def test_proposals_that_are_gone_since_were_rejected(tmp_path: Path) -> None:
    write_pictures(tmp_path, "frames/000001.jpg")
    before = [annotation(compressed(WRONG)), annotation(compressed(RIGHT))]
    write_coco(tmp_path / "keyframes.json", before, ("drive/frames/000001.jpg",))
    write_coco(tmp_path / "reviewed.json", [annotation(compressed(RIGHT))])  # ids are others now
    (picture,) = read(tmp_path, "keyframes.json")
    assert_masks(picture.accepted, RIGHT)
    assert_masks(picture.rejected, WRONG)


def test_a_corrected_mask_still_accepts_and_a_new_one_is_no_part_of_what_is_rejected(
    tmp_path: Path,
) -> None:
    write_pictures(tmp_path, "000001.jpg")
    before = [annotation(compressed(RIGHT)), annotation(compressed(WRONG))]
    write_coco(tmp_path / "keyframes.json", before)
    corrected, new = square(10, 46), square(80, 40, 6)
    after = [annotation(compressed(corrected)), annotation(compressed(new))]
    write_coco(tmp_path / "reviewed.json", after)
    (picture,) = read(tmp_path, "keyframes.json")
    assert_masks(picture.accepted, corrected, new)
    assert_masks(picture.rejected, WRONG & ~new)


def test_one_review_of_several_drives_takes_the_proposals_of_each(tmp_path: Path) -> None:
    names = ("a/frames/000001.jpg", "b/frames/000001.jpg")
    write_pictures(tmp_path, *names)
    write_coco(tmp_path / "a/keyframes.json", [annotation(compressed(WRONG))], names[:1])
    write_coco(tmp_path / "b/keyframes.json", [annotation(compressed(RIGHT))], names[1:])
    write_coco(tmp_path / "c/keyframes.json", [annotation(compressed(RIGHT))], ("c/000001.jpg",))
    write_coco(tmp_path / "reviewed.json", [annotation(compressed(RIGHT), image=2)], names)
    first, second = read(tmp_path, "a/keyframes.json", "b/keyframes.json", "c/keyframes.json")
    assert_masks(first.rejected, WRONG)
    assert_masks(second.accepted, RIGHT)
    assert not second.rejected


def test_pictures_that_the_reviewed_file_lacks_were_not_looked_at(tmp_path: Path) -> None:
    write_pictures(tmp_path, "000001.jpg", "000002.jpg")
    before = [annotation(compressed(WRONG), image=number) for number in (1, 2)]
    write_coco(tmp_path / "keyframes.json", before, ("000001.jpg", "000002.jpg"))
    write_coco(tmp_path / "reviewed.json", [], ("000002.jpg",))
    (picture,) = read(tmp_path, "keyframes.json")
    assert picture.path.name == "000002.jpg"
    assert_masks(picture.rejected, WRONG)


@pytest.mark.parametrize("write", [compressed, runs])
def test_runs_of_either_kind_keep_holes_even_where_they_say_crowd(
    tmp_path: Path, write: Any
) -> None:
    ring = square(10, 30, 30, hole=10)
    assert_masks(only(tmp_path, annotation(write(ring), iscrowd=1)).accepted, ring)


def test_polygons_are_drawn_each_part_of_them(tmp_path: Path) -> None:
    parts = [[10, 40, 30, 40, 30, 60, 10, 60], [80, 40, 100, 40, 100, 60, 80, 60]]
    assert_masks(only(tmp_path, annotation(parts)).accepted, RIGHT | WRONG)


def test_a_box_without_a_mask_is_the_proposal_that_lies_there(tmp_path: Path) -> None:
    write_pictures(tmp_path, "000001.jpg")
    ring = square(10, 30, 30, hole=10)
    write_coco(tmp_path / "keyframes.json", [annotation(compressed(ring))])
    write_coco(tmp_path / "reviewed.json", [annotation([], bbox=[11, 31, 29, 29])])
    (picture,) = read(tmp_path, "keyframes.json")
    assert_masks(picture.accepted, ring)
    with pytest.raises(DataError, match="annotation 1 has no mask; export masks or polygons"):
        read(tmp_path)


def test_a_picture_without_annotations_is_ordinary_throughout(tmp_path: Path) -> None:
    write_pictures(tmp_path, "000001.jpg", "000002.jpg")
    names = ("000001.jpg", "000002.jpg")
    write_coco(tmp_path / "reviewed.json", [annotation(compressed(RIGHT))], names)
    _, empty = read(tmp_path)
    assert [empty.accepted, empty.rejected, empty.unsure] == [(), (), ()]


@pytest.mark.parametrize(
    "name", ["b/frames/000001.jpg", "somewhere/b/frames/000001.jpg", "b\\frames\\000001.jpg"]
)
def test_a_picture_is_found_by_the_end_of_its_name(tmp_path: Path, name: str) -> None:
    write_pictures(tmp_path / "annotated", "a/frames/000001.jpg", "b/frames/000001.jpg")
    write_coco(tmp_path / "reviewed.json", [annotation(compressed(RIGHT))], (name,))
    (picture,) = read(tmp_path)
    assert picture.path == tmp_path / "annotated/b/frames/000001.jpg"


def test_names_that_may_mean_two_pictures_are_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path, "a/000001.jpg", "b/000001.jpg")
    write_coco(tmp_path / "reviewed.json", [annotation(compressed(RIGHT))])
    with pytest.raises(DataError, match=r"000001.jpg may be .*a/000001.jpg or .*b/000001.jpg"):
        read(tmp_path)


def test_one_picture_under_two_names_is_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path, "000001.jpg")
    names = ("a/000001.jpg", "000001.jpg")
    write_coco(tmp_path / "reviewed.json", [annotation(compressed(RIGHT))], names)
    with pytest.raises(DataError, match=r"a/000001.jpg and 000001.jpg are both"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "is no COCO file of images and annotations"),
        ("{", "is no COCO file of images and annotations"),
        ('{"images": [{"id": 1}], "annotations": []}', "is no COCO file .*'file_name'"),
        ('{"images": [], "annotations": []}', "lists no pictures"),
        ('{"images": [], "annotations": [{"id": 4, "image_id": 9}]}', "4 belongs to the picture 9"),
    ],
)
def test_a_file_that_is_no_review_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "reviewed.json").write_text(text)
    with pytest.raises(DataError, match=f"reviewed.json.*{message}"):
        read(tmp_path)


def test_a_review_without_a_verdict_says_what_may_be_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="accepts nothing and rejects nothing; if proposals were"):
        only(tmp_path)


def test_files_that_are_missing_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*reviewed.json: No such file"):
        read(tmp_path)
    write_coco(tmp_path / "reviewed.json", [annotation(compressed(RIGHT))])
    with pytest.raises(DataError, match=r"no picture 000001.jpg in .*, as in --images FOLDER"):
        read(tmp_path)
    with pytest.raises(DataError, match=r"review 'monday': no folder .*nowhere"):
        list(read_review(Reviewed("monday", "reviewed.json", "nowhere"), tmp_path))


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        (compressed(square(0, 0)[:50]), "annotation 1 has a mask of 128x50, its picture is 128x72"),
        (runs(square(0, 0)[:50]), "annotation 1 has a mask of 128x50, its picture is 128x72"),
        ("text", "annotation 1 has no polygon or RLE as segmentation"),
        ([[1, 2, 3, 4]], "annotation 1 has no polygon or RLE as segmentation"),
        ([["a"] * 6], "annotation 1 has no polygon or RLE as segmentation"),
        ({"size": [72, 128]}, "annotation 1 has no polygon or RLE as segmentation"),
    ],
)
def test_a_mask_that_cannot_be_used_is_named(
    tmp_path: Path, segmentation: object, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        only(tmp_path, annotation(segmentation))


def test_proposals_of_another_drive_or_size_are_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path, "000001.jpg", "000002.jpg")
    write_coco(tmp_path / "reviewed.json", [annotation(compressed(RIGHT))])
    write_coco(tmp_path / "other.json", [], ("000002.jpg",))
    with pytest.raises(DataError, match=r"other.json and .*reviewed.json have no picture in commo"):
        read(tmp_path, "other.json")
    larger = write_coco(tmp_path / "larger.json", [])
    larger.write_text(larger.read_text().replace('"width": 128', '"width": 256'))
    with pytest.raises(DataError, match=r"000001.jpg is 256x72, the reviewed file 128x72"):
        read(tmp_path, "larger.json")
