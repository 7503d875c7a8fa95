"""The nouns of the library: immutable, and ignorant of files and threads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

Image: TypeAlias = npt.NDArray[np.uint8]
"""(height, width, 3), RGB, 0..255."""

ScoreMap: TypeAlias = npt.NDArray[np.float32]
"""(height, width); the higher, the stranger. The range is the scorer's own."""

Mask: TypeAlias = npt.NDArray[np.bool_]
"""(height, width)."""


class ColourMatrix(StrEnum):
    """How three planes become RGB; the names are FFmpeg's."""

    BT601 = "bt601"
    BT709 = "bt709"
    BT2020 = "bt2020"
    RGB = "rgb"
    """The planes are red, green and blue already."""


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """What the numbers in the planes of a picture mean."""

    matrix: ColourMatrix
    full_range: bool
    """True: 0..2^bits-1 is black to white. False: 16..235 (times 2^(bits-8)), as in broadcast."""
    bits: int = 8


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What is known about a video before its first frame is decoded."""

    uri: str
    height: int
    """Pixels of the upright picture with square pixels, which is what the decoder yields."""
    width: int
    frame_rate: Fraction
    """Average, from the header; 0 where the header does not say."""
    time_base: Fraction
    """Seconds per tick of `pts`."""
    frame_count: int | None
    """From the container's header, so a hint and never a promise; None for live sources."""
    duration_seconds: float | None = None
    """From the header as well."""
    rotation: int = 0
    """Degrees clockwise by which the stored picture was turned upright: 0, 90, 180 or 270."""
    sample_aspect_ratio: Fraction = Fraction(1)
    """Of the stored picture; other than 1 its width was stretched to give square pixels."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Which frame, and when it is shown: a `Frame` without its pictures."""

    index: int
    pts: int
    time_base: Fraction

    @property
    def seconds(self) -> float:
        """Presentation time on the stream's clock."""
        return float(self.pts * self.time_base)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded picture and the instant at which it is shown."""

    index: int
    """0-based number in the source, counted in decode order, skipped frames included."""
    pts: int
    time_base: Fraction
    planes: tuple[Tensor, Tensor, Tensor]
    """Luma (height, width) and two chroma planes, which may be smaller (4:2:0, 4:2:2); uint8,
    or int16 where `pixel_format.bits` is above 8."""
    pixel_format: PixelFormat

    @property
    def moment(self) -> Moment:
        """The frame without its picture, to remember for long."""
        return Moment(self.index, self.pts, self.time_base)

    @property
    def seconds(self) -> float:
        """Presentation time on the stream's clock."""
        return self.moment.seconds

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.planes[0].shape[0])

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self.planes[0].shape[1])


@dataclass(frozen=True, slots=True, eq=False)
class FrameBatch:
    """Consecutive pictures of one size, as decoded and on the device that decoded them."""

    index: tuple[int, ...]
    pts: tuple[int, ...]
    time_base: Fraction
    planes: tuple[Tensor, Tensor, Tensor]
    """As in `Frame`, with the batch in front: (N, height, width)."""
    pixel_format: PixelFormat

    def __post_init__(self) -> None:
        count = len(self.index)
        lengths = {count, len(self.pts), *(int(plane.shape[0]) for plane in self.planes)}
        if count == 0 or len(lengths) != 1:
            raise ValueError(f"a batch needs one index, pts and plane per frame, got {lengths}")

    def __len__(self) -> int:
        return len(self.index)

    def __iter__(self) -> Iterator[Frame]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, i: int) -> Frame:
        y, u, v = self.planes
        picture = (y[i], u[i], v[i])
        return Frame(self.index[i], self.pts[i], self.time_base, picture, self.pixel_format)

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.planes[0].shape[1])

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self.planes[0].shape[2])

    def mirrored(self) -> FrameBatch:
        """Return the same instants with left and right exchanged."""
        y, u, v = self.planes
        return replace(self, planes=(y.flip(-1), u.flip(-1), v.flip(-1)))


@dataclass(frozen=True, slots=True, eq=False)
class TextSpace:
    """Where a network's features and the words of a text encoder meet."""

    encoder: str
    """What `mmras_stream.models.encoders.load_encoder` takes, such as `minilm`."""
    identity: str
    """sha256 of the encoder; only vectors of one identity can be compared."""
    projection: Tensor
    """(D, C) float32: brings a place's features into the space."""
    class_vectors: Tensor
    """(K, D) float32 of length 1: the words for the network's classes."""
    logit_scale: float
    """Factor that makes logits of cosines; the inverse of a temperature."""


@dataclass(frozen=True, slots=True)
class NetworkTraits:
    """What a network gives, as far as scores and names depend on it."""

    classes: tuple[str, ...]
    """In the order of `SegmentationOutput.class_scores`."""
    predicts_masks: bool = False
    has_outlier_head: bool = False
    feature_channels: int = 0
    """Width C of `SegmentationOutput.features`; 0 where nothing is known of it."""
    text: TextSpace | None = None
    """Where the weights were taught what words mean."""
    tta: str = "none"
    """What `score.tta` was when the threshold was calibrated."""


@dataclass(frozen=True, slots=True, eq=False)
class SegmentationOutput:
    """What a network says about a batch, untouched, on the device that computed it."""

    class_scores: Tensor
    """(N, K, h, w) logits of the classes the network knows, or the sums of its masks."""
    features: Tensor
    """(N, C, h', w') dense features."""
    outlier_logits: Tensor | None = None
    """(N, h, w), for networks with a head that was trained to see the unknown."""
    extra_masks: Tensor | None = None
    """(N, k, h, w), k >= 0, for networks that predict masks: the probability of each mask that
    surely shows what cannot stand on a road; -inf where a picture has fewer than k."""


@dataclass(frozen=True, slots=True, eq=False)
class AnomalyMap:
    """How out of place every part of one frame looks, on a grid coarser than its pixels."""

    frame_index: int
    scores: ScoreMap
    frame_height: int
    """Pixels of the frame which the grid covers from edge to edge."""
    frame_width: int

    @property
    def pixels_per_cell(self) -> float:
        """Frame pixels that one cell of the grid stands for."""
        return self.frame_height * self.frame_width / self.scores.size


@dataclass(frozen=True, slots=True)
class Rle:
    """A mask in COCO's compressed run-length form: column-major, as pycocotools writes it."""

    size: tuple[int, int]
    """(height, width)."""
    counts: str


@dataclass(frozen=True, slots=True)
class Guess:
    """A word for what a picture may show."""

    word: str
    confidence: float
    """0..1, among the words it was chosen from."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A region of one frame that may be an anomaly: connected, unless its thing fell into parts."""

    frame_index: int
    pts: int
    bbox_xywh: tuple[int, int, int, int]
    """Pixels of the frame; the smallest box around the mask."""
    area: int
    """Pixels of the mask."""
    rle: Rle
    score: float
    """Highest that as many of its cells reach as the smallest region has, see `find_regions`; of a
    retraced one the highest in its box."""
    track_id: int | None = None
    """From 1; the same for one physical thing throughout a drive."""
    guesses: tuple[Guess, ...] = ()
    """Words for the thing, the likeliest first, where names were asked for."""
    looks_known: Guess | None = None
    """The ordinary thing it looks like so much that it is suppressed."""
    on_road: float | None = None
    """Share of the ground around its foot that is road, 0..1; None where that is unknown."""
    is_retraced: bool = False
    """Its mask was not cut from scores, but followed here by texture from a frame where it was."""
    overlap: float | None = None
    """With the place where its thing was expected, as intersection over union on a coarse grid;
    None at the first sight of a thing."""

    @property
    def is_suppressed(self) -> bool:
        """Tell whether it is kept for the record only, and is no find."""
        return self.looks_known is not None


@dataclass(frozen=True, slots=True, eq=False)
class FrameResult:
    """All that is known about one frame; the only thing an exporter sees."""

    frame: Frame
    raw_map: AnomalyMap
    anomaly_map: AnomalyMap
    """`raw_map` after smoothing; what the proposals were cut from."""
    proposals: tuple[Proposal, ...]
    threshold: float
    """Score above which a place counted as strange."""
    features: Tensor | None = None
    """(C, h, w): `SegmentationOutput.features` of the frame, for whoever names things later."""

    @property
    def finds(self) -> tuple[Proposal, ...]:
        """Proposals that are not suppressed."""
        return tuple(p for p in self.proposals if not p.is_suppressed)
