from __future__ import annotations

from pathlib import Path

import pytest

from mmras_stream.errors import SettingsError
from mmras_stream.settings import Settings, load


def test_the_command_line_wins_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("[video]\nstride = 3\nbatch_size = 2\n[proposals]\nthreshold = 1\n")
    settings = load(path, {"video": {"stride": 5}})
    assert (settings.video.stride, settings.video.batch_size) == (5, 2)
    assert settings.proposals.threshold == 1.0
    assert settings.model == Settings().model


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("vidio", "stride", 1, "no section called 'vidio'; did you mean 'video'"),
        ("video", "strid", 1, r"no setting in \[video\] called 'strid'; did you mean 'stride'"),
        ("video", "stride", 0, "video.stride must be at least 1, got 0"),
        ("video", "stride", "2", "video.stride must be a whole number, got '2'"),
        ("video", "stride", True, "video.stride must be a whole number, got True"),
        ("video", "every_seconds", 0.0, "video.every_seconds must be above 0, got 0"),
        ("video", "end_seconds", 0.0, "video.end_seconds 0 is not after the start, 0"),
        ("model", "precision", "int8", "must be 'auto' or 'float32' or 'bfloat16', got 'int8'"),
        ("score", "alpha", 1.5, r"score.alpha must lie in 0..1, got 1.5"),
        ("score", "w", float("nan"), r"score.w must lie in 0..1, got nan"),
        ("text", "suppress_known", 1.01, r"text.suppress_known must lie in 0..1, got 1.01"),
        ("text", "suppress_known", -0.1, r"text.suppress_known must lie in 0..1, got -0.1"),
        ("text", "name_things", "yes", "text.name_things must be true or false, got 'yes'"),
        ("text", "clip", 50, "text.clip must be text, got 50"),
        ("temporal", "half_life_seconds", 0.0, "half_life_seconds must be above 0, got 0"),
        ("proposals", "threshold", "low", "threshold must be a number or 'auto', got 'low'"),
        ("output", "exporters", "coco", "output.exporters must be a list of names, got 'coco'"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(
    section: str, key: str, value: object, message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        load(overrides={section: {key: value}})


def test_two_ways_of_sampling_exclude_each_other() -> None:
    with pytest.raises(SettingsError, match="exclude each other"):
        load(overrides={"video": {"every_seconds": 1.0, "stride": 2}})


@pytest.mark.parametrize(
    ("text", "message"),
    [("video = 3", "stands outside a section"), ("[video", "is not TOML")],
)
def test_a_file_that_is_no_settings_file_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message):
        load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot read settings .*absent.toml: No such file"):
        load(tmp_path / "absent.toml")


def test_settings_survive_the_trip_through_a_report() -> None:
    settings = load(overrides={"video": {"stride": 4}, "proposals": {"threshold": 0.25}})
    values = settings.to_dict()
    again = {
        section: {key: value for key, value in keys.items() if value is not None}
        for section, keys in values.items()
        if isinstance(keys, dict)
    }
    assert load(overrides=again) == settings
