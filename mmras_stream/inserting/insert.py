"""Put things into a real drive: `insert` reads it twice and writes it once."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from mmras_stream.atomic import partial_path, publish, reported
from mmras_stream.errors import DataError, OutputError
from mmras_stream.export.folder import drive_name
from mmras_stream.export.truth import TruthWriter
from mmras_stream.inserting.drawing import Drawn, Painter, Seen
from mmras_stream.inserting.motion import WORKING_WIDTH, Motion, estimate_motion, follow_points
from mmras_stream.inserting.placing import Insertion, place_things
from mmras_stream.inserting.scenery import Scenery, ScenerySketch
from mmras_stream.inserting.settings import InsertSettings
from mmras_stream.inserting.supply import choose_things
from mmras_stream.pipeline import open_decoder
from mmras_stream.settings import VideoSettings
from mmras_stream.types import Frame, Image, VideoInfo
from mmras_stream.video.colour import rgb_to_yuv_matrix, to_rgb
from mmras_stream.video.writer import VideoWriter
from mmras_stream.video.yuv420 import Bytes, Planes420, to_yuv420, yuv420_format

LEAST_FRAMES = 10
QUALITY = 14
"""Constant rate factor of x264 at which what was drawn comes back nearly as it was."""

Observer = Callable[[float, str], None]
"""Told the share of the work that is done, 0..1, and what is being done."""


@dataclass(frozen=True, slots=True)
class InsertReport:
    """What was put where."""

    video: str
    truth: str
    frames: int
    objects: int
    asked: int
    masks: int
    kilometres_per_hour: float
    """Median speed of the car, as far as the assumed height of the camera is right."""
    horizon: float
    """Mean row of the horizon over the height of the picture."""
    kinds: tuple[str, ...]
    warnings: tuple[str, ...]


def insert(
    clip: Path,
    out: Path,
    settings: InsertSettings,
    *,
    overwrite: bool = False,
    observer: Observer | None = None,
) -> InsertReport:
    """Write `NAME.mp4`, `NAME.coco.json` and `NAME.settings.json` to a folder.

    Every frame keeps its time, and sound is copied. The same settings give the same files.

    Raises:
        DataError: the clip is too short, cut-outs are missing, or nothing could be placed.
        OutputError: the files are there already, or cannot be written.
        VideoError: the clip cannot be decoded.
    """
    things = choose_things(settings)
    show = observer or (lambda _share, _word: None)
    name = drive_name(clip, ())
    files = {kind: out / f"{name}.{kind}" for kind in ("mp4", "coco.json", "settings.json")}
    _make_way(out, files.values(), clip, overwrite=overwrite)
    info, motion, scenery = _look(clip, settings, show)
    seconds = _frame_seconds(info)
    placed = place_things(things, motion, scenery, settings, seconds)
    if not placed:
        raise DataError(
            f"nothing could be placed in {clip}: no spot of the road stays free for long enough; "
            "another --seed, a longer clip or --horizon may help"
        )
    painter = Painter(scenery.outside, seed=settings.seed)
    truth, warnings = _write(clip, files["mp4"], info, motion, placed, painter, show)
    truth.write(files["coco.json"], uri=files["mp4"].name)
    _write_settings(files["settings.json"], clip, settings, placed)
    if motion.assumed:
        warnings = (motion.assumed, *warnings)
    speed = np.median(np.hypot(np.diff(motion.x), np.diff(motion.z))) / seconds * 3.6
    return InsertReport(
        video=str(files["mp4"]),
        truth=str(files["coco.json"]),
        frames=len(motion),
        objects=truth.tracks,
        asked=settings.objects,
        masks=truth.annotations,
        kilometres_per_hour=round(float(speed), 1),
        horizon=round(float(motion.horizon.mean()) / motion.height, 3),
        kinds=tuple(insertion.thing.kind for insertion in placed),
        warnings=warnings,
    )


def seen_things(
    motion: Motion, placed: Sequence[Insertion], index: int, frame_seconds: float
) -> list[Seen]:
    """Return what of the things is before the camera in a frame."""
    camera, after = motion.camera(index), min(index + 1, len(motion) - 1)
    seen = []
    for insertion in placed:
        if not insertion.first <= index <= insertion.last:
            continue
        now = motion.seen_from(index, *insertion.place(index, frame_seconds))
        then = motion.seen_from(after, *insertion.place(after, frame_seconds))
        if min(now[1], then[1]) < 0.9:
            continue
        points = np.array([[now[0], 0, now[1]], [then[0], 0, then[1]]], np.float32)
        pixels, _ = camera.project(points)
        blur = (float(pixels[1, 0] - pixels[0, 0]), float(pixels[1, 1] - pixels[0, 1]))
        yaw = insertion.yaw - float(motion.heading[index])
        seen.append(Seen(insertion.track_id, insertion.thing, now[0], now[1], yaw, blur))
    return seen


def _make_way(out: Path, files: Collection[Path], clip: Path, *, overwrite: bool) -> None:
    with reported(out):
        out.mkdir(parents=True, exist_ok=True)
    earlier = [path for path in files if path.exists()]
    if any(path.resolve() == clip.resolve() for path in earlier):
        raise OutputError(f"{clip} would be overwritten by its own copy; choose another --out")
    if earlier and not overwrite:
        raise OutputError(f"{earlier[0]} exists already; give --overwrite or another --out")


def _look(
    clip: Path, settings: InsertSettings, show: Observer
) -> tuple[VideoInfo, Motion, Scenery]:
    """Go through a clip once to learn how the camera moves and what is road."""
    with closing(open_decoder(clip, VideoSettings())) as decoder:
        info = decoder.info
        size = (info.height, info.width)
        working = (round(info.height * WORKING_WIDTH / info.width), WORKING_WIDTH)
        sketch = ScenerySketch(_frame_seconds(info))

        def lumas() -> Iterator[Bytes]:
            frames = (frame for batch in decoder for frame in batch)
            for number, frame in enumerate(frames):
                image = to_rgb(frame)
                sketch.add(image)
                show(0.5 * _share(number, info), "looking at the road")
                grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
                yield np.asarray(
                    cv2.resize(grey, working[::-1], interpolation=cv2.INTER_AREA), np.uint8
                )

        steps = follow_points(lumas())
    if len(steps) + 1 < LEAST_FRAMES:
        raise DataError(
            f"{clip} has {len(steps) + 1} frames, too few to place anything; "
            f"give at least {LEAST_FRAMES}, better some seconds"
        )
    motion = estimate_motion(
        steps,
        working_size=working,
        size=size,
        elevation=settings.camera_height,
        frame_seconds=_frame_seconds(info),
        horizon=settings.horizon,
    )
    return info, motion, sketch.finish(size)


def _write(
    clip: Path, path: Path, info: VideoInfo, motion: Motion, placed: Sequence[Insertion],
    painter: Painter, show: Observer,
) -> tuple[TruthWriter, tuple[str, ...]]:  # fmt: skip
    """Go through a clip again and draw; return the truth and what could not be kept."""
    kinds = {insertion.track_id: insertion.thing.kind for insertion in placed}
    writer: VideoWriter | None = None
    truth: TruthWriter | None = None
    with closing(open_decoder(clip, VideoSettings())) as decoder:
        for number, frame in enumerate(frame for batch in decoder for frame in batch):
            things = seen_things(motion, placed, number, _frame_seconds(info))
            clean = to_rgb(frame)
            drawn = painter.draw(clean, motion.camera(number), things, number)
            planes = redrawn(frame, clean, drawn.image)
            if writer is None or truth is None:
                writer = _writer(path, clip, info, frame, planes)
                truth = TruthWriter(path.stem, size=planes[0].shape, frame_rate=info.frame_rate)
            writer.write(planes, frame.pts)
            truth.add_frame(frame.index, pts=frame.pts, seconds=frame.seconds)
            _add_masks(truth, drawn, kinds, planes[0].shape)
            show(0.5 + 0.5 * _share(number, info), "drawing")
    assert writer is not None
    assert truth is not None
    writer.close(all_sound=True)
    return truth, writer.warnings


def redrawn(frame: Frame, clean: Image, changed: Image) -> Planes420:
    """Return the planes of a frame with what `changed` (H, W, 3) shows where it is not `clean`."""
    planes = to_yuv420(frame)
    touched = (clean != changed).any(axis=2).astype(np.uint8)
    if not touched.any():
        return planes
    height, width = planes[0].shape
    below, right = height - frame.height, width - frame.width
    edges = (0, below, 0, right, cv2.BORDER_REPLICATE)
    touched = np.asarray(cv2.copyMakeBorder(touched, *edges), np.uint8)
    picture = cv2.copyMakeBorder(changed, *edges).astype(np.float32)
    affine = np.column_stack(rgb_to_yuv_matrix(yuv420_format(frame)))
    yuv = np.clip(np.asarray(cv2.transform(picture, affine)) + 0.5, 0, 255)
    half = (width // 2, height // 2)
    some = np.asarray(cv2.resize(touched * 255, half, interpolation=cv2.INTER_AREA)) > 0
    planes[0][touched > 0] = yuv[..., 0].astype(np.uint8)[touched > 0]
    for place in (1, 2):
        small = cv2.resize(yuv[..., place], half, interpolation=cv2.INTER_AREA)
        planes[place][some] = np.asarray(small).astype(np.uint8)[some]
    return planes


def _writer(
    path: Path, clip: Path, info: VideoInfo, frame: Frame, planes: Planes420
) -> VideoWriter:
    height, width = planes[0].shape
    return VideoWriter(
        path,
        height=height,
        width=width,
        time_base=frame.time_base,
        pixel_format=yuv420_format(frame),
        frame_rate=info.frame_rate,
        sound_from=clip,
        crf=QUALITY,
    )


def _add_masks(
    truth: TruthWriter, drawn: Drawn, kinds: dict[int, str], size: tuple[int, ...]
) -> None:
    height, width = size
    ids = drawn.ids
    below, right = height - ids.shape[0], width - ids.shape[1]
    if below or right:
        ids = np.pad(ids, ((0, below), (0, right)), mode="edge")
    for track_id, whole in drawn.silhouettes.items():
        mask = ids == track_id
        share = float(mask.sum()) / whole if whole else 0.0
        truth.add_mask(track_id, kinds[track_id], mask, visible_share=min(share, 1.0))


def _frame_seconds(info: VideoInfo) -> float:
    return float(1 / info.frame_rate) if info.frame_rate else 0.04


def _share(number: int, info: VideoInfo) -> float:
    return min(1.0, (number + 1) / info.frame_count) if info.frame_count else 0.0


def _write_settings(
    path: Path, clip: Path, settings: InsertSettings, placed: Sequence[Insertion]
) -> None:
    cutouts = None if settings.cutouts is None else str(settings.cutouts)
    made = {
        "clip": str(clip),
        "settings": {**asdict(settings), "cutouts": cutouts},
        "objects": [
            {
                "track_id": insertion.track_id,
                "kind": insertion.thing.kind,
                "height_metres": round(insertion.thing.height, 3),
                "metres_per_second": round(insertion.thing.metres_per_second, 3),
                "first_frame": insertion.first,
                "last_frame": insertion.last,
            }
            for insertion in placed
        ],
    }
    with reported(path):
        partial_path(path).write_text(json.dumps(made, indent=2) + "\n")
    publish(path)
