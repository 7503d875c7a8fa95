"""Weights of the published network, as its authors left them or as this program keeps them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmras_stream.errors import CheckpointError
from mmras_stream.models.carded import (
    CARD_KEY,
    FORMAT_KEY,
    check_digest,
    check_finite,
    digest,
    not_finite,
    shortened,
    write_carded,
)
from mmras_stream.models.detection import detect_config, whose
from mmras_stream.models.mismatch import explain
from mmras_stream.models.mmras import Criterion, MmrasConfig, MmrasNetwork
from mmras_stream.models.state_files import read_state
from mmras_stream.models.transformers_names import TRANSFORMERS_RESNET, from_transformers

FORMAT = "mmras-stream mmras 1"

WRAPPERS = ("model", "state_dict", "model_state_dict")
"""Where training programs keep the state, beside that of their optimizer."""

PREFIXES = ("module.", "model.", "_orig_mod.")
"""Put before every name by data-parallel training, by Lightning and by torch.compile."""

TRAINING_ONLY = ("projection.", "pixel_mean", "pixel_std")
"""Begins the names of text regularisation and of constants; inference has no use for them."""

HEAD = "sem_seg_head."
HEAD_PARTS = ("pixel_decoder.", "predictor.")

COUNTER = "num_batches_tracked"
"""Ends the names of what batch norms count in training; frozen ones have none."""

CRITERION = "criterion."
"""Begins the name of a constant that only the loss uses."""


@dataclass(frozen=True, slots=True)
class MmrasCard:
    """What is known of weights of the published network."""

    config: MmrasConfig
    source: str
    """Name of the file they were first read from."""
    sha256: str = ""
    """Of the whole state by name, as stored in a file of ours, in float32 in any other."""
    threshold: float | None = None
    """Score above which a place is strange, where somebody calibrated it."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredMmras:
    """Weights of the published network as they lie in a file, under its names."""

    path: Path
    tensors: Mapping[str, Tensor]
    card: MmrasCard | None
    """None where another program wrote the file."""


def load_mmras(
    path: Path, config: MmrasConfig | None = None, *, classes: Sequence[str] | None = None
) -> tuple[MmrasNetwork, MmrasCard]:
    """Build the network a file describes and fill it, in float32, for inference.

    Nothing in the file is executed.

    Args:
        path: `.pth`, `.pkl` or `.safetensors`.
        config: Of the network; by default the one in the file, or what its shapes tell.
        classes: Names of the classes, where neither Cityscapes' nor in the file.

    Raises:
        CheckpointError: the file is missing, damaged, of another network, or holds values that
            are no weights.
    """
    return build_mmras(read_mmras(path), config, classes=classes)


def read_mmras(path: Path) -> StoredMmras:
    """Read a file's tensors under the names of `MmrasNetwork`.

    Raises:
        CheckpointError: the file is missing, damaged or of another kind of network.
    """
    stored = read_state(path)
    card = None
    if stored.metadata.get(FORMAT_KEY) == FORMAT:
        card = _parse(stored.metadata.get(CARD_KEY, ""), path)
    tensors = published_state(stored.entries)
    if not tensors:
        raise CheckpointError(
            f"{path} holds no weights; its entries are {shortened(list(stored.entries)) or 'none'}"
        )
    if hint := whose(_shapes(tensors)):
        raise CheckpointError(f"{path} holds another network: {hint}")
    if card is not None:
        check_digest(path, tensors, card.sha256)
    return StoredMmras(path, tensors, card)


def build_mmras(
    stored: StoredMmras, config: MmrasConfig | None = None, *, classes: Sequence[str] | None = None
) -> tuple[MmrasNetwork, MmrasCard]:
    """Build the network of what was read; see `load_mmras`."""
    path, card = stored.path, stored.card
    if config is None:
        config = _described(stored, classes)
    network = _outline(path, config)
    wanted = network.state_dict()
    state = {**_what_may_lack(wanted, config), **stored.tensors}
    needed = {name: value for name, value in wanted.items() if not _may_lack(name)}
    if reason := explain(_shapes(stored.tensors), _shapes(needed), _shapes(wanted), config):
        raise CheckpointError(f"{path} does not fit the network: {reason}")
    state = {name: _converted(path, name, state[name], wanted[name]) for name in wanted}
    check_finite(path, state)
    network.load_state_dict(state, strict=True, assign=True)
    if card is None:
        card = MmrasCard(config, source=path.name, sha256=digest(state))
    return network.eval(), replace(card, config=config)


def save_mmras(
    path: Path, network: MmrasNetwork, card: MmrasCard, *, half: bool = False
) -> MmrasCard:
    """Write a network as safetensors with its card, under a temporary name first.

    Args:
        path: Where to.
        network: What to write.
        card: What is known of it.
        half: Keep float16 in place of float32: half the size, three digits.

    Returns:
        The card with the `sha256` of what was written.

    Raises:
        CheckpointError: float16 cannot hold a value.
        OutputError: the file cannot be written.
    """
    dtype = torch.float16 if half else torch.float32
    tensors = {
        name: (value.to(dtype) if value.is_floating_point() else value).contiguous()
        for name, value in network.state_dict().items()
    }
    if half and (large := not_finite(tensors)):
        raise CheckpointError(
            f"{shortened(large)} would overflow float16, which ends at 65504; leave out --half"
        )
    card = replace(card, sha256=digest(tensors))
    write_carded(path, tensors, asdict(card), file_format=FORMAT)
    return card


def published_state(stored: Mapping[str, object]) -> dict[str, Tensor]:
    """Return a checkpoint's tensors under the names of `MmrasNetwork`."""
    inner = {str(name): value for name, value in _unwrapped(stored).items()}
    if any(name.startswith(TRANSFORMERS_RESNET) for name in inner):
        return from_transformers({k: v for k, v in inner.items() if isinstance(v, Tensor)})
    named = {_present_name(name): value for name, value in inner.items()}
    return {
        name: value
        for name, value in named.items()
        if isinstance(value, Tensor) and not name.startswith(TRAINING_ONLY)
    }


def _unwrapped(stored: Mapping[str, object]) -> Mapping[str, object]:
    for _ in WRAPPERS:  # no deeper, even where a mapping holds itself
        inner = next((stored[name] for name in WRAPPERS if name in stored), None)
        if not isinstance(inner, Mapping):
            break
        stored = inner
    return stored


def _present_name(name: str) -> str:
    while name.startswith(PREFIXES):
        name = name.partition(".")[2]
    # Mask2Former's first models: one query name, and a pixel decoder that was the head itself
    name = name.replace(".static_query.", ".query_feat.")
    part = name.removeprefix(HEAD)
    if part != name and not part.startswith(HEAD_PARTS):
        return f"{HEAD}pixel_decoder.{part}"
    return name


def _described(stored: StoredMmras, classes: Sequence[str] | None) -> MmrasConfig:
    if stored.card is not None and classes is None:
        return stored.card.config
    try:
        detected = detect_config(_shapes(stored.tensors), classes)
    except CheckpointError as error:
        raise CheckpointError(f"{stored.path} fits no network here: {error}") from error
    if stored.card is not None:
        return replace(stored.card.config, classes=detected.classes)
    return detected


def _outline(path: Path, config: MmrasConfig) -> MmrasNetwork:
    """Build a network of shapes alone: its starting values would be overwritten anyway."""
    try:
        with torch.device("meta"):
            return MmrasNetwork(config)
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} needs a network that cannot be built: {error}") from error


def _may_lack(name: str) -> bool:
    return name.endswith(COUNTER) or name.startswith(CRITERION)


def _what_may_lack(wanted: Mapping[str, Tensor], config: MmrasConfig) -> dict[str, Tensor]:
    lacking = {name: torch.tensor(0) for name in wanted if name.endswith(COUNTER)}
    lacking |= Criterion(len(config.classes)).state_dict(prefix=CRITERION)
    return lacking


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in tensors.items()}


def _converted(path: Path, name: str, value: Tensor, wanted: Tensor) -> Tensor:
    if value.is_floating_point() == wanted.is_floating_point() and not value.is_complex():
        return value.detach().to(wanted.dtype).contiguous()
    raise CheckpointError(
        f"{path} cannot be used: {name} holds {str(value.dtype).removeprefix('torch.')} where "
        f"{str(wanted.dtype).removeprefix('torch.')} belongs; quantised weights are not read"
    )


def _parse(text: str, path: Path) -> MmrasCard:
    try:
        values: dict[str, Any] = json.loads(text)  # Any: JSON values
        values["config"] = MmrasConfig.from_dict(values["config"])
        return MmrasCard(**values)
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"the card in {path} cannot be read: {error}") from error
