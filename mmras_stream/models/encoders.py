"""Text encoders by name."""

from __future__ import annotations

from mmras_stream.models import minilm
from mmras_stream.models.clip import load_clip
from mmras_stream.models.text import TextEncoder


def load_encoder(name: str) -> TextEncoder:
    """Find a text encoder: `minilm`, or a CLIP model as `clip_source.find_clip` takes it.

    Raises:
        PluginError: a package is missing, or the model is unknown.
        CheckpointError: weights are neither here nor can they be fetched.
    """
    return minilm.load_minilm() if name == minilm.NAME else load_clip(name)
