"""Recipes are read whole, extend each other, and name what is wrong with them."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from mmras_stream.errors import SettingsError
from mmras_stream.training.recipe_file import load_recipe


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("seed = 7", "sed = 7"), "unknown 'sed'; known"),
        (("share = 0.42", "shard = 0.42"), "sources: unknown 'shard'"),
        (("dice = 0.5", ""), "loss: .*missing 1 required positional argument: 'dice'"),
        (("seed = 7", "seed ="), "is not TOML"),
        (("[[stages]]", "[[drives]]"), "drives: unknown 'learning_rate'"),
        (('"everything"', '"everythin"'), "learns 'everythin' is unknown; did you mean 'every"),
        (("on_road = 0.75", "cut_off = 1.2\non_road = 0.75"), "outliers.cut_off must .*got 1.2"),
        (("scenes = 60", "scenes = 60\nbeside = -1"), "drawn.beside must .*got -1"),
    ],
)
def test_a_recipe_with_a_wrong_key_or_value_is_refused(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    text = (files("mmras_stream.training") / "recipes" / "embedded.toml").read_text("utf-8")
    path = tmp_path / "r.toml"
    path.write_text(text.replace(*change))
    with pytest.raises(SettingsError, match=message):
        load_recipe(path)


def test_stages_are_chosen_by_name_and_share_the_minutes() -> None:
    staged = load_recipe("staged")
    chosen = staged.only(["joint", "head"]).lasting(16.0)
    assert [stage.name for stage in chosen.stages] == ["head", "joint"]
    assert sum(stage.minutes for stage in chosen.stages) == pytest.approx(16.0)
    with pytest.raises(SettingsError, match="stage 'hed' is unknown; did you mean 'head'"):
        staged.only(["hed"])


def test_the_measured_clips_are_in_no_recipe() -> None:
    allowed = {"tmo_seattlestreet1", "tmo_night", "kb_dashcam", "carnd_vehicle_test_video"}
    for name in ("embedded", "further", "broader", "roadside", "staged"):
        recipe = load_recipe(name)
        assert {Path(drive.video).stem for drive in recipe.drives} <= allowed
        assert not any(source.images.startswith("dev") for source in recipe.sources)


def test_a_recipe_takes_from_all_below_it_what_it_does_not_say() -> None:
    broader, further = load_recipe("broader"), load_recipe("further")
    assert broader.outliers.height_range == further.outliers.height_range
    assert broader.classes == further.classes
    assert broader.seed != further.seed


def test_a_recipe_that_extends_itself_is_refused(tmp_path: Path) -> None:
    one, two = tmp_path / "one.toml", tmp_path / "two.toml"
    one.write_text(f"extends = '{two}'\n")
    two.write_text(f"extends = '{one}'\n")
    with pytest.raises(SettingsError, match=r"one\.toml extends itself, by way of .*two\.toml"):
        load_recipe(one)


def test_an_unknown_recipe_is_named() -> None:
    with pytest.raises(SettingsError, match=r"no recipe 'embeded'.*try 'embedded'"):
        load_recipe("embeded")


def test_a_group_of_unknown_classes_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text('extends = "embedded"\n[groups]\nliving = ["persn"]\n')
    with pytest.raises(SettingsError, match="class 'persn' is unknown; did you mean 'person'"):
        load_recipe(path)


def test_a_recipe_takes_from_another_what_it_does_not_say(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text('extends = "embedded"\nseed = 5\n[augmentation]\nblur = 0.5\n')
    here, there = load_recipe(path), load_recipe("embedded")
    assert here.seed == 5
    assert here.augmentation == replace(there.augmentation, blur=0.5)
    assert here.stages == there.stages
