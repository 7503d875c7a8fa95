"""Stream a COCO file: annotations as they come, everything else at the end."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from pycocotools import mask as mask_api

from mmras_stream.atomic import partial_path, publish, reported
from mmras_stream.errors import OutputError
from mmras_stream.settings import RunContext
from mmras_stream.tracks import Track
from mmras_stream.types import Guess, Moment, Proposal

VIDEO_ID = 1
CATEGORY = {"id": 1, "name": "anomaly", "supercategory": "obstacle"}
BLOCK = 1 << 20
DIGITS = 6
"""After the point of a score."""


class CocoWriter:
    """Writes the frames that carry proposals, in a shape that the usual readers take.

    The file holds `info`, `videos`, `images`, `tracks`, `annotations` and `categories`. Images
    carry a dense `frame_id` for readers that index by it, and the `frame_index` of the source.
    `file_name` is relative to the folder that holds the folder of the drive. Tracks carry what
    `Track` says of them and the last words of their proposals. The attribute `retraced` marks masks
    that were followed there by texture. Memory grows with the number of tracks only.
    """

    def __init__(self, path: Path, context: RunContext) -> None:
        self._path = path
        self._context = context
        self._images_path = partial_path(path.with_name(f"{path.name}.images"))
        self._image_count = 0
        self._annotation_count = 0
        self._tracks: dict[int, dict[str, str]] = {}
        self._broken = False
        with reported(path):
            self._annotations = partial_path(path).open("w", encoding="utf-8")
            self._images = self._images_path.open("w+", encoding="utf-8")
            self._annotations.write('{"annotations": [')

    def write(self, moment: Moment, proposals: Sequence[Proposal]) -> None:
        """Add a frame and its proposals; they must carry a `track_id`.

        Raises:
            OutputError: the file cannot be written, or a mask disagrees with its box or area.
        """
        self._image_count += 1
        with self._writing():
            self._write_image(moment)
            for proposal in proposals:
                self._write_annotation(proposal)

    def close(self, *, length: int, tracks: Iterable[Track]) -> None:
        """Add what is known only now, check that pycocotools reads the file, and name it.

        Args:
            length: Frames of the drive that were looked at.
            tracks: Of the drive; those that no proposal was written of are left out.
        """
        if self._broken:
            return
        with self._writing():
            self._finish(length, tracks)
            self._annotations.close()
            self._images.close()
            self._images_path.unlink()
        _check_readable(partial_path(self._path), self._path.name)
        publish(self._path)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Give the file up where the disk refuses it: half a line cannot be read or mended."""
        try:
            with reported(self._path):
                yield
        except OutputError as error:
            if isinstance(error.__cause__, OSError):
                self._broken = True
                self._discard()
            raise

    def _discard(self) -> None:
        for file, path in (
            (self._annotations, partial_path(self._path)),
            (self._images, self._images_path),
        ):
            with suppress(OSError):  # what is still buffered fails like the rest
                file.close()
            path.unlink(missing_ok=True)

    def _write_image(self, moment: Moment) -> None:
        image = {
            "id": self._image_count,
            "file_name": picture_name(self._context.drive, moment.index),
            "width": self._context.info.width,
            "height": self._context.info.height,
            "video_id": VIDEO_ID,
            "frame_id": self._image_count - 1,
            "frame_index": moment.index,
            "timestamp": moment.seconds,
            "pts": moment.pts,
        }
        self._images.write(_item(image, first=self._image_count == 1))

    def _write_annotation(self, proposal: Proposal) -> None:
        assert proposal.track_id is not None
        self._annotation_count += 1
        words = self._tracks[proposal.track_id] = described(proposal)
        rle = {"size": list(proposal.rle.size), "counts": proposal.rle.counts}
        _check_mask(proposal, rle, self._annotation_count)
        score = round(proposal.score, DIGITS)
        annotation = {
            "id": self._annotation_count,
            "image_id": self._image_count,
            "category_id": CATEGORY["id"],
            "video_id": VIDEO_ID,
            "bbox": list(proposal.bbox_xywh),
            "area": proposal.area,
            "iscrowd": 0,
            "segmentation": rle,
            "score": score,
            "track_id": proposal.track_id,
            "instance_id": proposal.track_id,
            "attributes": {
                "score": score,
                "track_id": proposal.track_id,
                "occluded": False,
                "retraced": proposal.is_retraced,
                **words,
            },
        }
        self._annotations.write(_item(annotation, first=self._annotation_count == 1))

    def _finish(self, length: int, tracks: Iterable[Track]) -> None:
        info = self._context.info
        video = {
            "id": VIDEO_ID,
            "name": self._context.drive,
            "width": info.width,
            "height": info.height,
            "length": length,
            "fps": float(info.frame_rate),
            "neg_category_ids": [],
            "not_exhaustive_category_ids": [],
            "metadata": {"uri": info.uri, "sha256": _sha256(Path(info.uri))},
        }
        written = [
            _track(track, self._tracks[track.track_id])
            for track in tracks
            if track.track_id in self._tracks
        ]
        self._annotations.write('\n],\n"images": [')
        self._images.seek(0)
        shutil.copyfileobj(self._images, self._annotations)
        self._annotations.write(f'\n],\n"videos": {json.dumps([video])},\n')
        self._annotations.write(f'"tracks": {json.dumps(written)},\n')
        self._annotations.write(f'"categories": {json.dumps([CATEGORY])},\n')
        self._annotations.write('"info": {"description": "anomaly proposals of mmras-stream"}}\n')


def picture_name(drive: str, frame_index: int) -> str:
    """Return the path of a frame's picture, relative to the folder that holds the drive's.

    >>> picture_name("drive", 12)
    'drive/frames/000012.jpg'
    """
    return f"{drive}/frames/{frame_index:06d}.jpg"


def described(proposal: Proposal) -> dict[str, str]:
    """Return what is known of a proposal, as attributes that labelling tools show.

    All are plain text, since CVAT and Datumaro take no lists there.

    >>> from mmras_stream.types import Rle
    >>> rle = Rle((1, 1), "01")
    >>> guesses = (Guess("suitcase", 0.412), Guess("box", 0.22))
    >>> described(Proposal(0, 0, (0, 0, 1, 1), 1, rle, 0.9, 1, guesses, Guess("car", 0.91)))
    {'name': 'suitcase', 'names': 'suitcase 0.41; box 0.22', 'looks_known': 'car 0.91'}
    """
    words: dict[str, str] = {}
    if proposal.guesses:
        words["name"] = proposal.guesses[0].word
        words["names"] = "; ".join(map(_guess, proposal.guesses))
    if proposal.looks_known is not None:
        words["looks_known"] = _guess(proposal.looks_known)
    return words


def _track(track: Track, words: Mapping[str, str]) -> dict[str, object]:
    """Return what a file says of a thing; what is not known is left out."""
    facts = asdict(track)
    track_id = facts.pop("track_id")
    rounded = {
        key: round(value, DIGITS) if isinstance(value, float) else value
        for key, value in facts.items()
        if value is not None
    }
    place = {"id": track_id, "category_id": CATEGORY["id"], "video_id": VIDEO_ID}
    return {**place, **words, **rounded}


def _guess(guess: Guess) -> str:
    return f"{guess.word} {guess.confidence:.2f}"


def _item(value: dict[str, object], *, first: bool) -> str:
    return ("\n" if first else ",\n") + json.dumps(value)


def _check_mask(proposal: Proposal, rle: Mapping[str, object], annotation_id: int) -> None:
    box = [int(v) for v in mask_api.toBbox(rle)]
    area = int(mask_api.area(rle))
    if area != proposal.area or box != list(proposal.bbox_xywh):
        raise OutputError(
            f"annotation {annotation_id}: its mask has area {area} and box {box}, the proposal "
            f"says {proposal.area} and {list(proposal.bbox_xywh)}"
        )


def _check_readable(path: Path, name: str) -> None:
    # in a process of its own: what a long drive's index takes would never be given back here
    load = "import sys; from pycocotools.coco import COCO; COCO(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", load, str(path)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise OutputError(f"{name} cannot be read back by pycocotools: {reason}")


def _sha256(path: Path) -> str | None:
    """Hash the source; None where it is not a file, as with a folder of pictures."""
    if not path.is_file():
        return None
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
