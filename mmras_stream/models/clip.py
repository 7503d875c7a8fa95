"""CLIP models of open_clip: pictures and text brought into one space."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor

from mmras_stream.errors import CheckpointError, PluginError, SettingsError
from mmras_stream.models.clip_source import ClipSource, Triple, find_clip, import_open_clip
from mmras_stream.models.dense_clip import dense_features, dense_stride

logger = logging.getLogger(__name__)

TEXTS_AT_ONCE = 64


class Clip:
    """A CLIP model whose network is loaded on first use, so that cached text costs none.

    Radford et al. 2021, arXiv 2103.00020. All embeddings are float32 and of length 1. Pictures
    may be looked at in bfloat16; text, which is embedded once, is always read in float32.
    """

    def __init__(self, source: ClipSource, *, device: torch.device, precision: torch.dtype) -> None:
        self.source = source
        self._device = device
        self._precision = precision

    @property
    def identity(self) -> str:
        """sha256 of architecture and weights; embeddings of one identity can be compared."""
        return self.source.identity

    @property
    def mean(self) -> Triple:
        """RGB, 0..255; subtracted from pixels."""
        red, green, blue = (255 * value for value in self.source.mean)
        return red, green, blue

    @property
    def std(self) -> Triple:
        """RGB, 0..255; pixels are divided by it."""
        red, green, blue = (255 * value for value in self.source.std)
        return red, green, blue

    @cached_property
    def network(self) -> Any:  # noqa: ANN401 - open_clip's models share no type
        """The model of open_clip, in evaluation mode.

        Raises:
            CheckpointError: the weights are damaged, unsafe, not finite or of another model.
        """
        return _load(self.source, self._device)

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) that `encode_image` wants."""
        size = self.network.visual.image_size
        return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))

    @property
    def stride(self) -> int:
        """Pixels between dense features."""
        return dense_stride(self.network.visual)

    @property
    def logit_scale(self) -> float:
        """Factor that makes logits of cosines, about 100; the inverse of a temperature."""
        return float(self.network.logit_scale.exp())

    @torch.inference_mode()
    def encode_text(
        self, texts: Sequence[str], *, observe: Callable[[float], None] | None = None
    ) -> Tensor:
        """Return embeddings (M, D) on the CPU.

        Args:
            texts: Sentences.
            observe: Is told the share that is done, 0..1.

        Raises:
            PluginError: the model's tokenizer cannot be had.
            SettingsError: a text is longer than the model reads.
        """
        embeddings = []
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            tokens = self._tokens(texts[start : start + TEXTS_AT_ONCE]).to(self._device)
            embeddings.append(self.network.encode_text(tokens, normalize=True).float().cpu())
            if observe is not None:
                observe(min(1.0, (start + TEXTS_AT_ONCE) / len(texts)))
        return torch.cat(embeddings)

    @torch.inference_mode()
    def encode_image(self, pixels: Tensor) -> Tensor:
        """Return one embedding a picture, (N, D), for pixels (N, 3, *image_size), normalised."""
        with self._lower_precision():
            embeddings = self.network.encode_image(pixels.to(self._device))
        return F.normalize(embeddings.float(), dim=1)

    @torch.inference_mode()
    def dense(self, pixels: Tensor) -> Tensor:
        """Return an embedding for every place; see `dense_clip.dense_features`."""
        with self._lower_precision():
            return dense_features(self.network.visual, pixels.to(self._device))

    def _tokens(self, texts: Sequence[str]) -> Tensor:
        """Return (M, tokens); one that reaches the end would have been cut there in silence."""
        tokens = self._tokenizer([*texts, ""])
        full = tokens[:-1, -1] != tokens[-1, -1]
        for text, is_full in zip(texts, full.tolist(), strict=True):
            if is_full:
                raise SettingsError(
                    f"{text[:40]!r}... is too long for {self.source.name}, which reads "
                    f"{tokens.shape[1] - 1} tokens; use a shorter word or template"
                )
        return tokens[:-1]

    def _lower_precision(self) -> torch.autocast:
        lower = self._precision != torch.float32
        return torch.autocast(self._device.type, self._precision, enabled=lower)

    @cached_property
    def _tokenizer(self) -> Callable[[list[str]], Tensor]:
        try:
            tokenizer: Callable[[list[str]], Tensor] = import_open_clip().get_tokenizer(
                self.source.model
            )
        except Exception as error:  # transformers' and the hub's, which fail in many ways
            raise PluginError(
                f"the tokenizer of {self.source.name} cannot be had: {_short(error)}"
            ) from error
        return tokenizer


def load_clip(
    name: str, *, device: torch.device | str = "cpu", precision: torch.dtype = torch.float32
) -> Clip:
    """Find a CLIP model by its name; see `clip_source.find_clip` for names and errors."""
    return Clip(find_clip(name), device=torch.device(device), precision=precision)


def _load(source: ClipSource, device: torch.device) -> Any:  # noqa: ANN401 - as above
    open_clip = import_open_clip()
    _refuse_unsafe(source)
    in_folder = source.model.startswith("local-dir:")
    logger.info("loading %s", source.weights)
    try:
        network = open_clip.create_model(
            source.model,
            pretrained=None if in_folder else str(source.weights),
            force_quick_gelu=source.quick_gelu,
            device=device,
            require_pretrained=True,
            weights_only=True,
        )
    except Exception as error:  # whatever architecture and weights a file may hold
        raise CheckpointError(
            f"{source.weights} does not make {source.name}: {_short(error)}"
        ) from error
    for name, value in network.state_dict().items():
        if not value.isfinite().all():
            raise CheckpointError(f"{source.weights} is damaged: {name} is not finite")
    return network.eval().requires_grad_(requires_grad=False)


def _refuse_unsafe(source: ClipSource) -> None:
    """Refuse pickles that hold more than tensors, before open_clip sees them.

    Where PyTorch's own check ends in a TypeError, open_clip 3 loads once more without it.
    """
    if source.weights.suffix == ".safetensors":
        return
    try:
        torch.load(source.weights, map_location="cpu", weights_only=True)
    except Exception as error:  # a file may hold anything
        raise CheckpointError(
            f"{source.weights} is not plain weights ({_short(error)}); TorchScript archives and "
            "pickles of other things may run code and are refused: take the .safetensors file "
            "of the same weights from the Hugging Face hub"
        ) from error


def _short(error: Exception) -> str:
    text = " ".join(str(error).split()) or repr(error)
    return text if len(text) <= 200 else f"{text[:200]}..."
