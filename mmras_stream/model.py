"""A network, the score made from it and the words for what it finds, loaded together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mmras_stream.errors import SettingsError
from mmras_stream.protocols import Backend, Namer, Scorer
from mmras_stream.registry import Kind, load
from mmras_stream.scoring.calibration import read_calibration
from mmras_stream.scoring.ensemble import (
    Shares,
    chosen_shares,
    default_shares,
    load_scorer,
    shares_text,
)
from mmras_stream.scoring.road import road_class, road_masks
from mmras_stream.settings import Settings
from mmras_stream.types import AnomalyMap, FrameBatch, Mask, SegmentationOutput


@dataclass(frozen=True, slots=True)
class Model:
    """A network with what is made of it; stateless, so one serves all drives."""

    backend: Backend
    scorer: Scorer
    threshold: float
    """Score above which a place is strange."""
    score: str = ""
    """What `scorer` adds up, as `run.json` tells it."""
    text: str = ""
    """By what image and text are compared, as `run.json` tells it."""
    flip: bool = False
    """Average each score with that of the mirrored picture."""
    new_namer: Callable[[], Namer] | None = None
    """Makes what names the things of one drive, where that is asked for."""
    road: int | None = None
    """Number of the class that is the road, where the network knows it."""

    def predict(self, batch: FrameBatch) -> tuple[SegmentationOutput, ...]:
        """Look at a batch, and at its mirror image where that is asked for."""
        return tuple(self.backend.predict(view) for view in self._views(batch))

    def score_maps(
        self, batch: FrameBatch, outputs: Sequence[SegmentationOutput]
    ) -> Sequence[AnomalyMap]:
        """Turn what `predict` returned into one map per frame."""
        plain, *mirrored = (
            self.scorer.score(view, output)
            for view, output in zip(self._views(batch), outputs, strict=True)
        )
        if not mirrored:
            return plain
        return [
            replace(one, scores=np.float32(0.5) * (one.scores + other.scores[:, ::-1]))
            for one, other in zip(plain, mirrored[0], strict=True)
        ]

    def road_masks(
        self, batch: FrameBatch, outputs: Sequence[SegmentationOutput]
    ) -> Sequence[Mask | None]:
        """Return where `predict` saw the road, for each frame; None where that is not known."""
        return [None] * len(batch) if self.road is None else road_masks(outputs[0], self.road)

    def _views(self, batch: FrameBatch) -> tuple[FrameBatch, ...]:
        return (batch, batch.mirrored()) if self.flip else (batch,)


def load_model(settings: Settings) -> Model:
    """Load the network, score and words that `settings` name; see that the other plugins exist.

    Raises:
        PluginError: a plugin is unknown or broken, or a package that it needs is missing.
        CheckpointError: weights are missing or damaged.
        SettingsError: the threshold is `auto` and the weights carry none, words do not fit, or the
            network does not know the road and it matters.
    """
    from mmras_stream.inference.naming import load_namers
    from mmras_stream.inference.text import branch_used

    load(Kind.SMOOTHER, settings.temporal.smoother)
    load(Kind.MOTION, settings.temporal.motion)
    for name in settings.output.exporters:
        load(Kind.EXPORTER, name)
    backend: Backend = load(Kind.BACKEND, settings.model.name)(settings.model)
    road = road_class(backend.traits.classes)
    if road is None and settings.proposals.on_road is not None:
        raise SettingsError(
            "proposals.on_road needs a network with a class for the road; this one has "
            f"{', '.join(backend.traits.classes) or 'no names of classes'}"
        )
    shares = chosen_shares(settings.score.name, backend.traits)
    for name in shares:
        load(Kind.SCORER, name)
    threshold = _threshold(settings, backend, shares)  # before text is embedded, which can be long
    return Model(
        backend,
        load_scorer(shares, settings, backend.traits),
        threshold,
        score=shares_text(shares),
        text=branch_used(settings, shares, backend.traits),
        flip=settings.score.tta == "flip",
        new_namer=load_namers(settings, backend.traits),
        road=road,
    )


def _threshold(settings: Settings, backend: Backend, shares: Shares) -> float:
    threshold = settings.proposals.threshold
    if threshold != "auto":
        return threshold
    if settings.proposals.calibration is not None:
        calibration = read_calibration(Path(settings.proposals.calibration))
        calibration.check(
            settings, score=shares_text(shares), weights_sha256=backend.weights_sha256
        )
        return calibration.threshold
    if backend.threshold is None:
        raise SettingsError(
            f"the weights {settings.model.weights!r} carry no calibrated threshold; "
            "give one, as in --threshold 0.5, or find one with 'mmras-stream calibrate'"
        )
    if shares != default_shares(backend.traits):
        raise SettingsError(
            f"the weights {settings.model.weights!r} are calibrated for the score "
            f"{shares_text(default_shares(backend.traits))}, not for {shares_text(shares)}; "
            "give a threshold, as in --threshold 0.5"
        )
    return backend.threshold
