"""The page that `evaluate --video --report` writes."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mmras_cli.main import app
from mmras_stream.evaluation.drive_figures import Seen
from mmras_stream.evaluation.drives import FrameTruth
from mmras_stream.evaluation.filmstrips import PICTURES, FilmMaker
from mmras_stream.evaluation.overlaps import Overlaps, Rules
from moving import Shown, bright_model, write_drive
from pages import CHROMIUM, Tags, complaints_of_a_browser

SHOWN = (
    Shown(1, 5, 45, (8, 24, 24, 24), speed=2, bright=lambda index: index >= 15),
    Shown(2, 10, 30, (120, 60, 16, 16), bright=lambda _index: False),
    Shown(3, 20, 50, (90, 8, 16, 16), bright=lambda _index: False),
    Shown(None, 30, 44, (60, 70, 16, 16)),
    Shown(None, 12, 50, (8, 70, 16, 16)),
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drives")
    write_drive(folder, "a <b> & c", SHOWN)
    write_drive(folder, "calm", SHOWN[:1])
    out = tmp_path_factory.mktemp("report") / "made"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mmras_stream.model.load_model", lambda _settings: bright_model())
        command = ["evaluate", str(folder), "--video", "--smoothers", "none,ema"]
        result = CliRunner().invoke(app, [*command, "--report", str(out)])
    assert result.exit_code == 0, result.output
    assert f"open {out / 'index.html'}" in result.stdout
    return out


def test_the_page_is_whole_and_asks_for_nothing_else(report: Path) -> None:
    text = (report / "index.html").read_text("utf-8")
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert all(source.startswith("data:") for source in tags.sources)
    assert "<script" not in text
    assert "http" not in re.sub(r"http-equiv", "", text)
    assert "<h1>2 drives</h1>" in text
    assert "<h2>a &lt;b&gt; &amp; c over time</h2>" in text


def test_the_page_and_the_file_beside_it_say_the_same(report: Path) -> None:
    values = json.loads((report / "metrics.json").read_text())
    text = (report / "index.html").read_text("utf-8")
    whole = values["whole"]["none"]
    assert f"<b>{100 * whole['average_precision']:.1f} %</b>" in text
    assert f"<b>{whole['found_things']} of {whole['things']}</b>" in text
    assert (whole["found_things"], whole["things"], whole["false_tracks"]) == (2, 4, 2)


def test_each_missed_thing_and_each_false_track_has_a_strip_the_longest_first(
    report: Path,
) -> None:
    text = (report / "index.html").read_text("utf-8")
    titles = re.findall(r"<b>a &lt;b&gt; &amp; c · (\w+ \d+)</b>", text)
    assert [title.split()[0] for title in titles] == ["thing", "thing", "track", "track"]
    assert titles[:2] == ["thing 3", "thing 2"]
    frames = [int(count) for count in re.findall(r'class="quiet">(\d+) frames<', text)]
    assert frames[:2] == [30, 20]
    assert frames[2] > frames[3]
    assert text.count("<figure>") == 4 * PICTURES


def test_things_and_false_tracks_stand_below_the_scores(report: Path) -> None:
    text = (report / "index.html").read_text("utf-8")
    first, second = re.findall(r'<svg viewBox="0 0 1160 .*?</svg>', text)
    assert re.findall(r">(thing \d)<", first) == ["thing 1", "thing 2", "thing 3"]
    assert first.count(">missed<") == 2
    assert "found after" in first
    assert len(re.findall(r'class="wrong s0"', first)) == 2
    assert len(re.findall(r'class="wrong', second)) == 0
    for name in ("score s0", "score s1", "found s0", "found s1", "visible", "span"):
        assert f'class="{name}"' in first, name


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_browser_shows_the_page_without_complaint(report: Path, tmp_path: Path) -> None:
    assert complaints_of_a_browser(report / "index.html", tmp_path) == []


def made_seen(index: int, things: Sequence[int], pairs: dict[int, int]) -> Seen:
    from drives import made_result

    result = made_result(index, (1, 3, 0.9))
    masks = {thing: np.zeros((96, 160), np.bool_) for thing in things}
    for mask in masks.values():
        mask[40:60, 100:120] = True
    overlaps = Overlaps(tuple(things), (1,), np.zeros((len(things), 1)), np.zeros(1))
    return Seen("d", FrameTruth(masks, np.zeros((96, 160), np.bool_)), overlaps, pairs, result)


def test_a_long_strip_stays_short_and_spreads_over_the_whole() -> None:
    maker = FilmMaker(Rules())
    for index in range(300):
        maker(made_seen(index, [5], {}))
    (film,) = [film for key, film in maker._films.items() if key[1]]
    assert len(film.pictures) < 2 * PICTURES
    spread = film.spread()
    assert len(spread) == PICTURES
    step = float(Fraction(1001, 30000))
    assert spread[0].seconds == 0
    assert spread[-1].seconds > 0.8 * 299 * step


def test_what_is_found_is_forgotten() -> None:
    maker = FilmMaker(Rules())
    maker(made_seen(0, [5], {}))
    assert ("d", True, 5) in maker._films
    maker(made_seen(1, [5], {5: 1}))
    maker(made_seen(2, [5], {}))
    assert ("d", True, 5) not in maker._films


def test_a_track_that_proves_right_is_forgotten() -> None:
    maker = FilmMaker(Rules())
    seen = made_seen(0, [], {})
    maker(seen)
    assert ("d", False, 1) in maker._films
    maker(replace(seen, overlaps=replace(seen.overlaps, on_strange=np.ones(1))))
    assert ("d", False, 1) not in maker._films
