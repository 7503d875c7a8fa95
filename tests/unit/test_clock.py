from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmras_stream.video.clock import Clock
from mmras_stream.video.defects import Defects

MILLISECOND = Fraction(1, 1000)


def run(times: list[int | None], *, dts: list[int | None] | None = None) -> tuple[list[int], str]:
    """Return the repaired times at 25 frames a second, in milliseconds, and the faults."""
    defects = Defects()
    clock = Clock(time_base=MILLISECOND, frame_rate=Fraction(25), defects=defects)
    ticks = [clock.tick(a, b) for a, b in zip(times, dts or [None] * len(times), strict=True)]
    return ticks, "; ".join(defects.sentences())


def test_good_times_are_left_alone() -> None:
    assert run([-80, -40, 3, 7, 900]) == ([-80, -40, 3, 7, 900], "")


def test_a_repeated_or_backward_time_moves_to_the_next_tick() -> None:
    ticks, faults = run([0, 40, 40, 30, 80])
    assert ticks == [0, 40, 41, 42, 80]
    assert faults == "2 frames did not come after the frame before and moved to the next tick"


def test_without_any_time_frames_follow_at_the_frame_rate() -> None:
    ticks, faults = run([None, None, None])
    assert ticks == [0, 40, 80]
    assert faults.startswith("3 frames had no presentation time")


def test_the_decoding_time_stands_in_and_the_emptied_decoder_continues_it() -> None:
    assert run([None] * 4, dts=[80, 120, None, None]) == ([80, 120, 160, 200], "")


def test_a_gap_is_told_with_its_place() -> None:
    ticks, faults = run([0, 40, 2540, 2580])
    assert ticks == [0, 40, 2540, 2580]
    assert faults == "1 gap in time without frames (first of 2.5 s at 0.0 s)"


def test_joined_recordings_continue_where_the_first_ended() -> None:
    ticks, faults = run([5000, 5040, 0, 40, 80])
    assert ticks == [5000, 5040, 5080, 5120, 5160]
    assert faults == "1 place where time starts over; it was continued (first after 5.0 s)"


def test_one_wrong_time_does_not_shift_all_that_follow() -> None:
    ticks, _ = run([5000, 5040, 3, 5120, 5160])
    assert ticks == [5000, 5040, 5080, 5120, 5160]


@pytest.mark.parametrize("rate", [Fraction(0), Fraction(1000), Fraction(10**6)])
def test_a_step_is_at_least_one_tick(rate: Fraction) -> None:
    clock = Clock(time_base=MILLISECOND, frame_rate=rate, defects=Defects())
    assert clock.tick(None, None) < clock.tick(None, None)


time = st.none() | st.integers(-(2**40), 2**40)


@given(st.lists(st.tuples(time, time), max_size=40))
def test_times_increase_whatever_the_file_says(pairs: list[tuple[int | None, int | None]]) -> None:
    ticks, _ = run([pts for pts, _ in pairs], dts=[dts for _, dts in pairs])
    assert ticks == sorted(set(ticks))
