"""A whole run: names, exporters, its end and its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
from torch import Tensor

from mmras_stream import pipeline
from mmras_stream.model import Model
from mmras_stream.pipeline import run
from mmras_stream.registry import Kind
from mmras_stream.settings import OutputSettings, Settings, TemporalSettings
from mmras_stream.streaming import Tally
from mmras_stream.temporal.motion import NoMotion
from mmras_stream.temporal.smoothing import NoSmoother
from mmras_stream.testing import FakeBackend, FakeDecoder, FakeExporter, FakeScorer
from mmras_stream.types import Frame, FrameResult, Guess, Proposal


@dataclass
class FakeNamer:
    """Takes everything from one frame on for a car."""

    ordinary_from: int

    def describe(
        self, frame: Frame, proposals: Sequence[Proposal], features: Tensor
    ) -> tuple[Proposal, ...]:
        assert features.shape == (1, 8, 12)  # of this frame alone
        known = Guess("car", 0.9) if frame.index >= self.ordinary_from else None
        return tuple(replace(p, guesses=(Guess("cow", 0.5),), looks_known=known) for p in proposals)


def test_proposals_are_described_after_they_are_tracked(
    exporters: dict[str, FakeExporter], tmp_path: Path
) -> None:
    assert exporters
    seen: list[FrameResult] = []
    model = Model(FakeBackend(), FakeScorer(), threshold=0.5, new_namer=partial(FakeNamer, 9))
    settings = settings_for("sound")
    report = run(
        "drive.mp4", tmp_path, settings, model=model, observer=lambda r, _tally: seen.append(r)
    )
    described = [p for result in seen for p in result.proposals]
    assert {p.guesses for p in described} == {(Guess("cow", 0.5),)}
    assert (report.proposals, report.suppressed, report.tracks) == (len(described) - 3, 3, 1)
    assert [len(result.finds) for result in seen[-4:]] == [1, 0, 0, 0]
    assert report.stage_seconds["name"] > 0


def test_a_thing_that_was_always_suppressed_is_not_counted(
    exporters: dict[str, FakeExporter], tmp_path: Path
) -> None:
    assert exporters
    model = Model(FakeBackend(), FakeScorer(), threshold=0.5, new_namer=partial(FakeNamer, 0))
    report = run("drive.mp4", tmp_path, settings_for("sound"), model=model)
    assert (report.proposals, report.tracks) == (0, 0)
    assert report.suppressed > 0


@pytest.fixture
def exporters(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeExporter]:
    """Fakes behind every name that `run` looks up; the second exporter fails on frame 3."""
    made = {"sound": FakeExporter(), "full": FakeExporter(fails_at=3), "last": FakeExporter()}
    parts: dict[str, object] = {
        "pyav": lambda _path, _settings: FakeDecoder(count=12),
        **{name: (lambda _context, fake=fake: fake) for name, fake in made.items()},
    }
    silent = {Kind.SMOOTHER: NoSmoother, Kind.MOTION: NoMotion}
    monkeypatch.setattr(pipeline, "load", lambda kind, name: silent.get(kind) or parts[name])
    return made


def settings_for(*names: str) -> Settings:
    return Settings(
        temporal=TemporalSettings(smoother="none"), output=OutputSettings(exporters=names)
    )


def test_a_failing_exporter_surfaces_and_closes_every_other(
    exporters: dict[str, FakeExporter], tmp_path: Path
) -> None:
    model = Model(FakeBackend(), FakeScorer(), threshold=0.5)
    with pytest.raises(OSError, match="disk full"):
        run("drive.mp4", tmp_path, settings_for("sound", "full", "last"), model=model)
    assert all(fake.closed for fake in exporters.values())
    assert exporters["sound"].frames == [0, 1, 2, 3]
    assert exporters["last"].frames == [0, 1, 2]


def test_ctrl_c_ends_a_run_with_a_report(
    exporters: dict[str, FakeExporter], tmp_path: Path
) -> None:
    def interrupt(result: FrameResult, _tally: Tally) -> None:
        if result.frame.index == 5:
            raise KeyboardInterrupt

    model = Model(FakeBackend(), FakeScorer(), threshold=0.5)
    report = run("drive.mp4", tmp_path, settings_for("sound"), model=model, observer=interrupt)
    assert report.interrupted
    assert report.frames == 6
    assert exporters["sound"].closed
    assert (tmp_path / "drive" / "run.json").is_file()
