"""CLIP and its words, made ready as settings name them."""

from __future__ import annotations

from pathlib import Path
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from mmras_stream.errors import SettingsError
from mmras_stream.inference.device import chosen_device, chosen_precision
from mmras_stream.inference.preprocess import network_input
from mmras_stream.models.clip import Clip, load_clip
from mmras_stream.models.clip_source import ClipSource
from mmras_stream.models.text import TEMPLATES, TextEmbeddings, embed_words, load_templates
from mmras_stream.models.vocabulary import Vocabulary, load_vocabulary, make_vocabulary
from mmras_stream.settings import Settings, TextSettings
from mmras_stream.types import FrameBatch, NetworkTraits

SHORT_EDGE = 448
"""Pixels at which CLIP sees a picture's shorter side: twice those it was trained on, so that a
thing covers several of its places; a multiple of the usual strides, 14, 16 and 32."""

LONGEST = 4
"""Sides longer than this many shorter ones are squeezed, so that no picture takes all memory."""

# A score and a namer ask for the same model, each by itself: its weights are in memory once.
_in_use: WeakValueDictionary[tuple[ClipSource, torch.device, torch.dtype], Clip] = (
    WeakValueDictionary()
)


def chosen_clip(settings: Settings) -> Clip:
    """Return the CLIP model that settings name, on the network's device; shared while in use.

    Raises:
        PluginError: open_clip is missing, or knows no such model.
        CheckpointError: the weights are neither here nor can they be fetched.
    """
    device = chosen_device(settings.model.device)
    precision = chosen_precision(settings.model.precision, device)
    clip = load_clip(settings.text.clip, device=device, precision=precision)
    return _in_use.setdefault((clip.source, device, precision), clip)


def class_words(settings: TextSettings, traits: NetworkTraits) -> Vocabulary:
    """Return the words that stand for a network's classes, in their order.

    Raises:
        SettingsError: there is no such vocabulary, or it has more or fewer words than there are
            classes.
    """
    if settings.classes is None:
        return make_vocabulary(((name, ()) for name in traits.classes), source="the network")
    words = load_vocabulary(settings.classes)
    if len(words) != len(traits.classes):
        raise SettingsError(
            f"{settings.classes} holds {len(words)} words, but the network has "
            f"{len(traits.classes)} classes; give one word for each: {', '.join(traits.classes)}"
        )
    return words


def embedded(vocabulary: Vocabulary, clip: Clip, settings: TextSettings) -> TextEmbeddings:
    """Embed words in the templates that settings name; see `embed_words`."""
    name = settings.templates
    templates = TEMPLATES if name is None else load_templates(Path(name))
    return embed_words(vocabulary, clip, templates=templates)


def clip_input(batch: FrameBatch, clip: Clip) -> Tensor:
    """Return a batch as `Clip.dense` wants it, (N, 3, h, w) of `clip_size`, normalised."""
    size = clip_size(batch.height, batch.width, stride=clip.stride)
    device = batch.planes[0].device
    return network_input(batch, size, mean=clip.mean, std=clip.std, device=device)


def clip_size(height: int, width: int, *, stride: int) -> tuple[int, int]:
    """Return the (height, width), whole strides, at which CLIP sees a picture.

    >>> clip_size(720, 1280, stride=32)
    (448, 800)
    >>> clip_size(2, 4000, stride=16)
    (448, 1792)
    """
    scale = SHORT_EDGE / min(height, width)
    down, across = (
        max(stride, stride * round(min(side * scale, LONGEST * SHORT_EDGE) / stride))
        for side in (height, width)
    )
    return down, across
