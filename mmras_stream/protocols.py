"""The seams a plugin may fill. A plugin imports this module and nothing above it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from mmras_stream.motion import Flow, Motion
from mmras_stream.types import (
    AnomalyMap,
    Frame,
    FrameBatch,
    FrameResult,
    NetworkTraits,
    Proposal,
    SegmentationOutput,
    VideoInfo,
)

if TYPE_CHECKING:
    from torch import Tensor


class Decoder(Protocol):
    """Opens one video and yields its frames in presentation order, in batches of one size."""

    @property
    def info(self) -> VideoInfo:
        """Header facts, known before the first frame."""
        ...

    @property
    def warnings(self) -> Sequence[str]:
        """What was wrong with the file so far, one sentence each; complete after the last frame."""
        ...

    def __iter__(self) -> Iterator[FrameBatch]: ...

    def close(self) -> None:
        """Release the file; safe to call twice."""
        ...


class Backend(Protocol):
    """Runs a network; stateless and shared by all videos."""

    @property
    def weights_sha256(self) -> str:
        """Identity of the weights, as hexadecimal digits; empty where there are none."""
        ...

    @property
    def traits(self) -> NetworkTraits:
        """What the network gives."""
        ...

    @property
    def threshold(self) -> float | None:
        """The threshold that was calibrated for these weights and their default score, if any."""
        ...

    def predict(self, batch: FrameBatch) -> SegmentationOutput:
        """Return the network's raw outputs, left on the device that computed them."""
        ...


@runtime_checkable
class Scalable(Protocol):
    """A backend that can look at pictures more coarsely, too."""

    def halved(self) -> Backend:
        """Return the same network, which brings pictures to half the width and half the height."""
        ...


class Scorer(Protocol):
    """Turns a network's raw outputs into one anomaly map per frame, on the host.

    Stateless and shared by all videos; built from `Settings` and the `NetworkTraits` of the
    network it serves.
    """

    def score(self, batch: FrameBatch, output: SegmentationOutput) -> Sequence[AnomalyMap]: ...


class MotionEstimator(Protocol):
    """Tells how a picture moved; one instance serves one video and keeps nothing between calls."""

    def flow(self, source: Tensor, target: Tensor) -> Flow | None:
        """Return where each place of `source` lies in `target`; None where that cannot be told.

        The grid of places covers the picture and may be coarser than it.

        Args:
            source: (height, width) uint8, a small grey picture on the device of the decoder.
            target: Of the same size.
        """
        ...


class Smoother(Protocol):
    """Steadies anomaly maps over time; keeps state, so one instance serves one video."""

    def update(self, frame: Frame, anomaly_map: AnomalyMap, motion: Motion) -> AnomalyMap:
        """Blend in the next frame's map and return the steady one.

        Args:
            frame: The next one in time.
            anomaly_map: Of the frame.
            motion: Since the frame of the call before; at a cut the past does not count.
        """
        ...

    def reset(self) -> None:
        """Forget the past."""
        ...


class Sighting(Protocol):
    """One proposal of a thing that is followed."""

    @property
    def proposal(self) -> Proposal:
        """As it was found, or joined from the parts of its thing."""
        ...

    @property
    def track_id(self) -> int | None:
        """Of its thing; None until the thing is believed, which may be frames later."""
        ...


class Tracker(Protocol):
    """Finds out which proposals show one physical thing; one instance serves one video."""

    def update(
        self, frame: Frame, proposals: Sequence[Proposal], motion: Motion
    ) -> Sequence[Sighting]:
        """Return what is seen of things that are believed or may be.

        Args:
            frame: The next one in time.
            proposals: Of the frame, those too faint to begin a track among them.
            motion: Since the frame of the call before.
        """
        ...


class Namer(Protocol):
    """Says in words what proposals show; keeps state, so one instance serves one video."""

    def describe(
        self, frame: Frame, proposals: Sequence[Proposal], features: Tensor
    ) -> tuple[Proposal, ...]:
        """Return the proposals, which have a `track_id`, with what is known of their things.

        Args:
            frame: The picture.
            proposals: Of it.
            features: (C, h, w): the network's `SegmentationOutput.features` of it.
        """
        ...


class Exporter(Protocol):
    """Writes results somewhere; `close` must leave readable files even after a failure."""

    @property
    def warnings(self) -> Sequence[str]:
        """What could not be written as asked, one sentence each; complete after `close`."""
        ...

    def write(self, result: FrameResult) -> None: ...

    def close(self) -> None:
        """Finish the files and give them their final names; safe to call twice."""
        ...
