"""Where a network runs, and in which numbers."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import torch

from mmras_stream.errors import SettingsError


def chosen_device(name: str) -> torch.device:
    """Return the device that a setting names; `auto` takes CUDA where there is one.

    Raises:
        SettingsError: there is no such device.
    """
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


def chosen_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the number format that a setting names; `auto` takes the fastest on a device."""
    if name == "auto":
        fast = device.type == "cuda" or _cpu_multiplies_bfloat16()
        return torch.bfloat16 if fast else torch.float32
    return torch.bfloat16 if name == "bfloat16" else torch.float32


@contextmanager
def unrounded() -> Generator[None, None, None]:
    """Let convolutions of float32 be what they say.

    Else cuDNN rounds their factors to 10 bits of mantissa (TF32), which moved scores of the paper's
    network by 0.004 in the mean, on an H200; unrounded they were those of the CPU to 1e-5.
    """
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def _cpu_multiplies_bfloat16() -> bool:
    """Tell whether the CPU has instructions for it; without them bfloat16 is slower."""
    known: dict[str, object] = getattr(
        torch.cpu, "get_capabilities", dict
    )()  # absent before PyTorch 2.9
    return bool(known.get("avx512_bf16") or known.get("amx_bf16"))
