"""What float32 means to a network."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from torch import Tensor

from mmras_stream.inference.compact_backend import CompactBackend
from mmras_stream.inference.masks import mask_predictor
from mmras_stream.models.mmras import MmrasOutput
from mmras_stream.settings import ModelSettings
from mmras_stream.types import ColourMatrix, FrameBatch, PixelFormat

PLANE = torch.zeros((1, 64, 64), dtype=torch.uint8)
HALF = PLANE[:, ::2, ::2].contiguous()
GREY = FrameBatch(
    (0,),
    (0,),
    Fraction(1, 25),
    (PLANE, HALF, HALF),
    PixelFormat(ColourMatrix.BT601, full_range=False),
)


@pytest.fixture
def allowed() -> list[bool]:
    return []


def test_the_compact_network_looks_without_rounding(allowed: list[bool]) -> None:
    backend = CompactBackend(ModelSettings(device="cpu", input_width=64))

    def note(*_: object) -> None:
        allowed.append(torch.backends.cudnn.allow_tf32)

    hook = torch.nn.modules.module.register_module_forward_pre_hook(note)
    try:
        backend.predict(GREY)
    finally:
        hook.remove()
    assert allowed
    assert not any(allowed)
    assert torch.backends.cudnn.allow_tf32


def test_networks_of_masks_look_without_rounding_and_others_as_before(
    allowed: list[bool],
) -> None:
    def look(pixels: Tensor) -> MmrasOutput:
        del pixels
        allowed.append(torch.backends.cudnn.allow_tf32)
        raise InterruptedError

    predictor = mask_predictor(ModelSettings(device="cpu", short_edge=64), look)
    with pytest.raises(InterruptedError):
        predictor.predict(GREY)
    assert allowed == [False]
    assert torch.backends.cudnn.allow_tf32
