"""`mmras-stream evaluate`: how well scores tell the strange from the ordinary."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mmras_cli.console import (
    AsJson,
    Config,
    Device,
    Fast,
    InputWidth,
    ModelName,
    Precision,
    Quiet,
    Score,
    ShortEdge,
    Tta,
    Weights,
    given,
    model_options,
    print_json,
    reported,
)

EXAMPLE = """
Example: mmras-stream evaluate RoadAnomaly21 --json

The folder holds images/NAME.jpg and labels_masks/NAME.png: 1 strange, 0 ordinary, 255 ignored.
"""


@reported
def evaluate(
    folder: Annotated[Path, typer.Argument(help="Holds images/ and labels_masks/.")],
    *,
    config: Config = None,
    model: ModelName = None,
    weights: Weights = None,
    device: Device = None,
    precision: Precision = None,
    input_width: InputWidth = None,
    short_edge: ShortEdge = None,
    fast: Fast = None,
    score: Score = None,
    tta: Tta = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure AuPRC, FPR95 and AUROC, pooled over a labelled folder."""
    from mmras_cli.progress import plain_progress
    from mmras_stream.evaluation.datasets import list_samples
    from mmras_stream.evaluation.pixel import PixelPool
    from mmras_stream.evaluation.scores import add_sample
    from mmras_stream.model import load_model
    from mmras_stream.settings import load

    chosen = model_options(
        model,
        weights,
        device=device,
        precision=precision,
        input_width=input_width,
        short_edge=short_edge,
        fast=fast,
    )
    sections: dict[str, dict[str, object]] = {
        "model": chosen,
        "score": {"name": score, "tta": tta},
        "proposals": {"threshold": 1.0},  # of which nothing is made here
    }
    settings = load(config, given(sections))
    samples = list_samples(folder)
    loaded, pool = load_model(settings), PixelPool()
    with plain_progress("evaluating", quiet=quiet or as_json) as show:
        for done, sample in enumerate(samples, start=1):
            add_sample(pool, sample, loaded)
            show(done / len(samples), f"{done} pictures")
    metrics = pool.metrics()
    if as_json:
        print_json(
            {
                "folder": str(folder),
                "pictures": len(samples),
                "score": loaded.score,
                "settings": settings.to_dict(),
                "weights_sha256": loaded.backend.weights_sha256,
                **asdict(metrics),
            }
        )
        return
    typer.echo(f"{folder}: {len(samples)} pictures, pooled, score {loaded.score}")
    typer.echo(f"  AuPRC {100 * metrics.average_precision:6.2f} %")
    typer.echo(f"  FPR95 {100 * metrics.fpr_at_95_tpr:6.2f} %  (no interpolation)")
    typer.echo(f"  AUROC {100 * metrics.auroc:6.2f} %")
