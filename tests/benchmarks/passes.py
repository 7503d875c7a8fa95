"""One network in a process of its own, which makes a pass each time it is told to.

    python -m benchmarks.passes exact|fast|transformers|whole

`exact` and `fast` bring a 1280x720 picture to scores; `transformers` runs its Mask2Former on the
same input, prepared beforehand and left as masks; `whole` enlarges and sums these masks after it,
as the published code does. Each line read makes a pass; each line written is one JSON object.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it

import torchvision_operators  # noqa: F401 - before anything imports torchvision
from golden.data import picture
from golden.runs import state
from mmras_stream.inference.published import geometry, network_pixels
from mmras_stream.model import load_model
from mmras_stream.settings import load
from mmras_stream.types import ColourMatrix, FrameBatch, PixelFormat

HEIGHT, WIDTH = 720, 1280
SEED = 101

Pass = Callable[[], npt.NDArray[np.float32] | None]


def ours(*, fast: bool) -> Pass:
    """Return a pass of the backend, from a picture to its scores."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "published.pth"
        torch.save({"model": state()}, path)
        chosen = {"name": "r50", "weights": str(path), "fast": fast}
        model = load_model(
            load(overrides={"model": chosen, "proposals": {"threshold": 1.0}}),
        )
    planes = picture(SEED, HEIGHT, WIDTH)[0][:, None]
    rgb = PixelFormat(ColourMatrix.RGB, full_range=True)
    batch = FrameBatch((0,), (0,), Fraction(1), (planes[0], planes[1], planes[2]), rgb)

    def once() -> npt.NDArray[np.float32]:
        (scored,) = model.score_maps(batch, model.predict(batch))
        return scored.scores

    return once


def theirs(*, whole: bool) -> Pass:
    """Return a pass of transformers' network."""
    import transformers

    stages = ["stage1", "stage2", "stage3", "stage4"]
    backbone = transformers.ResNetConfig(out_features=stages)
    config = transformers.Mask2FormerConfig(backbone_config=backbone, num_labels=19)
    network: Any = transformers.Mask2FormerForUniversalSegmentation(config).eval()
    sizes = geometry(HEIGHT, WIDTH)
    pixels = network_pixels(picture(SEED, HEIGHT, WIDTH), sizes)

    @torch.inference_mode()
    def once() -> None:
        seen = network(pixels)
        if whole:
            masks = F.interpolate(seen.masks_queries_logits, sizes.padded, mode="bilinear")
            classes = seen.class_queries_logits.softmax(-1)[..., :-1]
            torch.einsum("nqk,nqhw->nkhw", classes, masks.sigmoid())

    return once


def main(kind: str) -> None:
    """Load, then make a pass for each line of standard input."""
    passes = {
        "exact": lambda: ours(fast=False),
        "fast": lambda: ours(fast=True),
        "transformers": lambda: theirs(whole=False),
        "whole": lambda: theirs(whole=True),
    }
    once = passes[kind]()
    for line in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        scores = once()
        costs = {
            "wall": time.perf_counter() - wall,
            "cpu": time.process_time() - cpu,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        if scores is not None and line.strip():
            np.save(line.strip(), scores)
        print(json.dumps(costs), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
