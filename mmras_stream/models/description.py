"""What a weights file holds, after reading all of it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from mmras_stream.errors import CheckpointError
from mmras_stream.models.carded import read_tensors
from mmras_stream.models.checkpoint import EMBEDDED, load_network, weights_path
from mmras_stream.models.checkpoint import FORMAT as COMPACT
from mmras_stream.models.published import FORMAT as MMRAS
from mmras_stream.models.published import build_mmras, read_mmras
from mmras_stream.models.state_files import read_format
from mmras_stream.models.zoo import find_weights


@dataclass(frozen=True, slots=True)
class WeightsFacts:
    """A weights file that could be loaded."""

    path: str
    format: str
    """Of the file; "published" where another program wrote it."""
    network: str
    config: dict[str, Any]  # Any: JSON values
    entries: int
    parameters: int
    """Numbers that training changes."""
    dtypes: dict[str, int]
    """Entries of each type, as stored."""
    size_bytes: int
    sha256: str
    """Of the tensors, by name; what runs record."""
    file_sha256: str
    source: str | None
    """Name of the file they were converted from; None where they were trained here."""
    threshold: float | None


def describe(path: Path) -> WeightsFacts:
    """Load a weights file strictly and say what it is.

    Raises:
        CheckpointError: it is missing or damaged, fits no network, or holds values that are not
            finite.
    """
    return _compact(path) if read_format(path) == COMPACT else _mmras(path)


def check_sha256(facts: WeightsFacts, expected: str) -> None:
    """Hold a file against a hash: that of its tensors or, as on a download page, of the file.

    Raises:
        CheckpointError: it is neither.
    """
    if expected.strip().lower() not in (facts.sha256, facts.file_sha256):
        raise CheckpointError(
            f"{facts.path} is not what was expected: its tensors hash to {facts.sha256}, the file "
            f"to {facts.file_sha256}, neither is {expected}"
        )


def weights_file(name: str) -> Path:
    """Return the file a user means: a path, a downloaded model, or 'embedded'.

    Raises:
        CheckpointError: there is no such file.
    """
    return weights_path(EMBEDDED) if name == EMBEDDED else find_weights(name)


def _compact(path: Path) -> WeightsFacts:
    network, card = load_network(path)
    tensors = read_tensors(path)
    return WeightsFacts(
        path=str(path),
        format=COMPACT,
        network="compact",
        config=card.config.to_dict(),
        entries=len(tensors),
        parameters=_parameters(network),
        dtypes=_dtypes(tensors.values()),
        size_bytes=path.stat().st_size,
        sha256=card.sha256,
        file_sha256=_file_sha256(path),
        source=None,
        threshold=card.threshold,
    )


def _mmras(path: Path) -> WeightsFacts:
    stored = read_mmras(path)
    network, card = build_mmras(stored)
    attention = "global mask attention" if card.config.global_mask_attention else "masked attention"
    return WeightsFacts(
        path=str(path),
        format="published" if stored.card is None else MMRAS,
        network=f"ResNet-{card.config.depth}, {attention}",
        config=card.config.to_dict(),
        entries=len(stored.tensors),
        parameters=_parameters(network),
        dtypes=_dtypes(stored.tensors.values()),
        size_bytes=path.stat().st_size,
        sha256=card.sha256,
        file_sha256=_file_sha256(path),
        source=card.source,
        threshold=card.threshold,
    )


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _dtypes(tensors: Iterable[Tensor]) -> dict[str, int]:
    return dict(Counter(str(tensor.dtype).removeprefix("torch.") for tensor in tensors))


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
