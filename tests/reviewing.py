"""Drawn drives, and a person who knows the truth about them and reviews what was proposed."""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from mmras_stream.pipeline import results
from mmras_stream.regions.segmentation import decode_segmentation
from mmras_stream.settings import ModelSettings, ProposalSettings, Settings
from mmras_stream.synthetic.scene import RoadScene, SceneSettings
from mmras_stream.types import Mask

RIGHT = 0.25
"""Share of a proposal that must lie on the obstacle."""


@dataclass(frozen=True, slots=True, eq=False)
class DrawnDrive:
    """A video and where its obstacle is, frame by frame."""

    path: Path
    truth: tuple[Mask, ...]

    def is_right(self, mask: Mask, frame_index: int) -> bool:
        """Tell whether a proposal shows the obstacle."""
        return bool((mask & self.truth[frame_index]).sum() >= RIGHT * mask.sum())


@dataclass(frozen=True, slots=True)
class Found:
    """What weights find on drives."""

    obstacles: int
    """Drives whose obstacle has a track."""
    obstacle_frames: int
    """Frames with a proposal on it."""
    false_tracks: int


def draw(path: Path, seed: int, *, seconds: float = 6.0, rate: int = 10) -> DrawnDrive:
    """Encode a small drive with some obstacle on the road."""
    settings = SceneSettings(seed=seed, frame_rate=Fraction(rate), duration_seconds=seconds)
    truth = []
    with av.open(str(path), "w") as movie:
        stream = movie.add_stream("libx264", rate=rate, options={"crf": "22", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = settings.width, settings.height, "yuv420p"
        for drawn in RoadScene(settings).frames():
            picture = av.VideoFrame.from_ndarray(drawn.image, format="rgb24")
            movie.mux(stream.encode(picture))
            truth.append(drawn.obstacle_mask)
        movie.mux(stream.encode())
    return DrawnDrive(path, tuple(truth))


def delete_what_is_wrong(drive: DrawnDrive, keyframes: Path, reviewed: Path) -> tuple[int, int]:
    """Write a copy of the proposals without false ones; return how many stay and how many go."""
    content = json.loads(keyframes.read_text())
    frames = {image["id"]: image["frame_index"] for image in content["images"]}
    sizes = {image["id"]: (image["height"], image["width"]) for image in content["images"]}

    def is_right(annotation: dict[str, Any]) -> bool:
        image = annotation["image_id"]
        mask = decode_segmentation(annotation["segmentation"], sizes[image], of="it")
        return drive.is_right(mask, frames[image])

    kept = [one for one in content["annotations"] if is_right(one)]
    gone = len(content["annotations"]) - len(kept)
    reviewed.write_text(json.dumps({**content, "annotations": kept}))
    return len(kept), gone


def find(drives: list[DrawnDrive], weights: str, threshold: float) -> Found:
    """Annotate drives and compare with the truth."""
    settings = Settings(
        model=ModelSettings(weights=weights), proposals=ProposalSettings(threshold=threshold)
    )
    obstacles = obstacle_frames = false_tracks = 0
    for drive in drives:
        tracks: dict[int | None, list[bool]] = defaultdict(list)
        hit = set()
        with closing(results(drive.path, settings)) as frames:
            for result in frames:
                index = result.frame.index
                for proposal in result.proposals:
                    rle = {"size": list(proposal.rle.size), "counts": proposal.rle.counts}
                    size = drive.truth[0].shape
                    mask = decode_segmentation(rle, (size[0], size[1]), of="it")
                    right = drive.is_right(mask, index)
                    tracks[proposal.track_id].append(right)
                    hit |= {index} if right else set()
        obstacles += any(map(any, tracks.values()))
        obstacle_frames += len(hit)
        false_tracks += sum(not any(rights) for rights in tracks.values())
    return Found(obstacles, obstacle_frames, false_tracks)
