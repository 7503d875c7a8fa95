"""Things are proposed where they were visible before they were noticed, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from mmras_stream.motion import Cut, Motion
from mmras_stream.regions.rle import decode
from mmras_stream.settings import ProposalSettings, TemporalSettings
from mmras_stream.temporal.looking_back import LookBack
from mmras_stream.temporal.retracing import Waiting
from mmras_stream.types import AnomalyMap, FrameResult, Proposal
from moving_thing import Moving, agreement, proposal_of
from shaky_drive import frame_of

MOVING = Moving(side=40, growth=1.01)
LENGTH = 40
SEPARATE = 15
AS_SEEN = ProposalSettings(outline=False)


@dataclass
class Sight:
    proposal: Proposal
    track_id: int | None = 7


def results(
    seen: Collection[int],
    *,
    cut: int | None = None,
    temporal: TemporalSettings | None = None,
    proposals: ProposalSettings | None = None,
    others: tuple[Sight, ...] = (),
) -> list[FrameResult]:
    """Return what becomes of a drive in which the thing is seen in some frames, 25 a second."""
    look_back = LookBack(temporal or TemporalSettings(), proposals or AS_SEEN)
    given: list[FrameResult] = []
    for index in range(LENGTH):
        frame = MOVING.frame(index)
        scores = np.full((60, 80), 0.01 * index, np.float32)
        anomaly_map = AnomalyMap(index, scores, frame.height, frame.width)
        sights = [Sight(MOVING.proposal(index))] if index in seen else []
        motion = Motion(cut=Cut.SCENE if index == cut else None)
        result = FrameResult(frame, anomaly_map, anomaly_map, (), 0.5)
        given += look_back.add(result, [*others, *sights], motion)
    return [*given, *look_back.rest()]


def shown(given: list[FrameResult], track_id: int = 7) -> list[int]:
    return [r.frame.index for r in given if track_id in {p.track_id for p in r.proposals}]


def test_a_thing_is_proposed_back_to_the_first_frame() -> None:
    given = results(range(30, LENGTH))
    assert shown(given) == list(range(LENGTH))
    for result in given:
        (proposal,) = result.proposals
        index = result.frame.index
        mask = decode(proposal.rle)
        assert proposal.is_retraced == (index < 30)
        assert (proposal.frame_index, proposal.pts) == (index, result.frame.pts)
        assert proposal.area == mask.sum()
        x, y, width, height = proposal.bbox_xywh
        assert mask[y : y + height, x : x + width].sum() == mask.sum()
        assert agreement(mask, MOVING.mask(index)) > 0.6
        if proposal.is_retraced:
            assert proposal.score == np.float32(0.01 * index), "what the map says there"


def test_a_gap_is_filled() -> None:
    given = results([*range(10, 20), *range(25, LENGTH)])
    assert shown(given) == list(range(LENGTH))
    retraced = [r.frame.index for r in given if r.proposals[0].is_retraced]
    assert retraced == [*range(10), *range(20, 25)]


def test_nothing_is_retraced_beyond_a_cut() -> None:
    assert shown(results(range(30, LENGTH), cut=22)) == list(range(22, LENGTH))


def test_things_are_retraced_as_far_as_results_wait() -> None:
    short = TemporalSettings(look_back_seconds=1.0)  # of which 0.6 s show how a thing is seen best
    assert shown(results(range(30, LENGTH), temporal=short)) == list(range(20, LENGTH))
    off = TemporalSettings(retrace=False)
    assert shown(results(range(30, LENGTH), temporal=off)) == list(range(30, LENGTH))


def test_a_thing_is_not_retraced_where_it_is_too_small() -> None:
    least = MOVING.proposal(20).area
    given = results(range(30, LENGTH), proposals=replace(AS_SEEN, min_area=least))
    first = shown(given)[0]
    assert 15 <= first <= 25
    assert min(p.area for r in given for p in r.proposals) >= least


def test_a_retraced_mask_covers_no_other_thing() -> None:
    given = results(range(30, LENGTH), others=(Sight(MOVING.proposal(12), 3),))
    for result in given[:30]:
        masks = [decode(p.rle) for p in result.proposals]
        assert np.sum(masks, axis=0).max() <= 1
    assert any(len(result.proposals) == 2 for result in given[:30])
    assert 12 not in shown(given), "it lies under the other one"


def melted(index: int) -> list[Sight]:
    """Something that stands still, one region with what moves until that is far enough from it."""
    still = np.zeros((240, 320), np.bool_)
    still[80:120, 60:95] = True
    if index >= SEPARATE:
        return [Sight(proposal_of(still, index), 3), Sight(MOVING.proposal(index))]
    bridge = np.zeros_like(still)
    bridge[92:104, 80 : int(120 + 2 * index)] = True
    return [Sight(proposal_of(still | bridge | MOVING.mask(index), index), 3)]


def retraced(seen: Callable[[int], Sequence[Sight]]) -> list[FrameResult]:
    """Return what becomes of a drive of which it is told how things are seen in each frame."""
    look_back = LookBack(TemporalSettings(), AS_SEEN)
    given: list[FrameResult] = []
    for index in range(LENGTH):
        frame = MOVING.frame(index)
        anomaly_map = AnomalyMap(index, np.zeros((60, 80), np.float32), 240, 320)
        result = FrameResult(frame, anomaly_map, anomaly_map, (), 0.5)
        given += look_back.add(result, seen(index), Motion())
    return [*given, *look_back.rest()]


def test_a_region_is_cut_into_the_things_that_separate_later() -> None:
    for result in retraced(melted):
        index = result.frame.index
        assert [p.track_id for p in result.proposals] == [3, 7]
        still, moving = (decode(p.rle) for p in result.proposals)
        assert [p.area for p in result.proposals] == [still.sum(), moving.sum()]
        assert [p.is_retraced for p in result.proposals] == [False, index < SEPARATE]
        assert agreement(moving, MOVING.mask(index)) > 0.6
        if index < SEPARATE:
            assert not (still & moving).any()
            (region,) = (decode(sight.proposal.rle) for sight in melted(index))
            assert (still | moving == region).all()


def first_in_part(index: int) -> list[Sight]:
    """What moves: unseen, then a piece of it now and again, then all of it and stranger."""
    if index < 15 or index in (18, 19):
        return []
    whole = MOVING.mask(index)
    if index >= 25:
        return [Sight(proposal_of(whole, index, 0.9))]
    piece = whole.copy()
    piece[: int(90 + 0.5 * index) + 5 * (index % 3)] = False
    return [Sight(proposal_of(piece, index, 0.6))]


def test_a_thing_that_is_seen_in_part_is_shown_as_it_is_seen_best_soon_after() -> None:
    for result in retraced(first_in_part):
        index = result.frame.index
        (proposal,) = result.proposals
        mask = decode(proposal.rle)
        assert agreement(mask, MOVING.mask(index)) > 0.8
        assert proposal.area == mask.sum()
        assert proposal.is_retraced == (index < 25)
        if 20 <= index < 25:
            assert proposal.score == 0.6, "what was seen"


def test_what_hides_a_thing_that_is_seen_in_part_keeps_its_pixels() -> None:
    bar = np.zeros((240, 320), np.bool_)
    bar[:, 150:156] = True

    def behind(index: int) -> list[Sight]:
        shown = [Sight(proposal_of(decode(s.proposal.rle) & ~bar, index, s.proposal.score))
                 for s in first_in_part(index)]  # fmt: skip
        return [Sight(proposal_of(bar, index), 3), *shown]

    for result in retraced(behind):
        masks = [decode(p.rle) for p in result.proposals]
        assert np.sum(masks, axis=0).max() == 1
        assert (masks[0] == bar).all()


def test_each_of_several_sights_of_one_thing_is_kept() -> None:
    """Trackers of others may leave a thing in parts."""
    parts = (Sight(MOVING.proposal(0), 3), Sight(proposal_of(MOVING.mask(30), 0), 3))
    for result in results(range(0), others=parts):
        assert [p.area for p in result.proposals] == [part.proposal.area for part in parts]


def test_each_of_several_first_sights_of_one_thing_is_kept_too() -> None:
    upper = np.zeros((240, 320), np.bool_)
    upper[:100] = True

    def halves(index: int) -> list[Sight]:
        whole = MOVING.mask(index)
        if index >= 20:
            return [Sight(proposal_of(whole, index, 0.9))]
        parts = (whole & upper, whole & ~upper) if index >= 15 else ()
        return [Sight(proposal_of(part, index, 0.6)) for part in parts]

    for result in retraced(halves)[15:20]:
        seen = [sight.proposal for sight in halves(result.frame.index)]
        assert [p.rle for p in result.proposals] == [p.rle for p in seen]


def test_what_is_not_believed_is_not_retraced() -> None:
    given = results(range(0), others=(Sight(MOVING.proposal(20), None),))
    assert shown(given) == []
    assert not any(result.proposals for result in given)


def outlined_sights(
    *sights: Sight, retraced: Sequence[Proposal] = (), min_area: int | None = None
) -> tuple[Proposal, ...]:
    """Return how some things are shown in a frame, with masks that are brought to its edges."""
    wanted = ProposalSettings(min_area=min_area)
    frame = frame_of(np.where(Moving(side=60).mask(0), 200, 60).astype(np.uint8), 0)
    anomaly_map = AnomalyMap(0, np.zeros((60, 80), np.float32), frame.height, frame.width)
    result = FrameResult(frame, anomaly_map, anomaly_map, (), 0.5)
    return Waiting(result, sights, follows=True, wanted=wanted, retraced=[*retraced]).believed()


def test_outlines_are_drawn_unless_masks_shall_stay_as_seen() -> None:
    for proposals, outlines in ((ProposalSettings(), True), (AS_SEEN, False)):
        given = results(range(LENGTH), proposals=proposals)
        alike = [r.proposals[0].rle == MOVING.proposal(r.frame.index).rle for r in given]
        assert all(alike) != outlines


def test_what_is_seen_is_shown_as_far_as_the_picture_shows_it() -> None:
    thing = Moving(side=60).mask(0)
    coarse = proposal_of(Moving(side=66).mask(0), 0)
    (proposal,) = outlined_sights(Sight(coarse))
    assert agreement(decode(coarse.rle), thing) < 0.85
    assert agreement(decode(proposal.rle), thing) > 0.9
    assert proposal.area == decode(proposal.rle).sum()
    assert (proposal.score, proposal.track_id) == (coarse.score, 7)
    assert not proposal.is_retraced


def test_what_would_be_too_small_as_the_picture_shows_it_stays_as_it_is_seen() -> None:
    seen = Sight(proposal_of(Moving(side=66).mask(0), 0))
    least = seen.proposal.area
    assert [p.area < least for p in outlined_sights(seen)] == [True]
    assert [p.area for p in outlined_sights(seen, min_area=least)] == [least]


@pytest.mark.parametrize("is_retraced", [False, True])
def test_an_outline_covers_no_other_thing(*, is_retraced: bool) -> None:
    """Two things share one disc, so that either's outline would grow over the other's half."""
    whole = Moving(side=60).mask(0)
    left = whole & (np.arange(whole.shape[1]) < 120)
    own, others = Sight(proposal_of(left, 0)), proposal_of(whole & ~left, 0)
    if is_retraced:
        shown = outlined_sights(own, retraced=[replace(others, track_id=8)])
    else:
        shown = outlined_sights(own, Sight(others, 8))
    one, other = (decode(p.rle) for p in shown)
    assert not (one & other).any()
    assert agreement(one | other, whole) > 0.9
