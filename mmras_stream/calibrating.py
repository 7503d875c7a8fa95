"""Find the threshold at which drives without anything strange give few tracks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mmras_stream.errors import DataError
from mmras_stream.model import Model
from mmras_stream.pipeline import new_tracker, open_decoder, steady_frames
from mmras_stream.scoring.calibration import Calibration, Rate, relevant
from mmras_stream.settings import Settings
from mmras_stream.streaming import SteadyFrame, propose
from mmras_stream.types import VideoInfo

PROBED = 60
"""Frames of each drive that tell where thresholds may lie."""

KEPT_SCORES = 20_000
"""Of a probed frame, evenly spread."""

SHARES = np.logspace(-2, -6, 33)
"""Of all places above a threshold that is tried."""

BEYOND = (0.25, 0.5, 1.0, 2.0)
"""How far above the highest probed score thresholds are tried too, in spans of its top share."""

Observer = Callable[[float, int], None]
"""Called after each frame, with the share of the work that is done, 0..1, and its frames."""


@dataclass(slots=True)
class _Trial:
    """One threshold, counted over all drives."""

    threshold: float
    tracks: int = 0
    area: float = 0.0


def calibrate(
    drives: Sequence[Path],
    settings: Settings,
    model: Model,
    *,
    tracks_per_hour: float,
    observer: Observer | None = None,
) -> Calibration:
    """Track the regions above many thresholds at once and choose the lowest that keeps the rate.

    A threshold is taken only if all higher ones that were tried keep the rate too. A first look
    at some frames of each drive tells which are worth trying; memory does not grow with length.

    Args:
        drives: On which nothing is strange.
        settings: As for the runs that the threshold is for.
        model: What gives the scores; its own threshold does not matter.
        tracks_per_hour: That are allowed, of false ones.
        observer: Told of the progress.

    Raises:
        DataError: there is no frame, or no threshold keeps the rate.
        VideoError: a drive cannot be decoded.
    """
    infos = [_info(drive, settings) for drive in drives]
    trials = [_Trial(threshold) for threshold in _candidates(drives, infos, settings, model)]
    total = sum(info.duration_seconds or 0.0 for info in infos)
    seconds, frames = 0.0, 0
    for drive, info in zip(drives, infos, strict=True):
        first = last = None
        for steady in _followed(drive, info, settings, model, trials):
            last = steady.frame.seconds
            first = last if first is None else first
            frames += 1
            if observer is not None:
                done = seconds + last - first
                observer(min(1.0, done / total) if total else 0.0, frames)
        seconds += 0.0 if first is None or last is None else last - first
    hours = seconds / 3600
    if hours <= 0:
        raise DataError("the drives last no time; give whole drives")
    rates = tuple(Rate(t.threshold, t.tracks / hours, t.area / frames) for t in trials)
    chosen = _chosen(rates, tracks_per_hour)
    return Calibration(
        threshold=chosen.threshold,
        tracks_per_hour=chosen.tracks_per_hour,
        hours=hours,
        drives=tuple(drive.name for drive in drives),
        score=model.score,
        weights_sha256=model.backend.weights_sha256,
        settings=relevant(settings),
        rates=rates,
    )


def _info(drive: Path, settings: Settings) -> VideoInfo:
    with closing(open_decoder(drive, settings.video)) as decoder:
        return decoder.info


def _candidates(
    drives: Sequence[Path], infos: Sequence[VideoInfo], settings: Settings, model: Model
) -> list[float]:
    probed = np.concatenate(
        [_probed(*pair, settings, model) for pair in zip(drives, infos, strict=True)]
    )
    if not probed.size:
        raise DataError("no frame to calibrate on")
    levels = np.quantile(probed, 1 - SHARES)
    top = float(probed.max())
    span = max(top - float(levels[0]), 1e-6)
    return sorted({*map(float, levels), top, *(top + span * share for share in BEYOND)})


def _probed(
    drive: Path, info: VideoInfo, settings: Settings, model: Model
) -> npt.NDArray[np.float32]:
    """Return some scores of some frames, spread over a drive."""
    length = info.duration_seconds
    every = None if length is None else max(length / PROBED, 1e-3)
    video = replace(settings.video, every_seconds=every, stride=1)
    scores = [np.empty(0, np.float32)]
    with closing(steady_frames(drive, replace(settings, video=video), model=model)) as frames:
        for steady in frames:
            values = steady.anomaly_map.scores.ravel()
            scores.append(values[:: max(1, values.size // KEPT_SCORES)])
    return np.concatenate(scores)


def _followed(
    drive: Path,
    info: VideoInfo,
    settings: Settings,
    model: Model,
    trials: Sequence[_Trial],
) -> Iterator[SteadyFrame]:
    """Go through a drive with a tracker for each threshold, and count."""
    trackers = [new_tracker(info, settings, threshold=trial.threshold) for trial in trials]
    things: list[set[int]] = [set() for _ in trials]
    with closing(steady_frames(drive, settings, model=model)) as frames:
        for steady in frames:
            for trial, tracker, known in zip(trials, trackers, things, strict=True):
                trial.area += float((steady.anomaly_map.scores > trial.threshold).mean())
                regions = propose(steady, threshold=trial.threshold, wanted=settings.proposals)
                seen = tracker.update(steady.frame, regions, steady.motion)
                known.update(one.track_id for one in seen if one.track_id is not None)
            yield steady
    for trial, known in zip(trials, things, strict=True):
        trial.tracks += len(known)


def _chosen(rates: Sequence[Rate], tracks_per_hour: float) -> Rate:
    chosen = None
    for rate in reversed(rates):
        if rate.tracks_per_hour > tracks_per_hour:
            break
        chosen = rate
    if chosen is None:
        highest = rates[-1]
        raise DataError(
            f"even above {highest.threshold:g} there are {highest.tracks_per_hour:.0f} tracks an "
            f"hour, more than {tracks_per_hour:g}; is there nothing strange on these drives?"
        )
    return chosen
