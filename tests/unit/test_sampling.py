from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmras_stream.settings import VideoSettings
from mmras_stream.video.sampling import select


def kept(times: list[float], **settings: float | int) -> list[float]:
    return list(select(times, VideoSettings(**settings), float))  # type: ignore[arg-type]  # int and float mixed


def at_rate(rate: float, count: int) -> list[float]:
    return [i / rate for i in range(count)]


def test_every_frame_is_kept_by_default() -> None:
    assert kept(at_rate(25, 10)) == at_rate(25, 10)


def test_the_start_is_inclusive_and_the_end_exclusive() -> None:
    assert kept([0, 1, 2, 3, 4], start_seconds=1, end_seconds=3) == [1, 2]


@pytest.mark.parametrize("rate", [10, 25, 30, 30000 / 1001, 1000 / 33])
def test_decimal_bounds_match_frames_that_binary_fractions_miss(rate: float) -> None:
    times = at_rate(rate, 50)
    for i in (1, 3, 7, 29):
        bound = round(times[i], 7)
        assert kept(times, start_seconds=bound)[0] == times[i]
        assert kept(times, end_seconds=bound)[-1] == times[i - 1]


def test_stride_counts_from_the_start() -> None:
    assert kept([0, 1, 2, 3, 4, 5, 6], start_seconds=1, stride=3) == [1, 4]


def test_the_first_frame_of_each_interval_is_kept() -> None:
    times = [0.0, 0.3, 0.6, 1.1, 1.2, 3.9, 4.0, 4.5]
    assert kept(times, every_seconds=1) == [0.0, 1.1, 3.9, 4.0]


def test_intervals_count_from_the_start() -> None:
    assert kept([0, 0.4, 0.9, 1.3, 1.5], start_seconds=0.4, every_seconds=0.5) == [0.4, 0.9, 1.5]


def test_tenths_of_a_second_at_thirty_frames_keep_every_third() -> None:
    times = at_rate(30, 3000)
    assert kept(times, every_seconds=0.1) == times[::3]


def test_nothing_is_read_past_the_end() -> None:
    def frames() -> Iterator[float]:
        yield from (0.0, 1.0, 2.0)
        pytest.fail("read past the end")

    assert list(select(frames(), VideoSettings(end_seconds=2), float)) == [0.0, 1.0]


def test_a_start_past_the_last_frame_keeps_nothing() -> None:
    assert kept([0, 1], start_seconds=5) == []


@given(
    gaps=st.lists(st.floats(0.001, 2), min_size=1, max_size=60),
    every=st.floats(0.01, 3),
)
def test_no_interval_keeps_two_frames_and_none_that_has_one_keeps_none(
    gaps: list[float], every: float
) -> None:
    times = [sum(gaps[:i]) for i in range(len(gaps))]
    intervals = [int((t + 1e-6) / every) for t in kept(times, every_seconds=every)]
    assert intervals == sorted({int((t + 1e-6) / every) for t in times})
