"""Write an evaluation as one page of HTML that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from mmras_stream.evaluation.charts import histogram_chart, precision_recall_chart
from mmras_stream.evaluation.component import ComponentMetrics
from mmras_stream.evaluation.measure import Evaluation
from mmras_stream.evaluation.pages import card, filled, flat, pair_rows, percent, publish_page
from mmras_stream.evaluation.panels import Shown


def write_page(
    evaluation: Evaluation, values: Mapping[str, object], shown: Sequence[Shown], path: Path
) -> None:
    """Write the page, whole or not at all.

    Args:
        evaluation: What was measured.
        values: Its record.
        shown: Pictures in the order in which they are to be shown.
        path: Of the HTML file; its folder is made.

    Raises:
        OutputError: it cannot be written.
    """
    publish_page(page(evaluation, values, shown), path)


def page(evaluation: Evaluation, values: Mapping[str, object], shown: Sequence[Shown]) -> str:
    """Return the page; see `write_page`."""
    track = evaluation.track
    left_out = len(evaluation.pictures) - len(shown)
    parts = {
        "title": escape(str(values["split"])),
        "subtitle": escape(
            f"{values['pictures']} pictures in the {values['layout']} layout, all pixels pooled "
            f"· score {values['score']}"
        ),
        "cards": "".join(_cards(evaluation)),
        "notes": "".join(f'<p class="note">{escape(note)}</p>' for note in evaluation.notes),
        "curve": precision_recall_chart(evaluation),
        "histogram": histogram_chart(evaluation),
        "components": _component_rows(evaluation),
        "components_legend": escape(
            f"{track.name.capitalize()} track: predicted components below {track.least_predicted} "
            f"pixels are dropped, true ones below {track.least_gt} ignored. F1 is the mean over "
            "overlaps of 0.25 to 0.75; a component is false if less than a quarter of it lies on "
            "something strange."
        ),
        "left_out": f" {left_out} better ones are not shown." if left_out else "",
        "pictures": "".join(_article(one) for one in shown),
        "provenance": pair_rows(
            [
                ("folder", values["folder"]),
                ("weights sha256", values["weights_sha256"] or "none"),
                *flat(values["versions"]),
            ]
        ),
        "settings": pair_rows(flat(values["settings"])),
    }
    return filled("picture_sections.html", parts)


def _cards(evaluation: Evaluation) -> Iterable[str]:
    metrics = evaluation.curve.metrics
    oracle, fixed = evaluation.oracle, evaluation.calibrated
    yield card("AuPRC", percent(metrics.average_precision), "average precision, higher is better")
    yield card(
        "FPR95",
        percent(metrics.fpr_at_95_tpr),
        f"without interpolation; with it {percent(metrics.fpr_at_95_tpr_interpolated)}",
    )
    yield card("AUROC", percent(metrics.auroc), "pairs of pixels in the right order")
    yield card("F1 of components", percent(oracle.f1_mean), "at the oracle threshold")
    if fixed is not None:
        yield card("F1 of components", percent(fixed.f1_mean), "at the calibrated threshold")
        yield card(
            "False components",
            f"{fixed.false_positives_per_frame:.2f}",
            "in a picture, at the calibrated threshold",
        )


def _component_rows(evaluation: Evaluation) -> str:
    columns: list[tuple[str, ComponentMetrics]] = [("oracle", evaluation.oracle)]
    if evaluation.calibrated is not None:
        columns.append(("calibrated", evaluation.calibrated))
    head = "".join(f"<th>{name} threshold</th>" for name, _ in columns)
    found = [metrics for _, metrics in columns]
    rows = {
        "threshold": [f"{m.threshold:.4g}" for m in found],
        "F1 mean": [percent(m.f1_mean) for m in found],
        "sIoU of what is there": [percent(m.siou_gt) for m in found],
        "PPV of what is predicted": [percent(m.ppv) for m in found],
        "false components in a picture": [f"{m.false_positives_per_frame:.2f}" for m in found],
        "components there": [str(m.gt_components) for m in found],
        "components predicted": [str(m.predicted_components) for m in found],
    }
    body = "".join(
        f"<tr><td>{name}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        for name, cells in rows.items()
    )
    return f"<tr><th></th>{head}</tr>{body}"


def _article(shown: Shown) -> str:
    picture = shown.picture
    facts = [f"agreement {percent(picture.agreement)}"]
    if picture.average_precision is None:
        facts.append("nothing strange in it")
    else:
        facts.append(f"AuPRC {percent(picture.average_precision)}")
    facts.append(f"{sum(v < 0.25 for v in picture.oracle.ppv)} false components")
    figures = "".join(
        f'<figure><img loading="lazy" alt="{name} of {escape(picture.name)}" src="{uri}">'
        f"<figcaption>{name}</figcaption></figure>"
        for name, uri in shown.panels.items()
    )
    quiet = "".join(f'<span class="quiet">{fact}</span>' for fact in facts)
    return (
        f"<article><header><b>{escape(picture.name)}</b>{quiet}</header>"
        f'<div class="panels">{figures}</div></article>'
    )
