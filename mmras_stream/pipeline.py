"""Run a drive from its decoder to the exporters."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

from mmras_stream.export.folder import drive_name, prepare_folder
from mmras_stream.export.report import RunReport, installed_versions, write_report
from mmras_stream.model import Model, load_model
from mmras_stream.pictures import are_pictures
from mmras_stream.protocols import Decoder, Exporter, MotionEstimator, Smoother
from mmras_stream.registry import Kind, load
from mmras_stream.settings import RunContext, Settings, VideoSettings
from mmras_stream.streaming import SteadyFrame, Tally, steadied, stream
from mmras_stream.types import FrameResult, VideoInfo

if TYPE_CHECKING:
    from mmras_stream.temporal.tracker import MotionTracker
    from mmras_stream.temporal.watching import MotionWatch


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
        watch = new_watch(decoder.info, settings)
        results = stack.enter_context(closing(_results(decoder, model, settings, tally, watch)))
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
        warnings=(*decoder.warnings, *watch.warnings, *_export_warnings(exporters.values())),
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
        watch = new_watch(decoder.info, settings)
        yield from _results(decoder, model, settings, Tally(decoder.info), watch)


def steady_frames(
    path: Path | str, settings: Settings, *, model: Model
) -> Generator[SteadyFrame, None, None]:
    """Yield each frame of a drive with its steady scores, and propose nothing.

    Close the generator to stop early; it owns a decoding thread.
    """
    with closing(open_decoder(path, settings.video)) as decoder:
        yield from steadied(
            decoder,
            model,
            _smoother(settings),
            watch=new_watch(decoder.info, settings),
            decode_ahead=settings.video.decode_ahead,
        )


def _results(
    decoder: Decoder, model: Model, settings: Settings, tally: Tally, watch: MotionWatch
) -> Generator[FrameResult, None, None]:
    from mmras_stream.temporal.looking_back import LookBack

    yield from stream(
        decoder,
        model,
        _smoother(settings),
        new_tracker(decoder.info, settings, threshold=model.threshold),
        watch=watch,
        namer=None if model.new_namer is None else model.new_namer(),
        wanted=settings.proposals,
        look_back=LookBack(settings.temporal, settings.proposals),
        decode_ahead=settings.video.decode_ahead,
        tally=tally,
    )


def _smoother(settings: Settings) -> Smoother:
    smoother: Smoother = load(Kind.SMOOTHER, settings.temporal.smoother)(settings.temporal)
    return smoother


def new_watch(info: VideoInfo, settings: Settings) -> MotionWatch:
    """Make what finds the motion of a drive, by the estimator that the settings name."""
    from mmras_stream.temporal.watching import MotionWatch

    estimator: MotionEstimator = load(Kind.MOTION, settings.temporal.motion)()
    return MotionWatch(estimator, frame_seconds=frame_seconds(info, settings))


def new_tracker(info: VideoInfo, settings: Settings, *, threshold: float) -> MotionTracker:
    """Make what follows the things of a drive that are above a threshold."""
    from mmras_stream.temporal.tracker import MotionTracker

    return MotionTracker(
        settings.temporal,
        settings.proposals,
        threshold=threshold,
        frame_seconds=frame_seconds(info, settings),
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
        tracks=len(tally.tracks),
        track_summaries=tally.tracks.tracks(),
        media_seconds=tally.media_seconds,
        wall_seconds=wall_seconds,
        stage_seconds=tally.stage_seconds,
        score=model.score,
        tta=model.tta,
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
