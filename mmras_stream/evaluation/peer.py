"""Write scores as others' evaluators read them."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mmras_stream.atomic import partial_path, publish, reported
from mmras_stream.errors import PluginError, SettingsError
from mmras_stream.evaluation.datasets import Split
from mmras_stream.evaluation.measure import PictureResult
from mmras_stream.evaluation.pixel import PixelCurve
from mmras_stream.evaluation.scores import enlarged
from mmras_stream.evaluation.store import Stored
from mmras_stream.regions.rle import decode
from mmras_stream.types import FrameResult, ScoreMap

HIGHEST = 0.99
"""Of the scores that are written; near 1 numbers of 16 bits lie too far apart."""

_TRACKS = {"dataset_AnomalyTrack": "AnomalyTrack-all", "dataset_ObstacleTrack": "ObstacleTrack-all"}
"""Folder of SegmentMeIfYouCan -> what its evaluator calls the set."""


class SmiycExport:
    """A visitor of `evaluate` that writes `anomaly_p/METHOD/SET/NAME.hdf5` for SegmentMeIfYouCan.

    Each file holds a dataset `value` of float16, (H, W), compressed with gzip. Scores are brought
    to 0..0.99 by a map that rises throughout and spreads strange pixels evenly, since float16
    cannot tell scores near 1 apart.

    Raises:
        PluginError: h5py is not installed.
    """

    def __init__(self, folder: Path, split: Split, method: str) -> None:
        try:
            self._h5py: Any = import_module("h5py")  # Any: it has no types
        except ImportError as error:
            raise PluginError(
                "the export 'smiyc' needs the package h5py: pip install 'mmras-stream[hdf5]'"
            ) from error
        safe = re.sub(r"[^\w.=,-]", "_", method)
        self._folder = folder / "anomaly_p" / safe / _TRACKS.get(split.name, split.name)

    def __call__(self, stored: Stored, _picture: PictureResult, curve: PixelCurve) -> None:
        """Write one picture.

        Raises:
            OutputError: it cannot be written.
        """
        path = self._folder / f"{stored.sample.name}.hdf5"
        with reported(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._h5py.File(partial_path(path), "w") as file:
                values = rescaled(stored.scores, curve)
                file.create_dataset("value", data=values, compression="gzip")
        publish(path)


class SosExport:
    """An observer of all frames that writes a sequence as the tracking challenge SOS reads it.

    `ood_score/sequence_NNN/NNNNNN.npy` holds smoothed scores (H, W) as float32,
    `ood_prediction_tracked/...` the number of the track at each pixel, 0 for none, as int32.

    Raises:
        SettingsError: the split is no drive.
    """

    def __init__(self, folder: Path, split: Split) -> None:
        if split.drive is None:
            raise SettingsError(
                f"the export 'sos' needs a drive, whose frames can be tracked; {split.name} has "
                f"the layout {split.layout.value}"
            )
        numbers = re.findall(r"\d+", split.name)
        self._folder = folder
        self._sequence = f"sequence_{int(numbers[-1]) if numbers else 0:03d}"

    def __call__(self, result: FrameResult) -> None:
        """Write one frame.

        Raises:
            OutputError: it cannot be written.
        """
        scores = enlarged(result.anomaly_map)
        tracks = np.zeros(scores.shape, np.int32)
        for proposal in reversed(result.finds):  # the strangest last, on top
            tracks[decode(proposal.rle)] = proposal.track_id or 0
        for kind, values in (("ood_score", scores), ("ood_prediction_tracked", tracks)):
            path = self._folder / kind / self._sequence / f"{result.frame.index:06d}.npy"
            with reported(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                np.save(path, values)


def rescaled(scores: ScoreMap, curve: PixelCurve) -> npt.NDArray[np.float16]:
    """Return scores in 0..0.99, in the same order as far as 16 bits can tell them apart."""
    knots = np.unique([curve.lowest, *(point.threshold for point in curve.points), curve.highest])
    return np.interp(scores, knots, np.linspace(0, HIGHEST, knots.size)).astype(np.float16)
