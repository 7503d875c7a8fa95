from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from labelled import HEIGHT, WIDTH, coco_file, labelled_folder, mask, picture, save
from mmras_stream.errors import DataError
from mmras_stream.evaluation.datasets import Layout, Split, open_split

SIZE = (HEIGHT, WIDTH)


def read_all(split: Split) -> list[list[int]]:
    """Return the labels that each sample holds."""
    return [np.unique(sample.labels(SIZE)).tolist() for sample in split.samples]


def test_pictures_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    split = open_split(labelled_folder(tmp_path / "any name", 11))
    assert (split.layout, split.name) == (Layout.VALIDATION, "any name")
    assert [sample.name for sample in split.samples] == [str(number) for number in range(11)]


def test_the_two_of_road_anomaly_is_an_anomaly(tmp_path: Path) -> None:
    split = open_split(labelled_folder(tmp_path / "set", 1, label=2))
    assert read_all(split) == [[0, 1, 255]]


def test_segment_me_if_you_can_is_recognised_and_its_test_pictures_are_left_out(
    tmp_path: Path,
) -> None:
    folder = labelled_folder(tmp_path / "dataset_AnomalyTrack", 1, suffix="_labels_semantic")
    assert open_split(folder).layout is Layout.SMIYC
    save(folder / "images" / "validation0.jpg", picture())
    save(folder / "labels_masks" / "validation0_labels_semantic.png", mask())
    save(folder / "labels_masks" / "validation0_labels_semantic_color.png", picture())
    assert [sample.name for sample in open_split(folder).samples] == ["validation0"]


def test_polygons_runs_and_crowds_of_a_coco_file_become_labels(tmp_path: Path) -> None:
    names = ["b.jpg", "a.jpg"]
    for name in names:
        save(tmp_path / name, picture())
    gt = tmp_path / "gt.json"
    box = [[10, 10, 20, 10, 20, 20, 10, 20]]
    runs = {"size": [HEIGHT, WIDTH], "counts": [5, 10, HEIGHT * WIDTH - 15]}
    for shape, crowd, expected in ((box, 0, 100), (runs, 0, 10), (runs, 1, 255 * 10)):
        coco_file(gt, names, segmentation=shape, iscrowd=crowd)
        split = open_split(tmp_path, gt=gt)
        assert split.layout is Layout.COCO
        assert [sample.name for sample in split.samples] == ["a", "b"]
        assert [int(s.labels(SIZE).sum()) for s in split.samples] == [0, expected]


def test_a_drive_has_masks_named_by_frame(tmp_path: Path) -> None:
    (tmp_path / "drive.mp4").touch()
    (tmp_path / "labels_masks").mkdir()
    for index in (120, 7):
        save(tmp_path / "labels_masks" / f"cow2_{index:04d}.png", mask())
    for split in (
        open_split(tmp_path),
        open_split(tmp_path / "drive.mp4", gt=tmp_path / "labels_masks"),
    ):
        assert (split.layout, split.name) == (Layout.DRIVE, "drive")
        assert [sample.frame_index for sample in split.samples] == [7, 120]


def test_a_layout_can_be_forced(tmp_path: Path) -> None:
    folder = labelled_folder(tmp_path / "set", 1)
    save(folder / "labels_masks" / "0_labels_semantic.png", mask())
    with pytest.raises(DataError, match=r"mixes layouts: .* 0_labels_semantic.png, .* 0.png; give"):
        open_split(folder)
    assert open_split(folder, layout="smiyc").samples[0].gt.name == "0_labels_semantic.png"
    assert open_split(folder, layout="validation").samples[0].gt.name == "0.png"
    with pytest.raises(DataError, match="no layout called 'smic'; known: auto, validation, smiyc"):
        open_split(folder, layout="smic")


def test_pictures_and_a_drive_are_mixed_layouts(tmp_path: Path) -> None:
    folder = labelled_folder(tmp_path / "set", 1)
    (folder / "drive.mp4").touch()
    with pytest.raises(DataError, match=r"holds images/ and the drive drive.mp4; give --layout"):
        open_split(folder)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is nothing at .*absent"):
        open_split(tmp_path / "absent")
    with pytest.raises(DataError, match=r"has no images/; it must hold images/ and labels_masks/"):
        open_split(tmp_path)
    folder = labelled_folder(tmp_path / "set", 2)
    (folder / "labels_masks" / "1.png").unlink()
    with pytest.raises(DataError, match=r"1.jpg has no mask at .*1.png"):
        open_split(folder)
    (folder / "labels_masks" / "1.png").touch()
    save(folder / "images" / "1.png", picture())
    with pytest.raises(DataError, match="images holds 2 pictures called 1"):
        open_split(folder)
    empty = labelled_folder(tmp_path / "empty", 0)
    with pytest.raises(DataError, match=r"images holds no picture"):
        open_split(empty)


def test_a_mask_that_does_not_fit_is_named(tmp_path: Path) -> None:
    folder = labelled_folder(tmp_path / "set", 1)
    (sample,) = open_split(folder).samples
    with pytest.raises(DataError, match=r"0.png is 96x64, its picture is 10x20; they must be eq"):
        sample.labels((20, 10))
    save(sample.gt, np.full(SIZE, 7, np.uint8))
    with pytest.raises(DataError, match=r"0.png holds the label 7; labels are 0, 1, 2 and 255"):
        sample.labels(SIZE)
    save(sample.gt, picture())
    with pytest.raises(DataError, match=r"0.png has 3 channels; a mask of labels has one"):
        sample.labels(SIZE)
    sample.gt.write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"cannot read .*0.png as a picture of 8 bits"):
        sample.labels(SIZE)


def test_a_coco_file_that_does_not_fit_is_named(tmp_path: Path) -> None:
    gt = coco_file(tmp_path / "gt.json", ["a.jpg"], segmentation="none")
    with pytest.raises(DataError, match=r"names the picture a.jpg, which is not in"):
        open_split(tmp_path, gt=gt)
    save(tmp_path / "a.jpg", picture())
    (sample,) = open_split(tmp_path, gt=gt).samples
    with pytest.raises(DataError, match=r"annotation 1 has no polygon or RLE as segmentation"):
        sample.labels(SIZE)
    with pytest.raises(DataError, match=r"says that a.jpg is 96x64, it is 10x20"):
        sample.labels((20, 10))
    gt.write_text("[]")
    with pytest.raises(DataError, match=r"gt.json is no COCO file of images and annotations"):
        open_split(tmp_path, gt=gt)
    gt.write_text('{"images": [], "annotations": []}')
    with pytest.raises(DataError, match=r"gt.json names no picture"):
        open_split(tmp_path, gt=gt)
    with pytest.raises(DataError, match="the layout coco needs a file of labels, as in --gt"):
        open_split(tmp_path, layout="coco")


def test_a_drive_without_usable_masks_is_refused(tmp_path: Path) -> None:
    drive, masks = tmp_path / "drive.mp4", tmp_path / "masks"
    drive.touch()
    masks.mkdir()
    with pytest.raises(DataError, match=r"drive drive.mp4 needs a folder of masks named by frame"):
        open_split(drive)
    with pytest.raises(DataError, match="masks holds no mask"):
        open_split(drive, gt=masks)
    save(masks / "cow.png", mask())
    with pytest.raises(DataError, match=r"cow.png has no frame number in its name"):
        open_split(drive, gt=masks)
    save(masks / "cow.png", mask()).rename(masks / "a_3.png")
    save(masks / "b_03.png", mask())
    with pytest.raises(DataError, match=r"a_3.png and b_03.png are both of one frame"):
        open_split(drive, gt=masks)
