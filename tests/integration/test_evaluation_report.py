"""The page that `evaluate --report` writes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from labelled import HEIGHT, WIDTH, labelled_folder, save
from mmras_cli.main import app
from mmras_stream.evaluation.component import FrameComponents
from mmras_stream.evaluation.datasets import Sample
from mmras_stream.evaluation.measure import PictureResult, PixelCounts
from mmras_stream.evaluation.panels import BYTES, MOST, PanelMaker, draw_panels, jpeg_within
from mmras_stream.evaluation.pixel import CurvePoint, PixelCurve, PixelMetrics
from mmras_stream.evaluation.store import Stored
from pages import CHROMIUM, Tags, complaints_of_a_browser


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = labelled_folder(tmp_path_factory.mktemp("sets") / "a <b> & c", 3)
    save(folder / "labels_masks" / "2.png", np.zeros((HEIGHT, WIDTH), np.uint8))
    out = tmp_path_factory.mktemp("report") / "made"
    command = ["evaluate", str(folder), "--input-width", "96", "--report", str(out)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "open " in result.stdout
    return out


def test_the_page_is_whole_and_asks_for_nothing_else(report: Path) -> None:
    text = (report / "index.html").read_text("utf-8")
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert all(source.startswith("data:") for source in tags.sources)
    assert sum(source.startswith("data:image/jpeg") for source in tags.sources) == 3 * 4
    assert "<script" not in text
    assert "http" not in re.sub(r"http-equiv", "", text)
    assert "<h1>a &lt;b&gt; &amp; c</h1>" in text


def test_the_page_and_the_file_beside_it_say_the_same(report: Path) -> None:
    values = json.loads((report / "metrics.json").read_text())
    text = (report / "index.html").read_text("utf-8")
    assert f"<b>{100 * values['average_precision']:.1f} %</b>" in text
    assert values["weights_sha256"] in text
    shown = re.findall(r"<header><b>(\d)</b><span class=\"quiet\">agreement ([\d.]+)", text)
    agreements = {p["name"]: p["agreement"] for p in values["per_picture"]}
    assert [name for name, _ in shown] == sorted(agreements, key=lambda name: agreements[name])
    for name, agreement in shown:
        assert float(agreement) == pytest.approx(100 * agreements[name], abs=0.06)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_browser_shows_the_page_without_complaint(report: Path, tmp_path: Path) -> None:
    assert complaints_of_a_browser(report / "index.html", tmp_path) == []


def made_picture(name: str, agreement: float) -> tuple[Stored, PictureResult]:
    rng = np.random.default_rng(len(name))
    stored = Stored(
        Sample(name, Path(name), lambda size: np.zeros(size, np.uint8)),
        np.zeros((8, 8), np.float32),
        np.zeros((8, 8), np.uint8),
        rng.integers(0, 255, (8, 8, 3), np.uint8),
    )
    nothing = FrameComponents((), ())
    counts = PixelCounts(0, 0, 0, 64)
    return stored, PictureResult(name, None, agreement, counts, nothing, None, (0,), (64,))


CURVE = PixelCurve(
    PixelMetrics(1.0, 0.0, 0.0, 1.0, 1, 1),
    best_f1=1.0,
    best_threshold=0.5,
    points=(CurvePoint(0.5, 1.0, 1.0, 0.0),),
    lowest=0.0,
    highest=1.0,
    share_at_highest=0.0,
)


def test_of_many_pictures_only_the_worst_are_kept() -> None:
    maker = PanelMaker(MOST + 20)
    for number in np.random.default_rng(0).permutation(MOST + 20):
        maker(*made_picture(str(number), number / 1000), CURVE)
    kept = [shown.picture.name for shown in maker.worst_first]
    assert kept == [str(number) for number in range(MOST)]


def test_a_panel_fits_into_its_share_of_the_page() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (270, 480, 3), np.uint8)
    for pictures in (1, 230, 5000):
        budget = min(40_000, BYTES // (4 * min(pictures, MOST)))
        assert len(jpeg_within(noise, budget)) <= budget
        assert 4 * min(pictures, MOST) * budget * 4 / 3 < 10e6


def test_panels_tell_found_false_missed_and_ignored_apart() -> None:
    scores = np.zeros((40, 40), np.float32)
    scores[:, :20] = 1
    gt_mask = np.zeros((40, 40), np.uint8)
    gt_mask[:20] = 1
    gt_mask[30:] = 255
    image = np.full((40, 40, 3), 128, np.uint8)
    sample = Sample("x", Path("x"), lambda _size: gt_mask)
    panels = draw_panels(Stored(sample, scores, gt_mask, image), CURVE)
    errors = panels["errors"].astype(int)
    found, missed, false = errors[10, 10], errors[10, 30], errors[25, 10]
    assert found.argmax() == 1
    assert missed[0] > missed[2] > missed[1]
    assert false[0] > false[1] > false[2]
    assert (errors[35, 10] == errors[35, 30]).all()
    assert errors[35, 10].max() < errors[25, 30].min()
    assert (panels["mask"][35, 10] == panels["mask"][35, 30]).all()
