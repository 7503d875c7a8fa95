"""Tables of measurements on standard output, for people."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from mmras_cli.progress import printable

if TYPE_CHECKING:
    from mmras_stream.evaluation.comparison import Comparison
    from mmras_stream.evaluation.component import ComponentMetrics
    from mmras_stream.evaluation.measure import Evaluation


def evaluation_table(values: Mapping[str, object], evaluation: Evaluation) -> None:
    """Print what an evaluation found, pixels first."""
    console = Console(file=sys.stdout)
    console.print(
        printable(
            f"{values['split']}: {values['pictures']} pictures ({values['layout']} layout), "
            f"pooled, score {values['score']}"
        ),
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    metrics = evaluation.curve.metrics
    pixels = Table("pixels", "", "")
    pixels.columns[1].justify = "right"
    for name, value, remark in (
        ("AuPRC", metrics.average_precision, "average precision over distinct thresholds"),
        ("FPR95", metrics.fpr_at_95_tpr, "SegmentMeIfYouCan's, without interpolation"),
        ("FPR95", metrics.fpr_at_95_tpr_interpolated, "interpolated, as MMRAS+ has it"),
        ("AUROC", metrics.auroc, ""),
        ("best F1", evaluation.curve.best_f1, f"at {evaluation.curve.best_threshold:.4g}"),
    ):
        pixels.add_row(name, f"{100 * value:.2f} %", remark)
    console.print(pixels)
    console.print(_components(evaluation))


def _components(evaluation: Evaluation) -> Table:
    columns: dict[str, ComponentMetrics | None] = {
        "oracle threshold": evaluation.oracle,
        "calibrated threshold": evaluation.calibrated,
    }
    found = {name: metrics for name, metrics in columns.items() if metrics is not None}
    table = Table(f"components, {evaluation.track.name} track", *found)
    for column in table.columns[1:]:
        column.justify = "right"
    rows = {
        "threshold": [f"{m.threshold:.4g}" for m in found.values()],
        "F1 mean": [f"{100 * m.f1_mean:.2f} %" for m in found.values()],
        "sIoU": [f"{100 * m.siou_gt:.2f} %" for m in found.values()],
        "PPV": [f"{100 * m.ppv:.2f} %" for m in found.values()],
        "false components per picture": [
            f"{m.false_positives_per_frame:.2f}" for m in found.values()
        ],
        "components predicted / there": [
            f"{m.predicted_components} / {m.gt_components}" for m in found.values()
        ],
    }
    for name, cells in rows.items():
        table.add_row(name, *cells)
    return table


def comparison_table(comparison: Comparison) -> None:
    """Print two evaluations side by side, with intervals; shares in per cent."""
    table = Table("", "A", "B", "B - A", "better", show_lines=True)
    for column in table.columns[1:4]:
        column.justify = "right"
    for row in comparison.rows:
        scale = 100 if row.is_share else 1
        cells = [
            _with_interval(value, interval, scale, sign)
            for value, interval, sign in (
                (row.a, row.a_interval, ""),
                (row.b, row.b_interval, ""),
                (row.difference, row.difference_interval, "+"),
            )
        ]
        table.add_row(row.name, *cells, row.winner or "chance?")
    console = Console(file=sys.stdout)
    console.print(printable(f"A {comparison.a}"), markup=False, highlight=False, soft_wrap=True)
    console.print(printable(f"B {comparison.b}"), markup=False, highlight=False, soft_wrap=True)
    console.print(table)


def _with_interval(value: float, interval: tuple[float, float], scale: int, sign: str) -> str:
    low, high = (scale * end for end in interval)
    return f"{scale * value:{sign}.2f}\n{low:{sign}.2f} to {high:{sign}.2f}"
