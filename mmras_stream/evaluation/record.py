"""An evaluation as JSON: to be read by people and programs, and compared later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from mmras_stream.atomic import partial_path, publish, reported
from mmras_stream.evaluation.component import TAUS, ComponentMetrics
from mmras_stream.evaluation.datasets import Split
from mmras_stream.evaluation.measure import Evaluation, PictureResult
from mmras_stream.export.report import installed_versions
from mmras_stream.model import Model
from mmras_stream.settings import Settings

FORMAT = "mmras-stream evaluation 1"


def record(
    evaluation: Evaluation, split: Split, model: Model, settings: Settings, *, folder: Path
) -> dict[str, object]:
    """Return everything about an evaluation as JSON values; see `summary` for less."""
    curve = evaluation.curve
    return {
        "format": FORMAT,
        "folder": str(folder),
        "split": split.name,
        "layout": split.layout.value,
        "track": evaluation.track.name,
        "pictures": len(split.samples),
        "score": model.score,
        "tta": model.tta,
        "text": model.text,
        **asdict(curve.metrics),
        "fpr_convention": "SegmentMeIfYouCan: first threshold with TPR >= 0.95, no interpolation",
        "best_f1": curve.best_f1,
        "oracle_threshold": curve.best_threshold,
        "components_oracle": asdict(evaluation.oracle),
        "components_calibrated": _optional(evaluation.calibrated),
        "pixels_calibrated": _pixels(evaluation),
        "taus": list(TAUS),
        "notes": list(evaluation.notes),
        "weights_sha256": model.backend.weights_sha256,
        "settings": settings.to_dict(),
        "versions": installed_versions(),
        "levels": list(evaluation.levels),
        "per_picture": [_picture(picture) for picture in evaluation.pictures],
    }


def summary(values: Mapping[str, object]) -> dict[str, object]:
    """Return a record without what only a later comparison needs."""
    return {name: value for name, value in values.items() if name not in ("levels", "per_picture")}


def write_record(values: Mapping[str, object], path: Path) -> None:
    """Write a record, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    text = json.dumps(values, ensure_ascii=False, allow_nan=False) + "\n"
    with reported(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial_path(path).write_text(text, encoding="utf-8", errors="backslashreplace")
    publish(path)


def _picture(picture: PictureResult) -> dict[str, object]:
    return {
        "name": picture.name,
        "average_precision": picture.average_precision,
        "agreement": round(picture.agreement, 6),
        **{
            f"{name}_{field}": [round(value, 6) for value in getattr(frame, field)]
            for name, frame in (("oracle", picture.oracle), ("calibrated", picture.calibrated))
            if frame is not None
            for field in ("siou", "ppv")
        },
        "strange_counts": list(picture.strange_counts),
        "ordinary_counts": list(picture.ordinary_counts),
    }


def _optional(metrics: ComponentMetrics | None) -> dict[str, object] | None:
    return None if metrics is None else asdict(metrics)


def _pixels(evaluation: Evaluation) -> dict[str, float] | None:
    counts = evaluation.calibrated_pixels
    if counts is None:
        return None
    return {"precision": counts.precision, "recall": counts.recall, "f1": counts.f1}
