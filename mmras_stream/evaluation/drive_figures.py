"""What is measured of whole drives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from mmras_stream.evaluation.drives import FrameTruth
from mmras_stream.evaluation.measure import PixelCounts
from mmras_stream.evaluation.overlaps import Overlaps, Rules
from mmras_stream.evaluation.pixel import PixelCurve
from mmras_stream.evaluation.stability import Consistency
from mmras_stream.evaluation.tracks import DriveTracks, TrackingMetrics
from mmras_stream.types import FrameResult


@dataclass(frozen=True, slots=True)
class Figures:
    """What is measured with one smoother, of one drive or of all together."""

    tracking: TrackingMetrics
    curve: PixelCurve | None
    """Of pixels, from smoothed maps; None where nothing strange, or nothing else, is there."""
    pixels: PixelCounts
    """At the threshold of the proposals."""
    consistency: Consistency
    """Of what lies above the threshold."""


@dataclass(frozen=True, slots=True)
class Course:
    """One drive with one smoother."""

    tracks: DriveTracks
    figures: Figures
    timeline: tuple[tuple[float, float], ...]
    """Seconds and the highest score of each frame."""


@dataclass(frozen=True, slots=True)
class DriveResult:
    """One drive."""

    name: str
    raw: PixelCurve | None
    """Of pixels, from maps as the network's score gives them."""
    truth_consistency: Consistency
    """Of the labels themselves: as steady as a mask can look through this motion."""
    courses: Mapping[str, Course]
    """By smoother."""


@dataclass(frozen=True, slots=True)
class VideoEvaluation:
    """Whole drives as a model sees them."""

    rules: Rules
    threshold: float
    """Of the proposals."""
    drives: tuple[DriveResult, ...]
    raw: PixelCurve
    """Of the pixels of all drives."""
    truth_consistency: Consistency
    whole: Mapping[str, Figures]
    """By smoother: pixels, things and tracks of all drives together."""
    notes: tuple[str, ...]
    """What has to be known to read the numbers, one sentence each."""

    @property
    def smoothers(self) -> tuple[str, ...]:
        """Their names, in the order asked for."""
        return tuple(self.whole)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A frame, what is there and what is made of it with the first smoother."""

    drive: str
    truth: FrameTruth
    overlaps: Overlaps
    pairs: Mapping[int, int]
    """Thing that is found -> its track."""
    result: FrameResult


Watcher: TypeAlias = Callable[[Seen], None]
"""Told of every frame, in order."""
