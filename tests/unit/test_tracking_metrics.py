from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from mmras_stream.errors import SettingsError
from mmras_stream.evaluation.assignment import best_pairs
from mmras_stream.evaluation.drives import FrameTruth
from mmras_stream.evaluation.overlaps import Rules, overlaps_of
from mmras_stream.evaluation.temporal import TrackTally
from mmras_stream.evaluation.tracks import DriveTracks, tracking_metrics
from mmras_stream.regions.rle import encode
from mmras_stream.types import Mask, Moment, Proposal
from slow_tracks import SlowFrame, slow_tracking

SIZE = (12, 60)

Spans = dict[int, tuple[int, int]]
"""Thing or track -> its first column and the one after its last."""


def band(first: int, end: int) -> Mask:
    mask = np.zeros(SIZE, np.bool_)
    mask[2:10, first:end] = True
    return mask


def proposal(mask: Mask, track_id: int, score: float = 0.9) -> Proposal:
    return Proposal(0, 0, (0, 0, 1, 1), int(mask.sum()), encode(mask), score, track_id)


def tracked(frames: Sequence[tuple[Spans, Spans]], rules: Rules | None = None) -> DriveTracks:
    """Follow things and tracks, drawn as bands, at 25 frames/s."""
    tally = TrackTally(rules or Rules(visible_pixels=16))
    for index, (things, tracks) in enumerate(frames):
        truth = FrameTruth({k: band(*span) for k, span in things.items()}, np.zeros(SIZE, np.bool_))
        add(tally, index, truth, {k: band(*span) for k, span in tracks.items()})
    return tally.result()


def add(tally: TrackTally, index: int, truth: FrameTruth, tracks: dict[int, Mask]) -> None:
    finds = [proposal(mask, k) for k, mask in tracks.items() if mask.any()]
    overlaps = overlaps_of(truth, finds, tally.rules)
    tally.add(
        Moment(index, index, Fraction(1, 25)),
        overlaps,
        thing_scores=dict.fromkeys(overlaps.things, 0.5),
        track_scores=dict.fromkeys(overlaps.tracks, 0.9),
    )


@pytest.mark.parametrize("seed", range(60))
def test_pairs_are_worth_as_much_as_scipys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    worth = rng.random(rng.integers(1, 9, 2))
    worth[rng.random(worth.shape) < 0.4] = 0
    pairs = best_pairs(worth)
    rows, columns = linear_sum_assignment(worth, maximize=True)
    assert sum(worth[pair] for pair in pairs) == pytest.approx(worth[rows, columns].sum())
    assert all(worth[pair] > 0 for pair in pairs)
    for side in zip(*pairs, strict=True):
        assert len(set(side)) == len(pairs)


def test_nothing_is_paired_with_nothing() -> None:
    assert best_pairs(np.zeros((0, 3))) == best_pairs(np.zeros((2, 2))) == []


@pytest.mark.parametrize("seed", range(40))
def test_tracking_equals_its_definitions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rules = Rules(overlap=float(rng.uniform(0.1, 0.6)), visible_pixels=int(rng.integers(1, 20)))
    tally = TrackTally(rules)
    slow = []
    for index in sorted(rng.choice(30, 14, replace=False).tolist()):
        things = drawn(rng, count=3)
        ignored = drawn(rng, count=1).get(1, np.zeros(SIZE, np.bool_)) & (rng.random() < 0.5)
        tracks = apart(drawn(rng, count=3))
        anything = np.any([*things.values(), np.zeros(SIZE, np.bool_)], axis=0)
        truth = FrameTruth(things, ignored & ~anything)
        add(tally, index, truth, tracks)
        slow.append(
            SlowFrame(
                index,
                index / 25,
                {k: pixels(mask) for k, mask in things.items()},
                {k: pixels(mask) for k, mask in tracks.items() if mask.any()},
                pixels(truth.ignored),
            )
        )
    fields = asdict(tracking_metrics([tally.result()]))
    for name in ("delays_frames", "delays_ms"):
        fields[name] = sorted(fields[name])
    expected = slow_tracking(slow, rules.overlap, rules.visible_pixels)
    assert fields.keys() == expected.keys()
    for name, value in fields.items():
        assert value == pytest.approx(expected[name], abs=1e-3), name


def drawn(rng: np.random.Generator, *, count: int) -> dict[int, Mask]:
    """Return boxes that dwell near places of their own, so that they meet often."""
    boxes = {}
    for number in range(1, count + 1):
        if rng.random() < 0.75:
            mask = np.zeros(SIZE, np.bool_)
            left = 6 * number + int(rng.integers(0, 5))
            top = int(rng.integers(0, 5))
            mask[top : top + int(rng.integers(2, 7)), left : left + int(rng.integers(2, 8))] = True
            boxes[number] = mask
    return boxes


def apart(masks: dict[int, Mask]) -> dict[int, Mask]:
    """Take from each mask what earlier ones cover, as regions never share a pixel."""
    taken = np.zeros(SIZE, np.bool_)
    left = {}
    for number, mask in masks.items():
        left[number] = mask & ~taken
        taken |= mask
    return left


def pixels(mask: Mask) -> frozenset[tuple[int, int]]:
    return frozenset((int(y), int(x)) for y, x in np.argwhere(mask))


HERE: Spans = {1: (10, 20)}


def test_a_thing_found_late_has_its_delay_in_frames_and_in_time() -> None:
    drive = tracked([({}, {}), *[(HERE, {})] * 3, *[(HERE, {7: (10, 20)})] * 4])
    (thing,) = drive.things
    assert thing.delay_frames == 3
    assert thing.delay_seconds == pytest.approx(0.12)
    metrics = tracking_metrics([drive])
    assert (metrics.recall, metrics.median_delay_ms, metrics.flips) == (1.0, 120.0, 1)
    assert (metrics.mostly_tracked, metrics.mostly_lost) == (0, 0)
    assert metrics.mota == pytest.approx(1 - 3 / 7)
    assert metrics.idf1 == pytest.approx(2 * 4 / (7 + 4))


def test_the_same_thing_under_another_id_is_a_switch_however_long_the_gap() -> None:
    drive = tracked([(HERE, {7: (10, 20)}), (HERE, {}), (HERE, {8: (10, 20)}), (HERE, {})])
    metrics = tracking_metrics([drive])
    assert (metrics.switches, metrics.fragments, metrics.flips) == (1, 1, 3)
    assert metrics.mota == pytest.approx(1 - (2 + 0 + 1) / 4)
    assert metrics.idf1 == pytest.approx(2 * 1 / (4 + 2))


def test_out_of_sight_is_neither_missed_nor_fragmented() -> None:
    found = (HERE, {7: (10, 20)})
    metrics = tracking_metrics([tracked([found, ({}, {}), ({1: (10, 11)}, {}), found])])
    assert (metrics.visible, metrics.misses, metrics.fragments, metrics.flips) == (2, 0, 0, 0)
    assert metrics.mota == 1


def test_a_pair_stays_together_though_another_overlaps_more() -> None:
    both = ({1: (10, 20)}, {7: (6, 14), 8: (14, 21)})
    drive = tracked([(HERE, {7: (8, 20)}), both], Rules(overlap=0.2, visible_pixels=1))
    assert [sight.track_id for sight in drive.things[0].sights] == [7, 7]
    alone = tracked([both], Rules(overlap=0.2, visible_pixels=1))
    assert [sight.track_id for sight in alone.things[0].sights] == [8]


def test_two_things_that_cross_and_exchange_ids_are_two_switches() -> None:
    apart_ = ({1: (0, 10), 2: (30, 40)}, {7: (0, 10), 8: (30, 40)})
    exchanged = ({1: (30, 40), 2: (0, 10)}, {7: (0, 10), 8: (30, 40)})
    metrics = tracking_metrics([tracked([apart_, exchanged])])
    assert (metrics.switches, metrics.mota, metrics.idf1) == (2, 0.5, 0.5)


def test_a_track_on_nothing_is_false_and_one_on_a_part_of_something_is_not() -> None:
    frames = [({1: (10, 40)}, {5: (10, 14), 6: (50, 58)})] * 25
    drive = tracked(frames)
    assert [track.track_id for track in drive.false_tracks] == [6]
    metrics = tracking_metrics([drive])
    assert metrics.recall == 0
    assert metrics.false_tracks_per_minute == pytest.approx(60)
    assert (metrics.mostly_lost, metrics.false_regions, metrics.mota) == (1, 50, -2.0)


def test_what_lies_on_ignored_ground_counts_neither_way() -> None:
    truth = FrameTruth({1: band(10, 20)}, band(20, 40))
    overlaps = overlaps_of(
        truth, [proposal(band(10, 28), 3), proposal(band(29, 45), 4)], Rules(visible_pixels=1)
    )
    assert overlaps.tracks == (3,)
    assert overlaps.iou.tolist() == [[1.0]]


def test_regions_of_one_track_are_one() -> None:
    truth = FrameTruth({1: band(10, 20)}, np.zeros(SIZE, np.bool_))
    parts = [proposal(band(10, 14), 3), proposal(band(15, 20), 3)]
    overlaps = overlaps_of(truth, parts, Rules(visible_pixels=1))
    assert overlaps.iou.tolist() == [[pytest.approx(0.9)]]


def test_drives_are_summed_and_their_things_kept_apart() -> None:
    good = tracked([(HERE, {7: (10, 20)})] * 10)
    bad = tracked([(HERE, {7: (50, 58)})] * 30)
    metrics = tracking_metrics([good, bad])
    assert (metrics.things, metrics.recall, metrics.false_tracks) == (2, 0.5, 1)
    assert metrics.minutes == pytest.approx(40 / 25 / 60)
    assert metrics.mota == pytest.approx(1 - (30 + 30) / 40)
    assert metrics.idf1 == pytest.approx(2 * 10 / (40 + 40))


def test_impossible_rules_are_refused() -> None:
    with pytest.raises(SettingsError, match="the overlap must lie above 0 and up to 1, got 0"):
        Rules(overlap=0)
    with pytest.raises(SettingsError, match="a thing is visible from 1 pixel on or more, got 0"):
        Rules(visible_pixels=0)
