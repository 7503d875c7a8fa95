"""Results wait until it is known what is believed; they stay in order and few."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from drives import made_result
from mmras_stream.motion import Motion
from mmras_stream.settings import ProposalSettings, TemporalSettings
from mmras_stream.temporal import looking_back
from mmras_stream.temporal.looking_back import LookBack
from mmras_stream.types import FrameResult, Proposal


@dataclass
class Sight:
    proposal: Proposal
    track_id: int | None = None


def bare(index: int) -> FrameResult:
    return replace(made_result(index), proposals=())


def waiting_for(seconds: float) -> LookBack:
    return LookBack(TemporalSettings(look_back_seconds=seconds), ProposalSettings())


def indices(results: list[FrameResult]) -> list[int]:
    return [result.frame.index for result in results]


def test_results_come_in_order_and_late_by_the_time_asked_for() -> None:
    look_back = waiting_for(0.1)
    given = [indices(list(look_back.add(bare(i), [], Motion()))) for i in range(6)]
    assert given == [[], [], [], [0], [1], [2]]  # 3 frames of 1001/30000 s are 0.1001 s
    assert indices(list(look_back.rest())) == [3, 4, 5]


def test_nothing_waits_where_no_time_is_given() -> None:
    look_back = waiting_for(0.0)
    assert [indices(list(look_back.add(bare(i), [], Motion()))) for i in range(3)] == [
        [0],
        [1],
        [2],
    ]


def test_an_id_that_comes_later_is_on_the_frames_that_wait() -> None:
    look_back, (proposal,) = waiting_for(1.0), made_result(0, (1, 3, 0.9)).proposals
    proposal = replace(proposal, track_id=None)
    early, never, late = Sight(proposal), Sight(proposal), Sight(proposal)
    list(look_back.add(bare(0), [early, never], Motion()))
    list(look_back.add(bare(1), [late], Motion()))
    early.track_id = late.track_id = 4
    assert [[p.track_id for p in r.proposals] for r in look_back.rest()] == [[4], [4]]


def test_time_that_goes_backwards_lets_everything_go() -> None:
    look_back = waiting_for(10.0)
    list(look_back.add(bare(500), [], Motion()))
    assert indices(list(look_back.add(bare(3), [], Motion()))) == [500]
    assert indices(list(look_back.rest())) == [3]


def test_pictures_that_wait_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    size = sum(plane.nbytes for plane in bare(0).frame.planes)
    monkeypatch.setattr(looking_back, "MOST_BYTES", 2 * size)
    look_back = waiting_for(1e9)
    given = [indices(list(look_back.add(bare(i), [], Motion()))) for i in range(4)]
    assert given == [[], [], [0], [1]]
