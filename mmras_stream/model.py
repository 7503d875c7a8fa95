"""A network, the score made from it and the words for what it finds, loaded together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmras_stream.errors import SettingsError
from mmras_stream.protocols import Backend, Namer, Scalable, Scorer
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
from mmras_stream.scoring.views import with_coarse, with_mirrored
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
    coarse: Backend | None = None
    """The same network, which looks at pictures at half the size too; not beside `flip`."""
    new_namer: Callable[[], Namer] | None = None
    """Makes what names the things of one drive, where that is asked for."""
    road: int | None = None
    """Number of the class that is the road, where the network knows it."""

    @property
    def tta(self) -> str:
        """Which of these looks there is, as `score.tta` names it."""
        if self.flip:
            return "flip"
        return "none" if self.coarse is None else "scales"

    def predict(self, batch: FrameBatch) -> tuple[SegmentationOutput, ...]:
        """Look at a batch, and at its mirror image or at half its size where that is asked for."""
        return tuple(backend.predict(view) for backend, view in self._looks(batch))

    def score_maps(
        self, batch: FrameBatch, outputs: Sequence[SegmentationOutput]
    ) -> Sequence[AnomalyMap]:
        """Turn what `predict` returned into one map per frame."""
        plain, *second = (
            self.scorer.score(view, output)
            for (_, view), output in zip(self._looks(batch), outputs, strict=True)
        )
        if not second:
            return plain
        joined = with_mirrored if self.flip else with_coarse
        return [
            replace(one, scores=joined(one.scores, other.scores))
            for one, other in zip(plain, second[0], strict=True)
        ]

    def road_masks(
        self, batch: FrameBatch, outputs: Sequence[SegmentationOutput]
    ) -> Sequence[Mask | None]:
        """Return where `predict` saw the road, for each frame; None where that is not known."""
        return [None] * len(batch) if self.road is None else road_masks(outputs[0], self.road)

    def _looks(self, batch: FrameBatch) -> tuple[tuple[Backend, FrameBatch], ...]:
        """Return what looks at what, the plain look first."""
        plain = self.backend, batch
        if self.flip:
            return plain, (self.backend, batch.mirrored())
        return (plain,) if self.coarse is None else (plain, (self.coarse, batch))


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
    tta = _chosen_tta(settings, backend)
    # before text is embedded, which can be long
    threshold = _threshold(settings, backend, shares, tta)
    return Model(
        backend,
        load_scorer(shares, settings, backend.traits),
        threshold,
        score=shares_text(shares),
        text=branch_used(settings, shares, backend.traits),
        flip=tta == "flip",
        coarse=_halved(backend) if tta == "scales" else None,
        new_namer=load_namers(settings, backend.traits),
        road=road,
    )


def _chosen_tta(settings: Settings, backend: Backend) -> str:
    if settings.score.tta != "auto":
        return settings.score.tta
    if backend.traits.tta not in ("none", "flip", "scales"):
        raise SettingsError(
            f"the weights {settings.model.weights!r} were calibrated with score.tta "
            f"{backend.traits.tta!r}, which is not known; give a score.tta and a threshold"
        )
    return backend.traits.tta


def _halved(backend: Backend) -> Backend:
    if not isinstance(backend, Scalable):
        raise SettingsError(
            "score.tta 'scales' needs a network that can look at half the size, such as compact; "
            "try flip"
        )
    return backend.halved()


def _threshold(settings: Settings, backend: Backend, shares: Shares, tta: str) -> float:
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
    if tta != backend.traits.tta:
        raise SettingsError(
            f"the weights {settings.model.weights!r} are calibrated with score.tta "
            f"{backend.traits.tta!r}, not {tta!r}; give a threshold, as in --threshold 0.5"
        )
    return backend.threshold
