from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import numpy.typing as npt
import torch

from mmras_stream.export.key_frames import Candidate, KeyFrames, candidate
from mmras_stream.types import ColourMatrix, Frame, PixelFormat, Proposal, Rle

GREY = PixelFormat(ColourMatrix.BT709, full_range=True)
BOX = (10, 10, 40, 30)


def frame_of(luma: npt.NDArray[np.uint8]) -> Frame:
    chroma = torch.full((luma.shape[0] // 2, luma.shape[1] // 2), 128, dtype=torch.uint8)
    return Frame(0, 0, Fraction(1, 25), (torch.from_numpy(luma), chroma, chroma), GREY)


def proposal(*, box: tuple[int, int, int, int] = BOX, score: float = 0.8) -> Proposal:
    return Proposal(0, 0, box, box[2] * box[3], Rle((64, 96), ""), score, track_id=1)


def look(
    position: int,
    *,
    seconds: float,
    quality: float = 1.0,
    box: tuple[int, int, int, int] = BOX,
    level: float = 100.0,
) -> Candidate:
    return Candidate(position, seconds, quality, box, np.full((16, 16), level, np.float32))


def test_sharp_large_and_sure_looks_are_better() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 96), np.uint8)
    blurred = np.asarray(cv2.GaussianBlur(noise, (0, 0), 2), np.uint8)
    sharp = candidate(proposal(), frame_of(noise), position=0)
    assert candidate(proposal(), frame_of(blurred), position=0).quality < sharp.quality
    unsure = candidate(proposal(score=0.4), frame_of(noise), position=0)
    assert unsure.quality == sharp.quality / 2
    small = candidate(proposal(box=(10, 10, 20, 15)), frame_of(noise), position=0)
    assert small.quality < sharp.quality


def test_a_thing_that_stands_still_before_a_standing_car_is_kept_once() -> None:
    kept = KeyFrames(limit=3)
    assert kept.offer(1, look(0, seconds=0.0))
    assert not kept.offer(1, look(30, seconds=3.0, level=101))
    assert kept.positions == {0}
    assert kept.offer(1, look(60, seconds=6.0, level=130))  # it looks different now
    assert kept.offer(1, look(90, seconds=9.0, box=(40, 30, 40, 30)))  # it is elsewhere
    assert kept.positions == {0, 60, 90}


def test_a_much_better_look_takes_the_place_of_one_nearby() -> None:
    kept = KeyFrames(limit=3)
    kept.offer(1, look(0, seconds=0.0))
    assert not kept.offer(1, look(1, seconds=0.04, quality=1.1, level=200))
    assert kept.offer(1, look(2, seconds=0.08, quality=1.3, level=200))
    assert kept.positions == {2}


def test_the_worst_look_makes_room_and_things_do_not_compete() -> None:
    kept = KeyFrames(limit=2)
    for position, quality in enumerate((2.0, 1.0, 3.0)):
        kept.offer(1, look(position, seconds=position, quality=quality, level=50 * position))
    kept.offer(2, look(9, seconds=2.5, quality=0.1))
    assert kept.positions == {0, 2, 9}


def test_things_out_of_sight_are_given_up() -> None:
    kept = KeyFrames(limit=2)
    kept.offer(1, look(0, seconds=0.0))
    kept.offer(2, look(4, seconds=4.0))
    assert [[pick.position for pick in picks] for picks in kept.gone(6.0)] == [[0]]
    assert [[pick.position for pick in picks] for picks in kept.all()] == [[4]]
    assert not kept.positions
