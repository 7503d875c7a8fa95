"""Raw scores against steady ones on drives of which every pixel is known, in one pass each.

pytest -m benchmark -s tests/benchmarks/test_steadiness.py
MMRAS_DRIVES=FOLDER pytest ...    keep the drives, and take those that are there already
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import fmean

import cv2
import numpy as np
import pytest

from mmras_stream.evaluation.drive_figures import Course, VideoEvaluation
from mmras_stream.evaluation.drives import LabelledDrive, open_drives
from mmras_stream.evaluation.overlaps import Rules
from mmras_stream.evaluation.tracks import MOSTLY_TRACKED, Thing
from mmras_stream.evaluation.video import evaluate_drives
from mmras_stream.evaluation.video_record import figure_values, means
from mmras_stream.inserting.insert import insert
from mmras_stream.inserting.settings import InsertSettings
from mmras_stream.model import Model, load_model
from mmras_stream.settings import ProposalSettings, Settings
from mmras_stream.synthetic.held_out import HELD_OUT
from mmras_stream.testing import FakeBackend
from mmras_stream.types import AnomalyMap, Frame, FrameBatch, SegmentationOutput

pytestmark = [pytest.mark.benchmark, pytest.mark.footage, pytest.mark.timeout(7200)]

SEEDS = {
    "tmo_seattlestreet2": 1,
    "tmo_countryroad": 2,
    "tmo_desert": 3,
    "carnd_solidWhiteRight": 4,
    "much_driving": 5,
    "kb_dashcam": 6,
}
"""Of what is put into each clip. The last lent frames to training, as ordinary; the others none.
`tmo_seattlestreet1` is not among them: real cones stand in its road."""

DRAWN = 6
SAMPLE = Path(__file__).parents[2] / "samples" / "draw_drives.py"
SMOOTHERS = ("flow", "ema", "none")
LONG_SECONDS = 1.0


@dataclass(frozen=True)
class Sums:
    """What a smoother reaches on all drives together."""

    courses: Sequence[Course]

    @property
    def things(self) -> list[Thing]:
        return list(chain.from_iterable(course.tracks.things for course in self.courses))

    @property
    def long_things(self) -> list[Thing]:
        return [thing for thing in self.things if seconds(thing) > LONG_SECONDS]

    def mean(self, name: str) -> float:
        return known(means([course.figures for course in self.courses])[name])


def known(figure: float | None) -> float:
    assert figure is not None
    return figure


def seconds(thing: Thing) -> float:
    return thing.sights[-1].moment.seconds - thing.sights[0].moment.seconds


def mostly(things: Iterable[Thing]) -> float:
    return fmean(thing.share_found >= MOSTLY_TRACKED for thing in things)


@pytest.fixture(scope="module")
def drives(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw and insert what is not there; held-out things only."""
    kept = os.environ.get("MMRAS_DRIVES")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("drives")
    for name, seed in SEEDS.items():
        if not (folder / f"{name}.coco.json").exists():
            settings = InsertSettings(seed=seed, objects=6, kinds=tuple(HELD_OUT))
            insert(footage / f"{name}.mp4", folder, settings, overwrite=True)
    if not (folder / f"drawn-{DRAWN}.coco.json").exists():
        drawn = [str(folder), "--drives", str(DRAWN), "--held-out"]
        subprocess.run([sys.executable, str(SAMPLE), *drawn], check=True)
    return folder


@pytest.fixture(scope="module")
def evaluation(drives: Path) -> VideoEvaluation:
    """Measure with masks as the maps give them, so that scores alone tell smoothers apart."""
    return measured(drives, Settings(proposals=ProposalSettings(outline=False)))


@pytest.fixture(scope="module")
def sums(evaluation: VideoEvaluation) -> dict[str, Sums]:
    return summed(evaluation)


@pytest.fixture(scope="module")
def outlined(drives: Path) -> VideoEvaluation:
    """Measure what a run gives whose settings are left alone."""
    return measured(drives, Settings())


def measured(drives: Path, settings: Settings) -> VideoEvaluation:
    model = load_model(settings)
    evaluation = evaluate_drives(
        open_drives(drives), model, settings, smoothers=SMOOTHERS, rules=Rules()
    )
    print(f"\n{settings.proposals}")
    report(evaluation, summed(evaluation))
    return evaluation


def summed(evaluation: VideoEvaluation) -> dict[str, Sums]:
    return {name: Sums([drive.courses[name] for drive in evaluation.drives]) for name in SMOOTHERS}


def report(evaluation: VideoEvaluation, found: dict[str, Sums]) -> None:
    print(f"\n{len(evaluation.drives)} drives, threshold {evaluation.threshold:.3f}")
    whole = {name: figure_values(figures) for name, figures in evaluation.whole.items()}
    for name in whole["none"]:
        if not name.startswith(("delays", "tc_")):
            print(f"{name:24}", *(f"{cell(whole[s][name]):>10}" for s in SMOOTHERS))
    rows: dict[str, Callable[[Sums], float]] = {
        "mean AuPRC": lambda s: s.mean("average_precision"),
        "mean TC": lambda s: s.mean("tc"),
        "mostly tracked, > 1 s": lambda s: mostly(s.long_things),
    }
    for row, figure in rows.items():
        print(f"{row:24}", *(f"{cell(figure(found[s])):>10}" for s in SMOOTHERS))
    for drive in evaluation.drives:
        values = [figure_values(drive.courses[s].figures) for s in SMOOTHERS]
        print(f"{drive.name:24}", *(f"{cell(v['average_precision']):>10}" for v in values))


def cell(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def test_steady_scores_are_better_on_every_drive_and_steadier(
    evaluation: VideoEvaluation, sums: dict[str, Sums]
) -> None:
    flow, ema, none = (sums[name] for name in SMOOTHERS)
    for drive in evaluation.drives:
        steady, raw = (drive.courses[name].figures.curve for name in ("flow", "none"))
        assert steady is not None
        assert raw is not None
        assert steady.metrics.average_precision >= raw.metrics.average_precision, drive.name
    assert flow.mean("average_precision") > none.mean("average_precision")
    assert flow.mean("tc") >= none.mean("tc") + 0.05
    assert flow.mean("average_precision") > ema.mean("average_precision")
    assert flow.mean("tc") > ema.mean("tc")


MASKS = ("evaluation", "outlined")
MISSED = "outlines steady raw masks too: 88 flips of 124 were measured"


@pytest.mark.parametrize("masks", MASKS)
def test_steady_scores_give_fewer_false_tracks(request: pytest.FixtureRequest, masks: str) -> None:
    whole = request.getfixturevalue(masks).whole
    steady, raw = (whole[name].tracking for name in ("flow", "none"))
    assert steady.flips < raw.flips
    assert steady.false_tracks <= 0.5 * raw.false_tracks
    assert steady.found_things >= 0.95 * raw.found_things, "wanted are all of them"
    assert steady.median_delay_frames is not None
    assert steady.median_delay_frames <= 3
    assert steady.switches <= 0.2 * steady.found_things


@pytest.mark.parametrize(
    "masks",
    ["evaluation", pytest.param("outlined", marks=pytest.mark.xfail(strict=True, reason=MISSED))],
)
def test_steady_scores_flip_half_as_often(request: pytest.FixtureRequest, masks: str) -> None:
    whole = request.getfixturevalue(masks).whole
    steady, raw = (whole[name].tracking for name in ("flow", "none"))
    assert steady.flips <= 0.5 * raw.flips


def test_outlines_make_better_proposals(
    evaluation: VideoEvaluation, outlined: VideoEvaluation
) -> None:
    """Of raw maps as well, so that smoothing them gains less than it does without outlines."""
    for name in ("flow", "none"):
        coarse, fine = (e.whole[name].tracking for e in (evaluation, outlined))
        assert known(fine.mota) >= known(coarse.mota) + 0.05, name
        assert known(fine.idf1) >= known(coarse.idf1) + 0.02, name
        assert fine.flips < coarse.flips, name
        assert fine.false_tracks <= coarse.false_tracks, name
    steady, raw = (outlined.whole[name].tracking for name in ("flow", "none"))
    assert steady.flips < raw.flips
    assert known(steady.mota) > known(raw.mota)


class Truth:
    """Fulfils `protocols.Scorer`: the truth about one drive, on the grid of a network's maps."""

    def __init__(self, drive: LabelledDrive) -> None:
        self._drive = drive

    def score(self, batch: FrameBatch, output: SegmentationOutput) -> list[AnomalyMap]:
        del output
        return [self._map(frame) for frame in batch]

    def _map(self, frame: Frame) -> AnomalyMap:
        rng = np.random.default_rng([frame.index, 5])
        height, width = frame.height // 4, frame.width // 4
        scores = rng.uniform(0.0, 0.3, (height, width)).astype(np.float32)
        for mask in self._drive.truth.at(frame).things.values():
            shares = cv2.resize(
                mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA
            )
            scores = np.maximum(scores, 0.9 * np.asarray(shares, np.float32))
        return AnomalyMap(frame.index, scores, frame.height, frame.width)


def test_a_thing_keeps_its_track_where_maps_are_right(drives: Path) -> None:
    """Without a network; far things melt into one on the grid of the maps."""
    tracked: list[Course] = []
    for drive in open_drives(drives):
        truth = Model(FakeBackend(), Truth(drive), 0.5)
        one = evaluate_drives([drive], truth, Settings(), smoothers=["flow"], rules=Rules())
        tracked.append(one.drives[0].courses["flow"])
    found = Sums(tracked)
    switches = sum(thing.switches for thing in found.things)
    share = mostly(found.long_things)
    print(f"\n{len(found.things)} things, {switches} switches; mostly tracked {share:.2f} of "
          f"{len(found.long_things)} that are seen for more than 1 s")  # fmt: skip
    assert switches <= 0.2 * len(found.things)
    assert share >= 0.8
