"""Make results of the raw maps of a drive, as a run with another smoother would."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from mmras_stream.errors import SettingsError
from mmras_stream.model import Model
from mmras_stream.pipeline import frame_seconds, open_decoder, results
from mmras_stream.protocols import Smoother
from mmras_stream.regions.components import find_regions
from mmras_stream.registry import Kind, load
from mmras_stream.settings import Settings
from mmras_stream.temporal.tracker import OverlapTracker
from mmras_stream.types import FrameResult, VideoInfo

UNSMOOTHED = "none"
"""The smoother that returns raw maps."""


def raw_frames(video: Path, model: Model, settings: Settings) -> Generator[FrameResult, None, None]:
    """Yield every frame of a drive with its raw map, and propose nothing.

    Close the generator to stop early; it owns a decoding thread.

    Raises:
        ValueError: a score is not a number.
        VideoError: the drive cannot be decoded.
    """
    blind = replace(model, threshold=float("inf"), new_namer=None)
    plain = replace(settings, temporal=replace(settings.temporal, smoother=UNSMOOTHED))
    with closing(results(video, plain, model=blind)) as frames:
        yield from frames


class Variant:
    """What follows the network in `pipeline.stream`, with a smoother of choice.

    Several of them share the raw maps of one pass; one instance serves one drive. Results come in
    the order of the frames, and may come later than these.
    """

    def __init__(self, smoother: str, settings: Settings, model: Model, info: VideoInfo) -> None:
        temporal = replace(settings.temporal, smoother=smoother)
        self._smoother: Smoother = load(Kind.SMOOTHER, smoother)(temporal)
        self._tracker = OverlapTracker(temporal, frame_seconds=frame_seconds(info, settings))
        self._namer = None if model.new_namer is None else model.new_namer()
        self._threshold = model.threshold
        self._min_area = settings.proposals.min_area

    def update(self, raw: FrameResult) -> Sequence[FrameResult]:
        """Take the next of `raw_frames`; return what a run would say of the frames settled by it.

        Raises:
            ValueError: a score is not a number.
        """
        frame = raw.frame
        anomaly_map = self._smoother.update(frame, raw.raw_map)
        regions = find_regions(
            anomaly_map, pts=frame.pts, threshold=self._threshold, min_area=self._min_area
        )
        proposals = self._tracker.update(frame, regions)
        if self._namer is not None:
            assert raw.features is not None
            proposals = self._namer.describe(frame, proposals, raw.features)
        return (FrameResult(frame, raw.raw_map, anomaly_map, proposals, self._threshold),)

    def rest(self) -> Sequence[FrameResult]:
        """Return what is left to be said after the last frame."""
        return ()


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
