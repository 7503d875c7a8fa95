from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmras_stream import calibrating
from mmras_stream.calibrating import calibrate
from mmras_stream.errors import DataError, SettingsError
from mmras_stream.model import Model
from mmras_stream.scoring.calibration import (
    Calibration,
    Rate,
    read_calibration,
    relevant,
    write_calibration,
)
from mmras_stream.settings import Settings, TemporalSettings, load
from mmras_stream.testing import FakeBackend, FakeDecoder, FakeScorer

SETTINGS = Settings(temporal=TemporalSettings(smoother="none", min_duration_seconds=0.2))
MODEL = Model(FakeBackend(weights_sha256="ab"), FakeScorer(), threshold=0.5, score="fake")
DRIVES = [Path("one.mp4"), Path("two.mp4")]


@pytest.fixture
def _fake_drives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drives of 0.76 s with one bright square, which is the only thing there is to track."""

    def opened(_path: object, _settings: object) -> FakeDecoder:
        return FakeDecoder(count=20, seconds_per_frame=0)

    # the square covers a twelfth of the picture, far more than a false find on a real drive
    monkeypatch.setattr(calibrating, "SHARES", np.logspace(-0.5, -6, 33))
    for name in ("mmras_stream.pipeline.open_decoder", "mmras_stream.calibrating.open_decoder"):
        monkeypatch.setattr(name, opened)


@pytest.mark.usefixtures("_fake_drives")
def test_the_lowest_threshold_that_keeps_the_rate_is_chosen() -> None:
    found = calibrate(DRIVES, SETTINGS, MODEL, tracks_per_hour=0)
    assert found.hours == pytest.approx(2 * 0.76 / 3600)
    one_each = 2 / found.hours
    assert {rate.tracks_per_hour for rate in found.rates} == {0, one_each}
    silent = [rate.threshold for rate in found.rates if rate.tracks_per_hour == 0]
    assert found.threshold == min(silent)
    assert found.tracks_per_hour == 0
    lowest = found.rates[0].threshold
    assert calibrate(DRIVES, SETTINGS, MODEL, tracks_per_hour=one_each).threshold == lowest


@pytest.mark.usefixtures("_fake_drives")
def test_progress_rises_to_the_end() -> None:
    seen: list[tuple[float, int]] = []
    calibrate(DRIVES, SETTINGS, MODEL, tracks_per_hour=0, observer=lambda *told: seen.append(told))
    assert [frames for _, frames in seen] == list(range(1, 41))


def test_a_rate_that_no_threshold_keeps_is_refused() -> None:
    rates = (Rate(0.5, 100.0, 0.1), Rate(0.9, 40.0, 0.01))
    with pytest.raises(DataError, match=r"even above 0.9 there are 40 tracks an hour, more than 5"):
        calibrating._chosen(rates, 5)


def test_a_quiet_threshold_below_a_loud_one_is_not_taken() -> None:
    rates = (Rate(0.1, 0.0, 0.3), Rate(0.5, 50.0, 0.1), Rate(0.9, 5.0, 0.01))
    assert calibrating._chosen(rates, 10).threshold == 0.9


@contextmanager
def refused(message: str) -> Iterator[None]:
    with pytest.raises(SettingsError, match=message):
        yield


def _calibration() -> Calibration:
    rates = (Rate(0.5, 3.0, 0.1),)
    return Calibration(0.5, 3.0, 2.0, ("a.mp4",), "msp", "ab", relevant(Settings()), rates)


def test_a_calibration_comes_back_from_its_file(tmp_path: Path) -> None:
    write_calibration(tmp_path / "camera.json", _calibration())
    assert read_calibration(tmp_path / "camera.json") == _calibration()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "x"}', "null"])
def test_what_is_no_calibration_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "camera.json").write_text(text)
    with refused("camera.json is no calibration"):
        read_calibration(tmp_path / "camera.json")
    with refused("cannot read calibration .*absent.json"):
        read_calibration(tmp_path / "absent.json")


def test_a_calibration_holds_for_what_it_was_made_with_only() -> None:
    made = _calibration()
    made.check(Settings(), score="msp", weights_sha256="ab")
    made.check(load(overrides={"model": {"device": "cpu"}}), score="msp", weights_sha256="ab")
    with refused("is of other weights"):
        made.check(Settings(), score="msp", weights_sha256="cd")
    with refused("is of the score msp, not of energy"):
        made.check(Settings(), score="energy", weights_sha256="ab")
    other = replace(Settings(), temporal=TemporalSettings(half_life_seconds=0.3))
    with refused("temporal.half_life_seconds = 0.15, this run has 0.3; calibrate again"):
        made.check(other, score="msp", weights_sha256="ab")
