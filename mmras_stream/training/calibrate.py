"""Find the threshold of new weights on anomaly-free drives, and store it with them."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from mmras_stream.model import load_model
from mmras_stream.models.checkpoint import read_card, rewrite_card
from mmras_stream.pipeline import steady_frames
from mmras_stream.scoring.calibration import ScoreHistogram
from mmras_stream.settings import (
    ModelSettings,
    ProposalSettings,
    ScoreSettings,
    Settings,
    VideoSettings,
)
from mmras_stream.training.recipe import Recipe

FALSE_AREA = 1e-3
"""Share of the places of anomaly-free drives that may lie above the threshold."""

LOOKS: Literal["scales"] = "scales"
"""What `score.tta` stands for with weights that are calibrated here, unless it is given."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A drive, or what comes after some seconds of it."""

    path: Path
    start_seconds: float | None = None


def unseen_stretches(recipe: Recipe, data: Path) -> list[Stretch]:
    """Return what is left of the drives of a recipe beyond what it learns from."""
    return [
        Stretch(data / drive.video, drive.end_seconds)
        for drive in recipe.drives
        if drive.end_seconds is not None
    ]


def calibrate_weights(
    weights: Path, drives: Sequence[Stretch], *, false_area: float = FALSE_AREA
) -> Generator[Path, None, None]:
    """Set the threshold in a weights file so that `false_area` of the drives lies above it.

    Scores are taken after smoothing, with the default settings and two looks; every frame of
    every drive counts alike.

    Yields:
        Each drive when it has been read.
    """
    model_settings = ModelSettings(weights=str(weights))
    # the threshold is what is looked for: any will do
    settings = Settings(
        model=model_settings,
        score=ScoreSettings(tta=LOOKS),
        proposals=ProposalSettings(threshold=1.0),
    )
    model = load_model(settings)
    histogram = ScoreHistogram()
    for drive in drives:
        part = replace(settings, video=VideoSettings(start_seconds=drive.start_seconds))
        with closing(steady_frames(drive.path, part, model=model)) as frames:
            for steady in frames:
                histogram.add(steady.anomaly_map.scores)
        yield drive.path
    threshold = histogram.threshold(false_area)
    card = read_card(weights)
    record = {
        "false_area": false_area,
        "drives": [drive.path.stem for drive in drives],
        "start_seconds": [drive.start_seconds or 0.0 for drive in drives],
        "score": asdict(settings.score),
        "temporal": asdict(settings.temporal),
        "input_width": card.input_width,
    }
    rewrite_card(weights, replace(card, threshold=threshold, calibration=record))
