"""Stream dashcam video through an anomaly-segmentation model."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmras_stream.errors import MmrasError
    from mmras_stream.export.report import RunReport
    from mmras_stream.model import Model, load_model
    from mmras_stream.pipeline import results, run
    from mmras_stream.settings import Settings
    from mmras_stream.settings import load as load_settings
    from mmras_stream.types import (
        AnomalyMap,
        Frame,
        FrameResult,
        Proposal,
        VideoInfo,
    )

__all__ = [
    "AnomalyMap",
    "Frame",
    "FrameResult",
    "MmrasError",
    "Model",
    "Proposal",
    "RunReport",
    "Settings",
    "VideoInfo",
    "load_model",
    "load_settings",
    "results",
    "run",
]

_HOMES = {
    "MmrasError": ("errors", "MmrasError"),
    "RunReport": ("export.report", "RunReport"),
    "Settings": ("settings", "Settings"),
    "load_settings": ("settings", "load"),
    "Model": ("model", "Model"),
    "load_model": ("model", "load_model"),
    "results": ("pipeline", "results"),
    "run": ("pipeline", "run"),
}


def __getattr__(name: str) -> object:
    # names are found when they are first used, so that the import itself costs next to nothing
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES.get(name, ("types", name))
    return getattr(import_module(f"{__name__}.{module}"), attribute)
