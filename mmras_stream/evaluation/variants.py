"""Make results of the raw maps of a drive, as a run with another smoother would."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from mmras_stream.errors import SettingsError
from mmras_stream.model import Model
from mmras_stream.pipeline import new_tracker, open_decoder, steady_frames
from mmras_stream.protocols import Smoother
from mmras_stream.registry import Kind, load
from mmras_stream.settings import Settings
from mmras_stream.streaming import SteadyFrame, named, propose
from mmras_stream.temporal.looking_back import LookBack
from mmras_stream.types import FrameResult, VideoInfo

UNSMOOTHED = "none"
"""The smoother that returns raw maps."""


def raw_frames(video: Path, model: Model, settings: Settings) -> Generator[SteadyFrame, None, None]:
    """Yield every frame of a drive with its raw map and its motion, and propose nothing.

    Close the generator to stop early; it owns a decoding thread.

    Raises:
        ValueError: a score is not a number.
        VideoError: the drive cannot be decoded.
    """
    plain = replace(settings, temporal=replace(settings.temporal, smoother=UNSMOOTHED))
    with closing(steady_frames(video, plain, model=model)) as frames:
        yield from frames


class Variant:
    """What follows the network in `streaming.stream`, with a smoother of choice.

    Several of them share the raw maps and the motion of one pass; one instance serves one drive.
    Results come in the order of the frames, and may come later than these.
    """

    def __init__(self, smoother: str, settings: Settings, model: Model, info: VideoInfo) -> None:
        own = replace(settings, temporal=replace(settings.temporal, smoother=smoother))
        self._smoother: Smoother = load(Kind.SMOOTHER, smoother)(own.temporal)
        self._tracker = new_tracker(info, own, threshold=model.threshold)
        self._look_back = LookBack(own.temporal, own.proposals)
        self._namer = None if model.new_namer is None else model.new_namer()
        self._threshold = model.threshold
        self._wanted = own.proposals

    def update(self, raw: SteadyFrame) -> Sequence[FrameResult]:
        """Take the next of `raw_frames`; return what a run would say of the frames settled by it.

        Raises:
            ValueError: a score is not a number.
        """
        anomaly_map = self._smoother.update(raw.frame, raw.raw_map, raw.motion)
        steady = replace(raw, anomaly_map=anomaly_map)
        regions = propose(steady, threshold=self._threshold, wanted=self._wanted)
        sightings = self._tracker.update(raw.frame, regions, raw.motion)
        features = None if self._namer is None else raw.features
        result = FrameResult(raw.frame, raw.raw_map, anomaly_map, (), self._threshold, features)
        return [*named(self._look_back.add(result, sightings, raw.motion), self._namer)]

    def rest(self) -> Sequence[FrameResult]:
        """Return what is left to be said after the last frame."""
        return [*named(self._look_back.rest(), self._namer)]


def drive_info(video: Path, settings: Settings) -> VideoInfo:
    """Return what the header of a drive says.

    Raises:
        VideoError: it cannot be opened.
    """
    with closing(open_decoder(video, settings.video)) as decoder:
        return decoder.info


def check_smoothers(names: Sequence[str]) -> None:
    """See that smoothers can be loaded, before a long run.

    Raises:
        PluginError: there is no such plugin.
        SettingsError: none is named, or one twice.
    """
    if not names or len(set(names)) != len(names):
        raise SettingsError(f"name each smoother once, as in flow,none; got {','.join(names)!r}")
    for name in names:
        load(Kind.SMOOTHER, name)
