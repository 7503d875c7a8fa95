"""What only memory keeps above the faint threshold is no part of what is seen beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mmras_stream.motion import Motion
from mmras_stream.regions.trails import without_trails
from mmras_stream.settings import ProposalSettings, TemporalSettings
from mmras_stream.streaming import SteadyFrame, propose
from mmras_stream.temporal.smoothing import FlowSmoother
from mmras_stream.types import AnomalyMap
from shaky_drive import frame_of

HEIGHT, WIDTH = 8, 24
STRONG, FAINT = 0.8, 0.4


def scores(*values: tuple[slice, float]) -> AnomalyMap:
    """Return a map with scores in some columns of the middle rows."""
    grid = np.zeros((HEIGHT, WIDTH), np.float32)
    for columns, value in values:
        grid[2:6, columns] = value
    return AnomalyMap(0, grid, 4 * HEIGHT, 4 * WIDTH)


def cleared(steady: AnomalyMap, raw: AnomalyMap) -> list[bool]:
    """Return for each column whether its scores were taken away."""
    found = without_trails(steady, raw, threshold=STRONG, faint_threshold=FAINT).scores
    gone = found != steady.scores
    assert (found[gone] == raw.scores[gone]).all()
    columns: list[bool] = gone[2:6].all(axis=0).tolist()
    return columns


SEEN = (slice(4, 8), 0.9)
TRAIL = (slice(8, 12), 0.5)


def test_a_trail_ends_one_cell_behind_what_is_seen() -> None:
    gone = cleared(scores(SEEN, TRAIL), scores(SEEN))
    assert [column for column, is_gone in enumerate(gone) if is_gone] == [9, 10, 11]


@pytest.mark.parametrize(
    ("steady", "raw"),
    [
        pytest.param(scores(TRAIL), scores(SEEN), id="a region that is not seen at all"),
        pytest.param(
            scores(SEEN, (slice(8, 12), 0.7)), scores(SEEN), id="what was strange a moment ago"
        ),
        pytest.param(
            scores(SEEN, TRAIL), scores(SEEN, (slice(8, 12), 0.41)), id="what is seen, if faintly"
        ),
        pytest.param(
            scores(SEEN, (slice(8, 12), 0.39)), scores(SEEN), id="what is in no region anyway"
        ),
    ],
)
def test_what_stays(steady: AnomalyMap, raw: AnomalyMap) -> None:
    assert not any(cleared(steady, raw))


def test_raw_scores_and_those_of_another_grid_stay_as_they_are() -> None:
    steady = scores(SEEN, TRAIL)
    coarse = replace(steady, scores=steady.scores[::2, ::2])
    for raw in (steady, coarse):
        assert without_trails(steady, raw, threshold=STRONG, faint_threshold=FAINT) is steady


def test_things_that_part_become_two_regions_sooner() -> None:
    """One goes a cell a frame where nothing tells of its motion."""
    smoother = FlowSmoother(TemporalSettings(half_life_seconds=0.2, rise_half_life_seconds=0.1))
    wanted = ProposalSettings(keep_share=FAINT / STRONG)
    cut: list[int] = []
    lagging: list[int] = []
    for step in range(8):
        raw = scores((slice(2, 6), 0.95), (slice(6 + step, 10 + step), 0.95))
        frame = frame_of(np.zeros((4 * HEIGHT, 4 * WIDTH), np.uint8), step)
        steady = smoother.update(frame, raw, Motion())
        for counts, seen in ((cut, raw), (lagging, steady)):
            given = SteadyFrame(frame, seen, steady, Motion(), None, torch.empty(0))
            counts.append(len(propose(given, threshold=STRONG, wanted=wanted)))
    assert cut == [1, 1, 1, 1, 1, 2, 2, 2]
    assert lagging == [1] * 7 + [2]
