from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from typer.testing import CliRunner

from labelled import labelled_folder
from mmras_cli.main import app
from mmras_stream.errors import DataError
from mmras_stream.evaluation.comparison import Recorded, compare, read_record, recorded
from mmras_stream.evaluation.pixel import PixelPool, pixel_metrics

Picture = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
"""Scores of strange and of ordinary pixels."""


def drawn_pictures(count: int, *, shift: float, seed: int = 0) -> list[Picture]:
    """Return pictures of very different difficulty; `shift` moves all strange scores."""
    rng = np.random.default_rng(seed)
    hardness = rng.uniform(0, 2, count)
    return [
        (
            (rng.standard_normal(200) + 1.5 - hard + shift).astype(np.float32),
            rng.standard_normal(2000).astype(np.float32),
        )
        for hard in hardness
    ]


def record_of(pictures: list[Picture], name: str) -> Recorded:
    """Return what a record of an evaluation would keep of them."""
    with PixelPool() as pool:
        for strange, ordinary in pictures:
            pool.add(strange[None], np.ones((1, strange.size), np.uint8))
            pool.add(ordinary[None], np.zeros((1, ordinary.size), np.uint8))
        curve = pool.curve()
    levels = np.unique(np.array([p.threshold for p in curve.points], np.float32))

    def counts(scores: npt.NDArray[np.float32]) -> list[int]:
        places = np.searchsorted(levels, scores, "right")
        return [int(n) for n in np.bincount(places, minlength=levels.size + 1)[::-1]]

    values: dict[str, Any] = {  # Any: JSON values
        "average_precision": curve.metrics.average_precision,
        "fpr_at_95_tpr": curve.metrics.fpr_at_95_tpr,
        "auroc": curve.metrics.auroc,
        "components_oracle": {"f1_mean": 2 / 3, "false_positives_per_frame": 0.0},
        "components_calibrated": None,
        "per_picture": [
            {
                "name": str(number),
                "strange_counts": counts(strange),
                "ordinary_counts": counts(ordinary),
                "oracle_siou": [1.0, 0.0],
                "oracle_ppv": [1.0],
            }
            for number, (strange, ordinary) in enumerate(pictures)
        ],
    }
    return recorded(values, name=name)


def test_intervals_are_those_of_exact_metrics_of_drawn_pictures() -> None:
    pictures = drawn_pictures(12, shift=0.0)
    comparison = compare(*(record_of(pictures, name) for name in "ab"), samples=400)
    rng = np.random.default_rng(1)
    exact = []
    for _ in range(400):
        drawn = [pictures[i] for i in rng.integers(0, 12, 12)]
        strange, ordinary = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
        metrics = pixel_metrics(strange, ordinary)
        exact.append((metrics.average_precision, metrics.fpr_at_95_tpr, metrics.auroc))
    for row, values in zip(comparison.rows, np.array(exact).T, strict=False):
        low, high = np.quantile(values, (0.025, 0.975))
        assert row.a_interval == pytest.approx((low, high), abs=0.12 * (high - low)), row.name
        assert row.difference_interval == pytest.approx((0, 0), abs=1e-12)
        assert row.winner == ""


def test_a_difference_in_every_picture_is_seen_though_pictures_differ_more() -> None:
    a = record_of(drawn_pictures(12, shift=0.0), "a")
    b = record_of(drawn_pictures(12, shift=0.15), "b")
    comparison = compare(a, b)
    row = comparison.rows[0]
    assert row.a_interval[1] > row.b_interval[0]
    assert row.winner == "B"
    assert comparison.verdict.startswith("AuPRC: B is better; B - A is +")
    assert compare(b, a).rows[1].winner == "A"
    assert compare(a, b) == comparison
    assert compare(a, b, seed=1).rows[0].difference_interval != row.difference_interval


def test_luck_is_called_luck() -> None:
    a = record_of(drawn_pictures(5, shift=0.0, seed=0), "a")
    b = record_of(drawn_pictures(5, shift=0.0, seed=3), "b")
    verdict = "AuPRC: difference not distinguishable from chance on 5 images"
    assert compare(a, b).verdict == verdict


def test_components_are_drawn_with_their_pictures() -> None:
    one = record_of(drawn_pictures(4, shift=0.0), "a")
    worse = one.components["oracle"] * np.array([[[1.0], [1], [3]]]) + [[[0.0], [0], [1]]]
    values = {**one.values, "f1_oracle": 2 / (2 + 1 + 1)}
    row = compare(one, replace(one, components={"oracle": worse}, values=values)).rows[3]
    assert (row.name, row.winner) == ("F1 mean, oracle", "A")
    assert row.a_interval == pytest.approx((2 / 3, 2 / 3))
    assert row.difference_interval == pytest.approx((0.5 - 2 / 3, 0.5 - 2 / 3))


def test_only_the_same_pictures_with_the_same_labels_are_compared() -> None:
    pictures = drawn_pictures(3, shift=0.0)
    whole, part = record_of(pictures, "whole"), record_of(pictures[:2], "part")
    with pytest.raises(DataError, match="whole has 3 pictures and part 2, and they differ, such"):
        compare(whole, part)
    other = record_of([(pictures[0][0][:-1], pictures[0][1]), *pictures[1:]], "other")
    with pytest.raises(DataError, match="0 has 200 strange pixels in whole and 199 in other"):
        compare(whole, other)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "x.json is no record of an evaluation; write one with evaluate --out"),
        ('{"format": "mmras-stream evaluation 1"}', "x.json is no record of an evaluation: KeyE"),
        ("cows", "x.json is no record of an evaluation: JSONDecodeError"),
        ("[]", "x.json is no record of an evaluation: AttributeError"),
    ],
)
def test_a_file_that_is_no_record_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DataError, match=message):
        read_record(tmp_path / "x.json")
    with pytest.raises(DataError, match="cannot read"):
        read_record(tmp_path / "absent.json")


def test_records_and_settings_are_compared_at_the_command_line(tmp_path: Path) -> None:
    folder = labelled_folder(tmp_path / "set", 3)
    settings = tmp_path / "small.toml"
    settings.write_text("[model]\ninput_width = 96\n")
    before = tmp_path / "before.json"
    command = ["evaluate", str(folder), "--config", str(settings), "--out", str(before), "-q"]
    assert CliRunner().invoke(app, command).exit_code == 0
    command = ["compare", str(before), str(settings)]
    refused = CliRunner().invoke(app, command)
    assert refused.exit_code == 1
    assert "small.toml holds settings; say what to try them on, as in --on FOLDER" in refused.stderr
    result = CliRunner().invoke(app, [*command, "--on", str(folder)])
    assert result.exit_code == 0, result.output
    assert "difference not distinguishable from chance on 3 images" in result.stdout
    result = CliRunner().invoke(app, [*command, "--on", str(folder), "--json", "--samples", "100"])
    values = json.loads(result.stdout)
    assert (values["a"], values["b"], values["pictures"]) == ("before.json", "small.toml", 3)
    assert [row["difference"] for row in values["rows"]] == [0.0] * len(values["rows"])
