"""Weights files: safetensors that carry their own configuration and say when they are damaged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from mmras_stream.errors import CheckpointError
from mmras_stream.models.carded import (
    CARD_KEY,
    FORMAT_KEY,
    check_digest,
    check_finite,
    digest,
    read_metadata,
    read_tensors,
    write_carded,
)
from mmras_stream.models.compact import CompactConfig, CompactNetwork
from mmras_stream.types import TextSpace

FORMAT = "mmras-stream compact 1"
EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True)
class TextCard:
    """What the text head of a network was taught."""

    encoder: str
    """What `mmras_stream.models.encoders.load_encoder` takes."""
    identity: str
    """sha256 of the encoder."""
    logit_scale: float
    words: Mapping[str, Sequence[str]]
    """For each class those whose mean is its vector."""
    templates: tuple[str, ...]
    """In which they were said."""


@dataclass(frozen=True, slots=True)
class WeightsCard:
    """What a weights file says of itself."""

    config: CompactConfig
    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    """RGB, 0..255; subtracted from the pixels."""
    std: tuple[float, float, float] = (58.395, 57.12, 57.375)
    input_width: int = 512
    """Pixels; the width at which the weights were measured and calibrated."""
    threshold: float | None = None
    """Score above which a place is strange, calibrated on drives without anything strange."""
    calibration: dict[str, Any] = field(default_factory=dict)
    """How `threshold` was found: drives, scoring settings, chosen rate."""
    recipe: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    """Which data, how many pictures, how many steps, which versions."""
    text: TextCard | None = None
    """Of the text head, where there is one."""
    sha256: str = ""
    """Of the tensors, by name, as stored; filled in when they are written."""

    @property
    def tta(self) -> str:
        """What `score.tta` was when `threshold` was found; `none` where nothing is said of it."""
        try:
            return str(self.calibration["score"]["tta"])
        except (KeyError, TypeError):
            return "none"


def weights_path(name: str) -> Path:
    """Return the file that `--weights NAME` means.

    Raises:
        CheckpointError: there is no such file.
    """
    if name != EMBEDDED:
        path = Path(name)
        if not path.is_file():
            raise CheckpointError(
                f"no weights at {name}; give a .safetensors file or '{EMBEDDED}' for the built-in"
            )
        return path
    with as_file(files("mmras_stream") / "assets" / "embedded.safetensors") as path:
        if not path.is_file():
            raise CheckpointError(
                f"the built-in weights are missing at {path}; reinstall mmras-stream"
            )
        return path


def save_weights(path: Path, state: Mapping[str, Tensor], card: WeightsCard) -> WeightsCard:
    """Write tensors as float16 with their card, under a temporary name first.

    Returns:
        The card with its `sha256`.
    """
    tensors = {name: _compact(value) for name, value in sorted(state.items())}
    card = replace(card, sha256=digest(tensors))
    write_carded(path, tensors, asdict(card), file_format=FORMAT)
    return card


def rewrite_card(path: Path, card: WeightsCard) -> None:
    """Replace what a weights file says of itself; its tensors stay, and so does their hash."""
    card = replace(card, sha256=_card_of(path).sha256)
    write_carded(path, read_tensors(path), asdict(card), file_format=FORMAT)


def read_card(path: Path) -> WeightsCard:
    """Read what a weights file says of itself, without its tensors.

    Raises:
        CheckpointError: it is not one of ours, or damaged.
    """
    return _card_of(path)


def load_network(path: Path) -> tuple[CompactNetwork, WeightsCard]:
    """Build the network a weights file describes and fill it, in float32, for inference.

    Raises:
        CheckpointError: the file is damaged, not one of ours, of another architecture, or holds
            values that are not finite.
    """
    card, tensors = _card_of(path), read_tensors(path)
    check_digest(path, tensors, card.sha256)
    check_finite(path, tensors)
    if card.config.text_width and card.text is None:
        raise CheckpointError(f"{path} has a text head, but its card says nothing of its words")
    network = CompactNetwork(card.config)
    try:
        network.load_state_dict(
            {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}
        )
    except RuntimeError as error:
        first = str(error).strip().splitlines()[-1].strip()
        raise CheckpointError(f"{path} does not fit the network it describes: {first}") from error
    return network.eval(), card


def text_space(network: CompactNetwork, card: WeightsCard) -> TextSpace | None:
    """Return where features and words meet, or None where the network was taught no words."""
    head = network.text_head
    if head is None or card.text is None:
        return None
    return TextSpace(
        card.text.encoder,
        card.text.identity,
        head.projection.weight.detach()[:, :, 0, 0].float().clone(),
        # stored as float16, so no longer quite of length 1
        F.normalize(head.class_vectors.float(), dim=1),
        card.text.logit_scale,
    )


def _card_of(path: Path) -> WeightsCard:
    metadata = read_metadata(path)
    if metadata.get(FORMAT_KEY) != FORMAT:
        raise CheckpointError(
            f"{path} holds another architecture (format {metadata.get(FORMAT_KEY)!r}); "
            f"this backend reads {FORMAT!r}, as written by 'mmras-stream train'"
        )
    return _parse(metadata.get(CARD_KEY, ""), path)


def _parse(text: str, path: Path) -> WeightsCard:
    try:
        values = json.loads(text)
        values["config"] = CompactConfig.from_dict(values["config"])
        for name in ("mean", "std"):
            values[name] = tuple(values[name])
        if values.get("text") is not None:
            values["text"] = TextCard(**values["text"])
        return WeightsCard(**values)
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"the card in {path} cannot be read: {error}") from error


def _compact(value: Tensor) -> Tensor:
    value = value.detach().cpu().contiguous()
    return value.to(torch.float16) if value.is_floating_point() else value
