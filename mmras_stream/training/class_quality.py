"""How well weights know the classes of labelled pictures that they did not learn from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from mmras_stream.inference.compact_backend import CompactBackend
from mmras_stream.settings import ModelSettings
from mmras_stream.training.loading import Picture, load_source
from mmras_stream.training.recipe import IGNORED, Recipe, Source
from mmras_stream.video.colour import rgb_batch


@dataclass(frozen=True, slots=True)
class ClassQuality:
    """Intersection over union on the pictures of one source."""

    source: str
    pictures: int
    iou: dict[str, float]
    """Of each label of the source, 0..1; a label that neither appears nor is predicted is left
    out."""

    @property
    def mean_iou(self) -> float:
        """0..1."""
        return float(np.mean(list(self.iou.values()))) if self.iou else 0.0


def class_quality(
    weights: Path, recipe: Recipe, data: Path, *, settings: ModelSettings | None = None
) -> Iterator[ClassQuality]:
    """Measure weights on each source of a recipe that is kept for validation.

    The network's classes are mapped onto the labels of the source: the probability of a label is
    the sum of those of its classes, and the likeliest label of the source is the prediction.

    Args:
        weights: A file of `mmras-stream train`.
        recipe: Names the sources, and what their labels mean.
        data: Folder that its paths start from.
        settings: How the network looks; its weights are replaced.

    Raises:
        DataError: pictures cannot be read.
        CheckpointError: the weights cannot be read.
    """
    backend = CompactBackend(replace(settings or ModelSettings(), weights=str(weights)))
    for source in recipe.sources:
        if source.validation:
            yield _measured(backend, recipe, source, load_source(recipe, source, data))


def _measured(
    backend: CompactBackend, recipe: Recipe, source: Source, pictures: Sequence[Picture]
) -> ClassQuality:
    names = list(dict.fromkeys(name for name in source.label_names if name != IGNORED))
    numbers = np.array([recipe.label_number(name) for name in names])
    members = [recipe.groups.get(name, (name,)) for name in names]
    children = [[recipe.classes.index(child) for child in group] for group in members]
    counts = np.zeros((len(names), len(names)), np.int64)
    for picture in pictures:
        truth = np.full(256, len(names), np.int64)
        truth[numbers] = np.arange(len(names))
        wanted = truth[picture.labels]
        seen = _predicted(backend, picture, children)
        known = wanted < len(names)
        pairs = wanted[known] * len(names) + seen[known]
        counts += np.bincount(pairs, minlength=len(names) ** 2).reshape(counts.shape)
    return ClassQuality(source.name, len(pictures), _iou(names, counts))


def _predicted(
    backend: CompactBackend, picture: Picture, children: Sequence[Sequence[int]]
) -> npt.NDArray[np.int64]:
    shares: Tensor = backend.predict(rgb_batch(picture.image)).class_scores.softmax(1)
    summed = torch.stack([shares[:, list(group)].sum(1) for group in children], 1)
    size = picture.labels.shape
    large = F.interpolate(summed, size, mode="bilinear", align_corners=False)
    return np.asarray(large.argmax(1)[0].cpu().numpy(), np.int64)


def _iou(names: Sequence[str], counts: npt.NDArray[np.int64]) -> dict[str, float]:
    """Return intersection over union from counts of (true, predicted) places."""
    both = counts.diagonal()
    either = counts.sum(0) + counts.sum(1) - both
    return {
        name: float(hits / total)
        for name, hits, total in zip(names, both, either, strict=True)
        if total
    }
