"""Let torchvision be imported beside a PyTorch it was not built for.

PyPI's torchvision for Linux loads its operators beside the CUDA build of PyTorch alone; beside a
CPU build its import fails, and with it those of open_clip and transformers. Nothing here calls an
operator, so their schemas are enough. Users whose torch and torchvision match need none of this.
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version

import torch


def _mismatched() -> bool:
    try:
        built_for_cpu = version("torchvision").endswith("+cpu")
    except PackageNotFoundError:
        return False
    return sys.platform == "linux" and torch.version.cuda is None and not built_for_cpu


def _define() -> torch.library.Library | None:
    if not _mismatched():
        return None
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]  # torch's own lack
    for schema in (
        "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
        "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    ):
        library.define(schema)  # type: ignore[no-untyped-call]  # torch's own lack
    return library


LIBRARY = _define()
"""Kept: the schemas go when it goes."""
