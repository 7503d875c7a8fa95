"""Draw curves and histograms as SVG; the page that holds them gives the colours."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from mmras_stream.evaluation.measure import Evaluation, PixelCounts

WIDTH, HEIGHT = 560, 360

_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 18, 18, 46

_FAINTEST = 1e-6
"""Share of pixels at the foot of a histogram, whose scale is logarithmic."""


@dataclass(frozen=True, slots=True)
class _Plot:
    """Maps values to places in the picture."""

    x: tuple[float, float]
    """Values at the left and the right end."""
    y: tuple[float, float]
    """Values at the bottom and the top."""

    def across(self, value: float) -> float:
        share = (value - self.x[0]) / (self.x[1] - self.x[0])
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)

    def up(self, value: float) -> float:
        share = (value - self.y[0]) / (self.y[1] - self.y[0])
        return round(HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM), 1)

    def line(self, points: Iterable[tuple[float, float]], kind: str) -> str:
        path = " ".join(f"{self.across(x)},{self.up(y)}" for x, y in points)
        return f'<polyline class="{kind}" points="{path}"/>'

    def frame(
        self,
        x_ticks: Sequence[tuple[float, str]],
        y_ticks: Sequence[tuple[float, str]],
        names: tuple[str, str],
    ) -> Iterable[str]:
        for x, text in x_ticks:
            yield _text(self.across(x), HEIGHT - _BOTTOM + 18, text, "tick middle")
        for y, text in y_ticks:
            yield self.line([(self.x[0], y), (self.x[1], y)], "grid")
            yield _text(_LEFT - 8, self.up(y) + 4, text, "tick end")
        yield _text((WIDTH + _LEFT - _RIGHT) / 2, HEIGHT - 8, names[0], "name middle")
        middle = (HEIGHT + _TOP - _BOTTOM) / 2
        turned = f'transform="rotate(-90 14 {middle:g})"'
        yield f'<text x="14" y="{middle:g}" class="name middle" {turned}>{escape(names[1])}</text>'


def precision_recall_chart(evaluation: Evaluation) -> str:
    """Draw precision over recall, with both thresholds and faint lines of equal F1."""
    plot = _Plot((0, 1), (0, 1))
    ticks = [(step / 5, f"{step / 5:.1f}") for step in range(6)]
    parts = list(plot.frame(ticks, ticks, ("recall", "precision")))
    for f1 in (0.2, 0.4, 0.6, 0.8):
        recalls = [f1 / (2 - f1) + step / 60 * (1 - f1 / (2 - f1)) for step in range(61)]
        parts.append(plot.line([(r, f1 * r / (2 * r - f1)) for r in recalls], "equal"))
        parts.append(_text(plot.across(1) - 4, plot.up(f1 / (2 - f1)) - 4, f"F1 {f1}", "hint end"))
    metrics = evaluation.curve.metrics
    chance = metrics.anomaly_pixels / (metrics.anomaly_pixels + metrics.ordinary_pixels)
    parts.append(plot.line([(0, chance), (1, chance)], "chance"))
    parts.append(plot.line([(p.recall, p.precision) for p in evaluation.curve.points], "curve"))
    for name, counts, side in _thresholds(evaluation):
        x, y = plot.across(counts.recall), plot.up(counts.precision)
        parts.append(f'<circle class="mark {name}" cx="{x}" cy="{y}" r="5.5"/>')
        anchor, shift = ("end", -10) if counts.recall > 0.85 else ("start", 10)
        parts.append(_text(x + shift, y + side, name, f"label {name} {anchor}"))
    return _svg(parts, "Precision over recall of pixels")


def histogram_chart(evaluation: Evaluation) -> str:
    """Draw how the scores of ordinary and of strange pixels are spread, on a log scale."""
    edges = evaluation.histogram_edges
    decades = range(round(math.log10(_FAINTEST)), 1)
    plot = _Plot((edges[0], edges[-1]), (math.log10(_FAINTEST), 0))
    x_ticks = [(edges[0] + (edges[-1] - edges[0]) * k / 5) for k in range(6)]
    parts = list(
        plot.frame(
            [(x, f"{x:.2g}") for x in x_ticks],
            [(float(d), f"{10.0 ** (d + 2):.6g} %") for d in decades if d % 2 == 0],
            ("score", "share of its pixels"),
        )
    )
    for name, counts in (
        ("ordinary", evaluation.ordinary_histogram),
        ("strange", evaluation.strange_histogram),
    ):
        total = max(1, sum(counts))
        heights = [math.log10(max(count / total, _FAINTEST)) for count in counts]
        outline = [(edges[0], plot.y[0])]
        for begin, end, height in zip(edges[:-1], edges[1:], heights, strict=True):
            outline += [(begin, height), (end, height)]
        outline.append((edges[-1], plot.y[0]))
        parts.append(plot.line(outline, f"bars {name}"))
    thresholds = {"oracle": evaluation.curve.best_threshold}
    if evaluation.calibrated is not None:
        thresholds["calibrated"] = evaluation.calibrated.threshold
    for row, (name, value) in enumerate(thresholds.items()):
        if edges[0] <= value <= edges[-1]:
            parts.append(plot.line([(value, plot.y[0]), (value, plot.y[1])], f"rule {name}"))
            anchor, shift = ("end", -5) if plot.across(value) > WIDTH / 2 else ("start", 5)
            place = plot.across(value) + shift
            parts.append(_text(place, _TOP + 12 + 16 * row, name, f"label {name} {anchor}"))
    return _svg(parts, "Scores of ordinary and of strange pixels")


def _thresholds(evaluation: Evaluation) -> Iterable[tuple[str, PixelCounts, int]]:
    """Yield the name, the counts and how far below its mark the name stands."""
    yield "oracle", evaluation.oracle_pixels, -8
    if evaluation.calibrated_pixels is not None:
        yield "calibrated", evaluation.calibrated_pixels, 16


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{escape(text)}</text>'


def _svg(parts: Iterable[str], title: str) -> str:
    head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
    return f"{head}{''.join(parts)}</svg>"
