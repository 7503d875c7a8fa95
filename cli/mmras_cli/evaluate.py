"""`mmras-stream evaluate`: how well scores tell the strange from the ordinary."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mmras_cli.console import AsJson, Device, InputWidth, Quiet, Weights, print_json, reported

EXAMPLE = """
Example: mmras-stream evaluate RoadAnomaly21 --json

The folder holds images/NAME.jpg and labels_masks/NAME.png: 1 strange, 0 ordinary, 255 ignored.
"""


@reported
def evaluate(
    folder: Annotated[Path, typer.Argument(help="Holds images/ and labels_masks/.")],
    *,
    weights: Weights = "embedded",
    device: Device = "auto",
    input_width: InputWidth = 512,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure AuPRC, FPR95 and AUROC, pooled over a labelled folder."""
    from mmras_cli.progress import plain_progress
    from mmras_stream.evaluation.datasets import list_samples
    from mmras_stream.evaluation.pixel import PixelPool
    from mmras_stream.evaluation.scores import add_sample
    from mmras_stream.pipeline import load_model
    from mmras_stream.settings import load

    chosen = {"weights": weights, "device": device, "input_width": input_width}
    settings = load(overrides={"model": chosen, "proposals": {"threshold": 1.0}})
    samples = list_samples(folder)
    model, pool = load_model(settings), PixelPool()
    with plain_progress("evaluating", quiet=quiet or as_json) as show:
        for done, sample in enumerate(samples, start=1):
            add_sample(pool, sample, model)
            show(done / len(samples), f"{done} pictures")
    metrics = pool.metrics()
    values = {"folder": str(folder), "pictures": len(samples), "input_width": input_width}
    if as_json:
        print_json({**values, **asdict(metrics), "weights_sha256": model.backend.weights_sha256})
        return
    typer.echo(f"{folder}: {len(samples)} pictures, pooled, input {input_width} wide")
    typer.echo(f"  AuPRC {100 * metrics.average_precision:6.2f} %")
    typer.echo(f"  FPR95 {100 * metrics.fpr_at_95_tpr:6.2f} %  (no interpolation)")
    typer.echo(f"  AUROC {100 * metrics.auroc:6.2f} %")
