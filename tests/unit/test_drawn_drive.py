"""Whole drawn drives: what hides comes back with its id, and a cut changes everything."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from mmras_stream.synthetic.drive import DriveFrame, DriveSettings, draw_drive

SMALL = DriveSettings(
    height=144, width=256, seed=3, frame_rate=Fraction(5), shots=2, shot_seconds=6.0
)


@pytest.fixture(scope="module")
def drive() -> list[DriveFrame]:
    return list(draw_drive(SMALL))


def test_a_drive_has_its_shots_and_each_its_own_things(drive: list[DriveFrame]) -> None:
    assert [frame.index for frame in drive] == list(range(60))
    assert [frame.shot for frame in drive] == [0] * 30 + [1] * 30
    first, second = ({int(i) for f in half for i in np.unique(f.ids)} - {0}
                     for half in (drive[:30], drive[30:]))  # fmt: skip
    assert first <= {1, 2, 3, 4}
    assert second <= {5, 6, 7, 8}
    assert len(first) >= 3
    cut = np.abs(drive[29].image.astype(int) - drive[30].image).mean()
    assert cut > 2 * np.abs(drive[28].image.astype(int) - drive[29].image).mean()


def test_what_a_car_hides_comes_back_with_the_same_id(drive: list[DriveFrame]) -> None:
    seen = np.array([(frame.ids == 2).sum() for frame in drive[:30]])
    hidden = np.flatnonzero(seen[8:22] == 0) + 8
    assert hidden.size, seen
    assert seen[: hidden[0]].max() > 0
    assert seen[hidden[-1] + 1 :].max() > 0


def test_the_same_seed_draws_the_same_drive(drive: list[DriveFrame]) -> None:
    again = next(draw_drive(SMALL))
    np.testing.assert_array_equal(again.image, drive[0].image)
    np.testing.assert_array_equal(again.ids, drive[0].ids)


def test_a_drive_shows_the_kinds_asked_for() -> None:
    frame = next(draw_drive(replace(SMALL, kinds=("ball", "chair"))))
    assert sorted(frame.kinds.values()) == ["ball", "ball", "ball", "chair"]


def test_rain_veils_the_picture_and_leaves_the_truth() -> None:
    dry, wet = (next(draw_drive(replace(SMALL, rain=rain))) for rain in (0.0, 1.0))
    np.testing.assert_array_equal(dry.ids, wet.ids)
    assert wet.image.std() < 0.95 * dry.image.std()


def test_impossible_drives_are_refused() -> None:
    with pytest.raises(ValueError, match=r"rain must lie in 0\.\.1, got 2"):
        DriveSettings(rain=2.0)
    with pytest.raises(ValueError, match=r"shots must lie in 1\.\.60, got 0"):
        DriveSettings(shots=0)
