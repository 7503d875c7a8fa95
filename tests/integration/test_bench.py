"""What `bench` times is what a run does."""

from __future__ import annotations

import pytest

from commands import SAMPLE
from mmras_stream.evaluation import speed
from mmras_stream.model import Model
from mmras_stream.settings import OutputSettings, Settings, VideoSettings
from mmras_stream.testing import FakeBackend, FakeScorer


def test_all_looks_of_the_network_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    fine, coarse = FakeBackend(), FakeBackend()
    model = Model(fine, FakeScorer(), 0.5, coarse=coarse)
    monkeypatch.setattr(speed, "load_model", lambda _settings: model)
    video = VideoSettings(end_seconds=0.2, batch_size=2)
    costs = speed.measure(SAMPLE, Settings(video=video, output=OutputSettings(exporters=())))
    assert costs.frames == 5
    assert coarse.batch_sizes == fine.batch_sizes
    assert sum(fine.batch_sizes) > 2 * costs.frames, "alone, warming up, and in the whole run"
