"""Run the compact network with PyTorch on the CPU or on CUDA."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mmras_stream.errors import SettingsError
from mmras_stream.inference.preprocess import input_size, network_input
from mmras_stream.models.checkpoint import WeightsCard, load_network, weights_path
from mmras_stream.models.compact import ConvNorm
from mmras_stream.settings import ModelSettings
from mmras_stream.types import FrameBatch, SegmentationOutput


class TorchBackend:
    """Eager inference: batch norms folded, channels last, bfloat16 where that is faster."""

    def __init__(self, settings: ModelSettings) -> None:
        network, self.card = load_network(weights_path(settings.weights))
        self._device = _device(settings.device)
        self._precision = _precision(settings.precision, self._device)
        self._input_width = settings.input_width
        fold_batch_norms(network)
        network.to(self._device, self._precision).requires_grad_(requires_grad=False)
        self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it

    @property
    def weights_sha256(self) -> str:
        """Identity of the weights."""
        return self.card.sha256

    @property
    def threshold(self) -> float | None:
        """The threshold calibrated for these weights at their own input width."""
        return self.card.threshold

    @torch.inference_mode()
    def predict(self, batch: FrameBatch) -> SegmentationOutput:
        """Segment a batch; the result stays on the device, in float32."""
        size = input_size(batch.height, batch.width, input_width=self._input_width)
        card: WeightsCard = self.card
        pixels = network_input(batch, size, mean=card.mean, std=card.std, device=self._device)
        output = self._network(pixels.to(self._precision))
        return SegmentationOutput(
            class_scores=output.class_scores.float(),
            features=output.features,
            outlier_logits=output.outlier_logits.float(),
        )


def fold_batch_norms(network: nn.Module) -> None:
    """Merge each batch norm of a network in evaluation mode into the convolution before it."""
    for module in network.modules():
        if isinstance(module, ConvNorm):
            convolution, norm = module[0], module[1]
            assert isinstance(convolution, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            module[0], module[1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise SettingsError(f"no device called {name!r}; try auto, cpu, cuda or cuda:0") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SettingsError(
            f"device {name!r} asked for, but PyTorch sees no CUDA; try --device cpu"
        )
    return device


def _precision(name: str, device: torch.device) -> torch.dtype:
    if name == "auto":
        fast = device.type == "cuda" or _cpu_multiplies_bfloat16()
        return torch.bfloat16 if fast else torch.float32
    return torch.bfloat16 if name == "bfloat16" else torch.float32


def _cpu_multiplies_bfloat16() -> bool:
    """Tell whether the CPU has instructions for it; without them bfloat16 is slower."""
    known: dict[str, object] = getattr(
        torch.cpu, "get_capabilities", dict
    )()  # absent before PyTorch 2.9
    return bool(known.get("avx512_bf16") or known.get("amx_bf16"))
