"""Scores in which words for the classes have a say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from mmras_stream.errors import SettingsError
from mmras_stream.inference.text import (
    chosen_branch,
    class_words,
    clip_input,
    embedded,
    encoder_of,
    feature_branch,
)
from mmras_stream.models.clip import Clip
from mmras_stream.models.dense_text import word_cosines
from mmras_stream.models.text import TextEmbeddings, read_vectors
from mmras_stream.models.vocabulary import Vocabulary
from mmras_stream.protocols import Scorer
from mmras_stream.scoring import published
from mmras_stream.scoring.published import ClassMaps
from mmras_stream.scoring.scorers import anomaly_maps
from mmras_stream.settings import Settings, TextSettings
from mmras_stream.types import (
    AnomalyMap,
    FrameBatch,
    NetworkTraits,
    SegmentationOutput,
    TextSpace,
)


@dataclass(frozen=True, slots=True)
class Blend:
    """How image and text become one score; see `published.mmras`."""

    alpha: float
    w: float
    of_masks: bool
    """The class scores are sums of masks. Those of other networks are logits, of which the
    softmax is taken, so that image and text share a range."""

    @classmethod
    def of(cls, settings: Settings, traits: NetworkTraits) -> Blend:
        """Take it from the settings, for a network."""
        return cls(settings.score.alpha, settings.score.w, traits.predicts_masks)

    def score(self, output: SegmentationOutput, text_maps: Tensor) -> Tensor:
        """Return (N, h, w), for a text that has its say in (N, K, h, w)."""
        s = ClassMaps.of(output)
        if not self.of_masks:
            s = s._replace(classes=s.classes.softmax(1))
        return published.mmras(s, text_maps.to(s.classes), alpha=self.alpha, w=self.w)


class MmrasScorer:
    """MMRAS as released: the network's own features times text, nothing normalised."""

    def __init__(self, vectors: Tensor, blend: Blend) -> None:
        self._vectors = vectors
        self._blend = blend

    @torch.inference_mode()
    def score(self, batch: FrameBatch, output: SegmentationOutput) -> list[AnomalyMap]:
        """Return one map per frame, on the grid of the class scores."""
        features, (height, width) = output.features.float(), output.class_scores.shape[-2:]
        vectors = self._vectors.to(features.device)
        text_maps = published.text_logits(features, vectors, (height, width))
        return anomaly_maps(batch, self._blend.score(output, text_maps))


class AlignedMmrasScorer:
    """MMRAS with image and text in one space: that of CLIP, which sees the pictures anew.

    The text's share in a place is CLIP's own zero-shot classification of it: the softmax over the
    classes of logit_scale * cosine (Radford et al. 2021, arXiv 2103.00020), of dense features as
    in MaskCLIP (Zhou et al. 2022, arXiv 2112.01071), enlarged bilinearly. One CPU core takes 1.2 s
    for a picture of 16:9 with the ResNet-50.
    """

    def __init__(self, clip: Clip, text: TextEmbeddings, blend: Blend) -> None:
        self._clip = clip
        self._text = text
        self._blend = blend

    @torch.inference_mode()
    def score(self, batch: FrameBatch, output: SegmentationOutput) -> list[AnomalyMap]:
        """Return one map per frame, on the grid of the class scores."""
        features = self._clip.dense(clip_input(batch, self._clip))
        vectors = self._text.vectors.to(features.device)
        cosines = torch.einsum("nchw,kc->nkhw", features, vectors)
        shares = (self._text.logit_scale * cosines).softmax(1)
        text_maps = F.interpolate(
            shares, output.class_scores.shape[-2:], mode="bilinear", align_corners=False
        )
        return anomaly_maps(batch, self._blend.score(output, text_maps))


class OwnMmrasScorer:
    """MMRAS with image and text in one space: one that the network's own features were taught.

    The text's share in a place is the softmax over the classes of logit_scale * cosine, between
    the features there, projected, and the words (as LSeg: Li et al. 2022, arXiv 2201.03546). It
    costs a hundredth of the network itself.
    """

    def __init__(self, space: TextSpace, vectors: Tensor, blend: Blend) -> None:
        self._space = space
        self._vectors = vectors
        self._blend = blend

    @torch.inference_mode()
    def score(self, batch: FrameBatch, output: SegmentationOutput) -> list[AnomalyMap]:
        """Return one map per frame, on the grid of the class scores."""
        cosines = word_cosines(output.features, self._space.projection, self._vectors)
        shares = (self._space.logit_scale * cosines).softmax(1)
        text_maps = F.interpolate(
            shares, output.class_scores.shape[-2:], mode="bilinear", align_corners=False
        )
        return anomaly_maps(batch, self._blend.score(output, text_maps))


def mmras(settings: Settings, traits: NetworkTraits) -> MmrasScorer:
    """Make an `MmrasScorer` of vectors from a file, or of those for the words.

    Vectors of the network's own text space are brought back to its features: with an embedding
    P f, w . P f is (P' w) . f.

    Raises:
        SettingsError: words or vectors do not fit the network.
        CheckpointError: vectors or CLIP's weights cannot be had.
        PluginError: CLIP is asked for, and open_clip is missing.
    """
    text = settings.text
    words = class_words(text, traits)
    if text.vectors is not None:
        source, vectors = text.vectors, read_vectors(Path(text.vectors), words.words)
    else:
        branch = feature_branch(settings, traits)
        if isinstance(branch, TextSpace):
            own = _own_vectors(branch, words, text) @ branch.projection
            return MmrasScorer(own, Blend.of(settings, traits))
        source, vectors = branch.source.name, embedded(words, branch, text).vectors
    if vectors.shape[1] != traits.feature_channels:
        raise SettingsError(
            f"the score 'mmras' multiplies the network's features, {traits.feature_channels} wide, "
            f"by text vectors, of which those of {source} are {vectors.shape[1]} wide; "
            "give others, or take the score mmras_aligned"
        )
    return MmrasScorer(vectors, Blend.of(settings, traits))


def mmras_aligned(settings: Settings, traits: NetworkTraits) -> Scorer:
    """Make an `AlignedMmrasScorer`, or an `OwnMmrasScorer` where `chosen_branch` is the network's.

    Raises:
        SettingsError: the words do not fit the network.
        CheckpointError: CLIP's weights cannot be had.
        PluginError: open_clip is missing, or the model has no dense features.
    """
    words = class_words(settings.text, traits)
    branch, blend = chosen_branch(settings, traits), Blend.of(settings, traits)
    if isinstance(branch, TextSpace):
        return OwnMmrasScorer(branch, _own_vectors(branch, words, settings.text), blend)
    branch.stride  # noqa: B018 - loads the network now, so that bad weights are told before a run
    return AlignedMmrasScorer(branch, embedded(words, branch, settings.text), blend)


def _own_vectors(space: TextSpace, words: Vocabulary, text: TextSettings) -> Tensor:
    """Return those in the weights, or, where words or templates are named, the encoder's."""
    if text.classes is None and text.templates is None:
        return space.class_vectors
    return embedded(words, encoder_of(space), text).vectors
