"""Words as vectors: text embeddings, averaged over templates and kept on disk."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mmras_stream.atomic import partial_path, publish, reported
from mmras_stream.cache import cache_folder
from mmras_stream.errors import CheckpointError, OutputError, SettingsError
from mmras_stream.models.vocabulary import Vocabulary, lines_of, read_list

logger = logging.getLogger(__name__)

FORMAT = "mmras-stream text 1"
TEMPLATES = (
    "a photo of a {}.",
    "a dashcam photo of a {}.",
    "a photo of a {} on the road.",
    "a {} lying on the road ahead.",
    "a {} at the side of the road.",
    "a photo of a small {} in the distance.",
    "a blurry photo of a {}.",
    "a photo of a {} at night.",
    "a photo of a {} in the rain.",
)


class TextEncoder(Protocol):
    """Turns sentences into directions: a CLIP model, or MiniLM."""

    @property
    def identity(self) -> str:
        """sha256 of architecture and weights; embeddings of one identity can be compared."""
        ...

    @property
    def logit_scale(self) -> float:
        """Factor that makes logits of cosines."""
        ...

    def encode_text(
        self, texts: Sequence[str], *, observe: Callable[[float], None] | None = None
    ) -> Tensor:
        """Return embeddings (M, D), float32 on the CPU and of length 1."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class TextEmbeddings:
    """Words and their directions in the space of a text encoder."""

    words: tuple[str, ...]
    vectors: Tensor
    """(K, D) float32 on the CPU, of length 1."""
    identity: str
    """sha256 of all that they were made from."""
    space: str
    """Identity of the encoder; only vectors of one space can be compared."""
    logit_scale: float
    """The model's factor from cosines to logits."""


def embed_words(
    vocabulary: Vocabulary,
    encoder: TextEncoder,
    *,
    templates: Sequence[str] = TEMPLATES,
    folder: Path | None = None,
    observe: Callable[[float], None] | None = None,
) -> TextEmbeddings:
    """Embed a vocabulary, or read what an earlier call left on disk.

    A word's vector is the mean over its phrases and all templates of embeddings of length 1,
    brought to length 1 again (Radford et al. 2021, arXiv 2103.00020, section 3.1.4).

    Args:
        vocabulary: The words.
        encoder: Is asked only where nothing fitting lies in the cache.
        templates: Each with one {} where the phrase goes.
        folder: Of the cache; None means `text` in `cache_folder()`. One that cannot be written is
            logged, and no error.
        observe: Is told the share that is done, 0..1.

    Raises:
        SettingsError: there is no template, or one has no {} or several.
    """
    templates = check_templates(templates)
    identity = _identity(vocabulary, encoder, templates)
    path = (cache_folder() / "text" if folder is None else folder) / f"{identity}.safetensors"
    try:
        return _read(path, identity)
    except CheckpointError as error:
        logger.debug("text is embedded anew: %s", error)
    texts = [
        t.replace("{}", phrase)
        for group in vocabulary.phrases
        for phrase in group
        for t in templates
    ]
    counts = [len(group) * len(templates) for group in vocabulary.phrases]
    singles = encoder.encode_text(texts, observe=observe)
    vectors = F.normalize(
        torch.stack([group.mean(0) for group in torch.split(singles, counts)]), dim=1
    )
    embeddings = TextEmbeddings(
        vocabulary.words, vectors, identity, encoder.identity, encoder.logit_scale
    )
    try:
        save_embeddings(path, embeddings)
    except OutputError as error:
        logger.warning("text embeddings are not kept: %s", error)
    return embeddings


def load_templates(path: Path) -> tuple[str, ...]:
    """Read templates from a text file, one to a line; what follows a # is a comment.

    Raises:
        SettingsError: the file cannot be read, or `check_templates` refuses what it holds.
    """
    text = read_list(path, otherwise="give a text file with a template to a line")
    return check_templates(tuple(lines_of(text)))


def check_templates(templates: Sequence[str]) -> tuple[str, ...]:
    """Return the templates, each of which must have exactly one {}.

    Raises:
        SettingsError: one has none or several, or there is no template at all.
    """
    if not templates:
        raise SettingsError("there are no templates; give one such as 'a photo of a {}.'")
    for template in templates:
        if template.count("{}") != 1:
            raise SettingsError(
                f"template {template!r} has {template.count('{}')} places for the word; it needs "
                "exactly one {}, as in 'a photo of a {}.'"
            )
    return tuple(templates)


def save_embeddings(path: Path, embeddings: TextEmbeddings) -> None:
    """Write embeddings as safetensors, with their words; the folder is made.

    Raises:
        OutputError: it cannot be written.
    """
    card = {
        "format": FORMAT,
        "identity": embeddings.identity,
        "space": embeddings.space,
        "logit_scale": repr(embeddings.logit_scale),
        "words": json.dumps(embeddings.words, ensure_ascii=False),
    }
    card["sha256"] = _digest(card, embeddings.vectors)
    with reported(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial_path(path).write_bytes(save({"vectors": embeddings.vectors.contiguous()}, card))
    publish(path)


def read_vectors(path: Path, words: Sequence[str]) -> Tensor:
    """Read a text matrix that was made elsewhere or by `save_embeddings`, as it is.

    Args:
        path: .npy, or .safetensors with a single tensor.
        words: The classes that its rows should stand for.

    Returns:
        (K, D) float32; nothing is normalised.

    Raises:
        CheckpointError: it cannot be read, is not a finite matrix of floats, or its rows are not
            those of `words`.
    """
    if not path.is_file():
        raise CheckpointError(f"no text vectors at {path}; give a .npy or .safetensors file")
    matrix, named = _read_npy(path) if path.suffix == ".npy" else _read_single(path)
    if matrix.ndim != 2 or not matrix.is_floating_point() or 0 in matrix.shape:
        raise CheckpointError(
            f"{path} holds {str(matrix.dtype).removeprefix('torch.')} {tuple(matrix.shape)}; "
            "text vectors are floats (classes, width)"
        )
    if len(matrix) != len(words):
        raise CheckpointError(f"{path} has {len(matrix)} rows, but there are {len(words)} classes")
    for row, (seen, wanted) in enumerate(zip(named or words, words, strict=True)):
        if seen != wanted:
            raise CheckpointError(f"{path}: row {row} is {seen!r}, but class {row} is {wanted!r}")
    matrix = matrix.float()
    bad = (~matrix.isfinite().all(1)).nonzero().flatten().tolist()
    if bad:
        raise CheckpointError(f"{path}: row {bad[0]} ({words[bad[0]]}) is not finite")
    return matrix


def _identity(vocabulary: Vocabulary, encoder: TextEncoder, templates: tuple[str, ...]) -> str:
    parts = [FORMAT, encoder.identity, templates, vocabulary.words, vocabulary.phrases]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _read(path: Path, identity: str) -> TextEmbeddings:
    tensors, card = _read_tensors(path)
    sha256 = card.pop("sha256", None)
    if card.get("identity") != identity or sha256 != _digest(card, tensors["vectors"]):
        raise CheckpointError(f"{path} is damaged")
    words, scale = json.loads(card["words"]), float(card["logit_scale"])
    return TextEmbeddings(tuple(words), tensors["vectors"], identity, card["space"], scale)


def _read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"cannot read {path}: {error}; is it a whole safetensors file?"
        ) from error


def _read_single(path: Path) -> tuple[Tensor, list[str] | None]:
    tensors, card = _read_tensors(path)
    if len(tensors) != 1:
        names = ", ".join(sorted(tensors)[:5])
        raise CheckpointError(f"{path} holds {len(tensors)} tensors ({names}); it should hold one")
    matrix = next(iter(tensors.values()))
    if card.get("format") != FORMAT:
        return matrix, None
    if card.pop("sha256", None) != _digest(card, matrix):
        raise CheckpointError(f"{path} is damaged")
    return matrix, json.loads(card["words"])


def _read_npy(path: Path) -> tuple[Tensor, None]:
    try:
        # mapped: a header that promises more than the file holds is refused before it is obeyed
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error
    if not isinstance(matrix, np.ndarray) or matrix.dtype.kind not in "fiub":
        raise CheckpointError(f"{path} holds no matrix of numbers")
    native = matrix.astype(matrix.dtype.newbyteorder("="))
    return torch.from_numpy(native), None


def _digest(card: dict[str, str], vectors: Tensor) -> str:
    text = json.dumps(card, sort_keys=True)
    return hashlib.sha256(text.encode() + vectors.float().numpy().tobytes()).hexdigest()
