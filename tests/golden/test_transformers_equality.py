"""Mask2Former as transformers has it, with the same weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from golden.det_weights import det_tensor
from mmras_stream.models.mmras import MmrasConfig, MmrasNetwork
from mmras_stream.models.published import load_mmras
from mmras_stream.models.transformers_names import from_transformers

transformers = pytest.importorskip("transformers", reason="what we are compared with")
pytest.importorskip("scipy", reason="transformers' Mask2Former asks for it")

PRECISIONS = {torch.float32: 1e-4, torch.float64: 1e-5}
"""Largest difference; positions are float32 in both."""


def _lively(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give each entry the weights that follow from its name among ours."""
    ours = {name: next(iter(from_transformers({name: value}))) for name, value in state.items()}
    return {
        name: det_tensor(ours[name], value.shape) if value.is_floating_point() else value.zero_()
        for name, value in state.items()
    }


@pytest.fixture(scope="module")
def theirs() -> Any:
    stages = ["stage1", "stage2", "stage3", "stage4"]
    backbone = transformers.ResNetConfig(out_features=stages)
    config = transformers.Mask2FormerConfig(backbone_config=backbone, num_labels=19)
    with torch.device("meta"):
        network = transformers.Mask2FormerForUniversalSegmentation(config)
    network = network.to_empty(device="cpu").eval()
    network.load_state_dict(_lively(network.state_dict()))
    return network


@pytest.fixture(scope="module")
def ours(theirs: Any, tmp_path_factory: pytest.TempPathFactory) -> MmrasNetwork:
    folder = tmp_path_factory.mktemp("transformers")
    theirs.save_pretrained(folder)
    network, card = load_mmras(folder / "model.safetensors")
    assert card.config == MmrasConfig(global_mask_attention=False)
    return network


@torch.inference_mode()
@pytest.mark.parametrize("precision", PRECISIONS, ids=str)
def test_masks_and_their_classes_are_those_of_transformers(
    precision: torch.dtype, ours: MmrasNetwork, theirs: Any
) -> None:
    pixels = 4 * torch.rand(2, 3, 128, 192, generator=torch.Generator().manual_seed(0)) - 2
    seen = ours.to(precision)(pixels.to(precision)).masks
    wanted = theirs.to(precision)(pixels.to(precision))
    for one, other in (
        (seen.mask_logits, wanted.masks_queries_logits),
        (seen.class_logits, wanted.class_queries_logits),
    ):
        assert one.shape == other.shape
        assert one.std(1).mean() > 1  # the queries differ
        assert (one - other).abs().max() <= PRECISIONS[precision]
    # some places are inside a mask, more are outside: attention is blocked here and there
    assert 0.2 < (seen.mask_logits > 0).float().mean() < 0.5


def test_weights_of_something_else_keep_their_names() -> None:
    state = {"encoder.q_proj.weight": torch.zeros(1), "decode_head.classifier.bias": torch.zeros(1)}
    assert from_transformers(state) == state
