"""Carry frames from a decoder to the exporters: one generator, read from top to bottom."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mmras_stream.export.folder import drive_name, prepare_folder
from mmras_stream.export.report import installed_versions, write_report
from mmras_stream.model import Model, load_model
from mmras_stream.pictures import are_pictures
from mmras_stream.prefetching import prefetch
from mmras_stream.protocols import Decoder, Exporter, Namer, Smoother, Tracker
from mmras_stream.registry import Kind, load
from mmras_stream.settings import RunContext, Settings, VideoSettings
from mmras_stream.temporal.tracker import OverlapTracker
from mmras_stream.types import FrameResult, RunReport, VideoInfo


@dataclass(slots=True)
class Tally:
    """What a run has done so far."""

    info: VideoInfo
    frames: int = 0
    proposals: int = 0
    """Without those that were suppressed."""
    suppressed: int = 0
    first_seconds: float = 0.0
    last_seconds: float = 0.0
    track_ids: set[int] = field(default_factory=set)
    stage_seconds: dict[str, float] = field(default_factory=dict)

    def add(self, result: FrameResult) -> None:
        """Count one frame."""
        if self.frames == 0:
            self.first_seconds = result.frame.seconds
        self.last_seconds = result.frame.seconds
        self.frames += 1
        self.proposals += len(result.finds)
        self.suppressed += len(result.proposals) - len(result.finds)
        self.track_ids.update(p.track_id for p in result.finds if p.track_id is not None)

    @property
    def media_seconds(self) -> float:
        """Time of the drive from the first frame looked at to the last."""
        return self.last_seconds - self.first_seconds

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the wall time spent inside to a stage."""
        began = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - began
            self.stage_seconds[stage] = self.stage_seconds.get(stage, 0.0) + spent


Observer = Callable[[FrameResult, Tally], None]
"""Called after each frame has been written, as for a progress bar."""


def open_decoder(path: Path | str, settings: VideoSettings) -> Decoder:
    """Open a video, or a folder or pattern of pictures, with the decoder that fits."""
    name = settings.decoder
    if name == "auto":
        name = "images" if are_pictures(path) else "pyav"
    decoder: Decoder = load(Kind.DECODER, name)(path, settings)
    return decoder


def run(
    path: Path | str,
    out: Path,
    settings: Settings | None = None,
    *,
    model: Model | None = None,
    overwrite: bool = False,
    taken: Collection[str] = (),
    observer: Observer | None = None,
) -> RunReport:
    """Annotate one drive: write every result to every exporter, then `run.json`.

    Whatever happens, the decoder and the exporters are closed, so that a failed or interrupted
    run leaves readable files of what was done.

    Args:
        path: A video file, or a folder or pattern of pictures.
        out: Folder in which a folder for this drive is made.
        settings: Defaults if None.
        model: Loaded before, to serve several drives; loaded here if None.
        overwrite: Replace results of an earlier run.
        taken: Names of folders in `out` that other drives of this run have.
        observer: Called after each frame.

    Returns:
        What was done; `interrupted` is set if Ctrl-C ended it.

    Raises:
        VideoError: the drive cannot be decoded.
        OutputError: results cannot be written, or are there already.
    """
    settings = settings or Settings()
    model = model or load_model(settings)
    began, interrupted = time.perf_counter(), False
    with ExitStack() as stack:
        decoder = stack.enter_context(closing(open_decoder(path, settings.video)))
        drive = drive_name(path, taken)
        folder = prepare_folder(out, drive, overwrite=overwrite)
        context = RunContext(decoder.info, folder, drive, settings)
        exporters = _exporters(context, stack)
        tally = Tally(decoder.info)
        results = stack.enter_context(closing(_results(decoder, model, settings, tally)))
        try:
            _export(results, exporters, tally, observer)
        except KeyboardInterrupt:
            interrupted = True
        with tally.timed("finish"):
            stack.close()
    report = _report(
        context,
        model,
        tally,
        warnings=(*decoder.warnings, *_export_warnings(exporters.values())),
        wall_seconds=time.perf_counter() - began,
        interrupted=interrupted,
    )
    write_report(report, folder)
    return report


def results(
    path: Path | str, settings: Settings | None = None, *, model: Model | None = None
) -> Generator[FrameResult, None, None]:
    """Yield the result of each frame of a drive and write nothing.

    Close the generator to stop early; it owns a decoding thread.
    """
    settings = settings or Settings()
    model = model or load_model(settings)
    with closing(open_decoder(path, settings.video)) as decoder:
        yield from _results(decoder, model, settings, Tally(decoder.info))


def stream(
    decoder: Decoder,
    model: Model,
    smoother: Smoother,
    tracker: Tracker,
    *,
    namer: Namer | None = None,
    min_area: int | None = None,
    decode_ahead: int = 4,
    tally: Tally | None = None,
) -> Generator[FrameResult, None, None]:
    """Yield one result per frame, in presentation order.

    Decoding runs ahead in its own thread by at most `decode_ahead` batches; everything else
    happens in the caller's thread, so a stateful smoother or tracker needs no lock.
    """
    from mmras_stream.regions.components import find_regions

    tally = tally or Tally(decoder.info)
    with closing(prefetch(decoder, depth=decode_ahead)) as batches:
        while True:
            with tally.timed("decode"):
                batch = next(batches, None)
            if batch is None:
                return
            with tally.timed("network"):
                outputs = model.predict(batch)
            with tally.timed("score"):
                raw_maps = model.score_maps(batch, outputs)
            features = outputs[0].features
            for frame, raw_map, seen in zip(batch, raw_maps, features, strict=True):
                with tally.timed("smooth"):
                    anomaly_map = smoother.update(frame, raw_map)
                with tally.timed("propose"):
                    regions = find_regions(
                        anomaly_map, pts=frame.pts, threshold=model.threshold, min_area=min_area
                    )
                    proposals = tracker.update(frame, regions)
                if namer is not None:
                    with tally.timed("name"):
                        proposals = namer.describe(frame, proposals, seen)
                yield FrameResult(frame, raw_map, anomaly_map, proposals, model.threshold, seen)


def _results(
    decoder: Decoder, model: Model, settings: Settings, tally: Tally
) -> Generator[FrameResult, None, None]:
    smoother: Smoother = load(Kind.SMOOTHER, settings.temporal.smoother)(settings.temporal)
    yield from stream(
        decoder,
        model,
        smoother,
        OverlapTracker(settings.temporal, frame_seconds=frame_seconds(decoder.info, settings)),
        namer=None if model.new_namer is None else model.new_namer(),
        min_area=settings.proposals.min_area,
        decode_ahead=settings.video.decode_ahead,
        tally=tally,
    )


def frame_seconds(info: VideoInfo, settings: Settings) -> float:
    """Return the time between frames that are looked at, as far as the header tells."""
    own = float(settings.video.stride / info.frame_rate) if info.frame_rate else 0.0
    return max(own, settings.video.every_seconds or 0.0)


def _exporters(context: RunContext, stack: ExitStack) -> dict[str, Exporter]:
    exporters: dict[str, Exporter] = {}
    for name in context.settings.output.exporters:
        exporter: Exporter = load(Kind.EXPORTER, name)(context)
        stack.callback(exporter.close)
        exporters[name] = exporter
    return exporters


def _export(
    results: Iterable[FrameResult],
    exporters: dict[str, Exporter],
    tally: Tally,
    observer: Observer | None,
) -> None:
    for result in results:
        for name, exporter in exporters.items():
            with tally.timed(f"write {name}"):
                exporter.write(result)
        tally.add(result)
        if observer is not None:
            observer(result, tally)


def _report(
    context: RunContext,
    model: Model,
    tally: Tally,
    *,
    warnings: tuple[str, ...],
    wall_seconds: float,
    interrupted: bool,
) -> RunReport:
    return RunReport(
        video=context.info,
        frames=tally.frames,
        proposals=tally.proposals,
        tracks=len(tally.track_ids),
        media_seconds=tally.media_seconds,
        wall_seconds=wall_seconds,
        stage_seconds=tally.stage_seconds,
        score=model.score,
        text=model.text,
        threshold=model.threshold,
        settings=context.settings.to_dict(),
        versions=installed_versions(),
        weights_sha256=model.backend.weights_sha256,
        warnings=warnings,
        interrupted=interrupted,
        suppressed=tally.suppressed,
        outputs={p.name: p.name for p in sorted(context.folder.iterdir())},
    )


def _export_warnings(exporters: Iterable[Exporter]) -> Sequence[str]:
    return [line for exporter in exporters for line in exporter.warnings]
