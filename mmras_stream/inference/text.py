"""What image and text meet in, made ready as settings name it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from mmras_stream.errors import CheckpointError, SettingsError
from mmras_stream.inference.device import chosen_device, chosen_precision
from mmras_stream.inference.preprocess import network_input
from mmras_stream.models.clip import Clip, load_clip
from mmras_stream.models.clip_source import ClipSource, is_here
from mmras_stream.models.encoders import load_encoder
from mmras_stream.models.text import (
    TEMPLATES,
    TextEmbeddings,
    TextEncoder,
    embed_words,
    load_templates,
)
from mmras_stream.models.vocabulary import Vocabulary, load_vocabulary, make_vocabulary
from mmras_stream.settings import Settings, TextSettings
from mmras_stream.types import FrameBatch, NetworkTraits, TextSpace

SHORT_EDGE = 448
"""Pixels at which CLIP sees a picture's shorter side: twice those it was trained on, so that a
thing covers several of its places; a multiple of the usual strides, 14, 16 and 32."""

LONGEST = 4
"""Sides longer than this many shorter ones are squeezed, so that no picture takes all memory."""

AUTO, NO_CLIP = "auto", "none"
"""What `text.clip` may be but a model."""

AUTO_CLIP = "RN50"

# A score and a namer ask for the same model, each by itself: its weights are in memory once.
_in_use: WeakValueDictionary[tuple[ClipSource, torch.device, torch.dtype], Clip] = (
    WeakValueDictionary()
)


def chosen_branch(settings: Settings, traits: NetworkTraits) -> Clip | TextSpace:
    """Return where image and text meet: in CLIP, or in the network's own text space.

    A CLIP model that is named is taken, and `none` takes the network's own space. `auto` takes
    `AUTO_CLIP` where its weights are on this machine: it knows far more. Elsewhere it takes the
    network's own space, and where the weights carry none it fetches `AUTO_CLIP`.

    Raises:
        SettingsError: `none`, and the weights carry no text space.
        PluginError: open_clip is missing, or knows no such model.
        CheckpointError: the weights are neither here nor can they be fetched.
    """
    if settings.text.clip == AUTO and is_here(AUTO_CLIP):
        return chosen_clip(settings)
    return feature_branch(settings, traits)


def feature_branch(settings: Settings, traits: NetworkTraits) -> Clip | TextSpace:
    """Return what knows words that the network's own features can be multiplied by.

    As `chosen_branch`, but `auto` prefers the network's own text space to any CLIP.

    Raises:
        SettingsError, PluginError, CheckpointError: as `chosen_branch`.
    """
    if settings.text.clip in (AUTO, NO_CLIP) and traits.text is not None:
        return traits.text
    if settings.text.clip == NO_CLIP:
        raise SettingsError(
            "text.clip is 'none', but the network's weights know no words; name a CLIP model, "
            "or teach them with 'mmras-stream train text'"
        )
    return chosen_clip(settings)


def branch_used(settings: Settings, scores: Collection[str], traits: NetworkTraits) -> str:
    """Return by what a run compares image and text, for its record; "" where nothing asks."""
    text = settings.text
    if text.name_things or text.suppress_known is not None or "mmras_aligned" in scores:
        branch = chosen_branch(settings, traits)
    elif "mmras" in scores and text.vectors is None:
        branch = feature_branch(settings, traits)
    else:
        return ""
    return branch.source.name if isinstance(branch, Clip) else f"{branch.encoder} in the weights"


def encoder_of(space: TextSpace) -> TextEncoder:
    """Return the text encoder of a network's own text space.

    Raises:
        PluginError: a package that it needs is missing.
        CheckpointError: what is installed is another model than the network was taught with.
    """
    encoder = load_encoder(space.encoder)
    if encoder.identity != space.identity:
        raise CheckpointError(
            f"the weights were taught the words of another {space.encoder} than is installed: "
            f"{space.identity[:12]}..., not {encoder.identity[:12]}...; install that, or name a "
            "CLIP model"
        )
    return encoder


def chosen_clip(settings: Settings) -> Clip:
    """Return the CLIP model that settings name, on the network's device; shared while in use.

    Raises:
        PluginError: open_clip is missing, or knows no such model.
        CheckpointError: the weights are neither here nor can they be fetched.
    """
    device = chosen_device(settings.model.device)
    precision = chosen_precision(settings.model.precision, device)
    name = AUTO_CLIP if settings.text.clip == AUTO else settings.text.clip
    clip = load_clip(name, device=device, precision=precision)
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


def embedded(
    vocabulary: Vocabulary, encoder: TextEncoder, settings: TextSettings
) -> TextEmbeddings:
    """Embed words in the templates that settings name; see `embed_words`."""
    name = settings.templates
    templates = TEMPLATES if name is None else load_templates(Path(name))
    return embed_words(vocabulary, encoder, templates=templates)


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
