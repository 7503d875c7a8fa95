from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from mmras_cli.main import app
from mmras_stream.errors import DataError
from mmras_stream.evaluation.comparison import Row
from mmras_stream.evaluation.video_comparison import (
    RecordedVideo,
    compare_videos,
    is_video_record,
    read_video_record,
    recorded_video,
)
from mmras_stream.evaluation.video_record import FORMAT


def thing(number: int, found: int, *, flips: int = 1, visible: int = 100) -> dict[str, Any]:
    return {
        "track_id": number,
        "found_frames": found,
        "visible_frames": visible,
        "delay_ms": 40.0 * (visible - found) if found else None,
        "flips": flips,
    }


def course(things: list[dict[str, Any]], *, false: int = 1, precision: float = 0.5) -> Any:
    visible = sum(one["visible_frames"] for one in things)
    hits = sum(one["found_frames"] for one in things)
    return {
        "per_thing": things,
        "things": len(things),
        "found_things": sum(one["found_frames"] > 0 for one in things),
        "visible": visible,
        "misses": visible - hits,
        "false_regions": 10 * false,
        "switches": 0,
        "delays_ms": [one["delay_ms"] for one in things if one["delay_ms"] is not None],
        "flips": sum(one["flips"] for one in things),
        "average_precision": precision,
        "fpr_at_95_tpr": 0.1,
        "tc_total": 80.0,
        "tc_pairs": 100,
        "false_tracks": false,
        "minutes": 0.5,
        "id_true_positives": hits,
    }


def record(*courses: Any, smoothers: tuple[str, ...] = ("flow",)) -> dict[str, Any]:
    drives = [
        {"name": f"d{place}", "courses": dict.fromkeys(smoothers, one)}
        for place, one in enumerate(courses)
    ]
    return {"format": FORMAT, "smoothers": list(smoothers), "drives": drives}


def recorded(*courses: Any, name: str = "x") -> RecordedVideo:
    return recorded_video(record(*courses), "flow", name=name)


def rows_of(a: RecordedVideo, b: RecordedVideo) -> dict[str, Row]:
    return {row.name: row for row in compare_videos(a, b, samples=400).rows}


def many(shift: int, *, false: int = 1, precision: float = 0.5) -> RecordedVideo:
    rng = np.random.default_rng(0)
    return recorded(
        *(
            course(
                [thing(k, int(rng.integers(20, 80)) + shift) for k in range(3)],
                false=false,
                precision=precision + 0.01 * d,
            )
            for d in range(6)
        )
    )


def test_drives_are_drawn_where_there_are_five() -> None:
    a, b = many(0), many(10, false=3, precision=0.6)
    comparison = compare_videos(a, b)
    assert (comparison.pictures, comparison.unit) == (6, "drives")
    assert comparison.verdict.startswith("AuPRC, mean over drives: B is better; B - A is +10.0")
    assert comparison.verdict.endswith("on 6 drives")
    rows = rows_of(a, b)
    assert rows["false tracks a minute"].a == 2
    assert rows["false tracks a minute"].b == 6
    assert rows["false tracks a minute"].winner == "A"
    assert rows["frames in which things are found"].difference == pytest.approx(0.1)
    assert rows["frames in which things are found"].winner == "B"
    assert rows["TC"].winner == ""
    low, high = rows["MOTA"].a_interval
    assert low < rows["MOTA"].a < high


def test_figures_of_the_whole_are_sums_over_drives() -> None:
    one = recorded(course([thing(1, 60), thing(2, 0)], false=2), *[course([thing(1, 90)])] * 4)
    rows = rows_of(one, one)
    assert rows["things found"].a == 5 / 6
    assert rows["MOTA"].a == pytest.approx(1 - (140 + 20 + 4 * 20) / 600)
    hits = 60 + 4 * 90
    assert rows["IDF1"].a == pytest.approx(2 * hits / (600 + hits + 60))
    assert rows["mean delay, ms"].a == pytest.approx((1600 + 4 * 400) / 5)


def test_of_few_drives_things_are_drawn() -> None:
    a = recorded(course([thing(k, 10 * k, flips=2 * k) for k in range(8)]))
    b = recorded(course([thing(k, 10 * k + 20, flips=0) for k in range(8)]))
    comparison = compare_videos(a, b)
    assert (comparison.pictures, comparison.unit) == (8, "things")
    assert [row.name for row in comparison.rows] == [
        "things found",
        "frames in which things are found",
        "mean delay, ms",
        "flips of a thing",
    ]
    assert comparison.rows[1].winner == comparison.rows[3].winner == "B"


def test_too_little_or_something_else_is_refused() -> None:
    few = recorded(course([thing(1, 10)]))
    with pytest.raises(DataError, match="1 drives with 1 things are too few to tell a difference"):
        compare_videos(few, few)
    with pytest.raises(DataError, match="thing 2 of d0 is in one of x and x alone"):
        compare_videos(few, recorded(course([thing(1, 10), thing(2, 10)])))
    with pytest.raises(DataError, match="things are not visible in as many frames in x as in x"):
        compare_videos(few, recorded(course([thing(1, 10, visible=90)])))


def test_a_smoother_is_chosen_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "v.json"
    path.write_text(json.dumps(record(course([thing(1, 5)]), smoothers=("flow", "none"))))
    assert is_video_record(path)
    assert not is_video_record(tmp_path / "absent.json")
    assert read_video_record(path).name == "v.json, smoother flow"
    assert read_video_record(path, "none").name == "v.json, smoother none"
    with pytest.raises(DataError, match=r"v.json has no smoother 'ema'; it has flow, none"):
        read_video_record(path, "ema")
    path.write_text("{}")
    with pytest.raises(DataError, match="is no record of a video evaluation: KeyError"):
        read_video_record(path)


def test_two_smoothers_of_one_file_are_compared_at_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "v.json"
    courses = [course([thing(1, 50)], precision=0.1 * d) for d in range(5)]
    path.write_text(json.dumps(record(*courses, smoothers=("flow", "none"))))
    command = ["compare", str(path), str(path), "--smoothers", "flow,none"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "smoother none" in result.stdout
    assert "difference not distinguishable from chance on 5 drives" in result.stdout
    values = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    assert (values["unit"], values["pictures"]) == ("drives", 5)
    refused = CliRunner().invoke(app, [*command[:-1], "flow"])
    assert refused.exit_code == 1
    assert "--smoothers names one of A and one of B" in refused.stderr
