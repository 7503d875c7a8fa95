from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mmras_stream.errors import CheckpointError
from mmras_stream.inference.compact_backend import fold_batch_norms
from mmras_stream.models.checkpoint import (
    WeightsCard,
    load_network,
    read_card,
    rewrite_card,
    save_weights,
    weights_path,
)
from mmras_stream.models.compact import CompactConfig, CompactNetwork

SMALL = CompactConfig(
    classes=("road", "rest"), stem_width=4, widths=(4, 8, 8), depths=(1, 1, 2), fused_width=8
)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "small.safetensors"
    save_weights(path, CompactNetwork(SMALL).state_dict(), WeightsCard(SMALL, threshold=0.4))
    return path


def test_weights_come_back_with_their_card(weights: Path) -> None:
    network, card = load_network(weights)
    assert card.config == SMALL
    assert card.threshold == 0.4
    torch.manual_seed(0)
    before = CompactNetwork(SMALL).state_dict()
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=1e-3, atol=1e-3)


def test_a_new_card_leaves_the_tensors_and_their_hash(weights: Path) -> None:
    before = read_card(weights)
    rewrite_card(weights, replace(before, threshold=0.7))
    _, after = load_network(weights)
    assert (after.threshold, after.sha256) == (0.7, before.sha256)


def test_no_file_is_left_behind_under_a_temporary_name(weights: Path) -> None:
    assert [path.name for path in weights.parent.iterdir()] == [weights.name]


def test_missing_weights_are_named() -> None:
    with pytest.raises(CheckpointError, match=r"no weights at nowhere.safetensors; give"):
        weights_path("nowhere.safetensors")


def test_a_truncated_file_is_refused(weights: Path) -> None:
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"cannot read weights .* whole safetensors file"):
        load_network(weights)


def test_a_flipped_bit_is_noticed(weights: Path) -> None:
    data = bytearray(weights.read_bytes())
    data[-10] ^= 1
    weights.write_bytes(data)
    with pytest.raises(CheckpointError, match="is damaged: its tensors hash to"):
        load_network(weights)


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"x": torch.zeros(1)}, path, {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"holds another architecture .format 'pt'"):
        load_network(path)


def test_tensors_that_do_not_fit_their_card_are_refused(tmp_path: Path, weights: Path) -> None:
    path = tmp_path / "odd.safetensors"
    state = load_file(weights)
    state["class_head.weight"] = torch.zeros(5, 8, 1, 1)
    save_weights(path, state, WeightsCard(SMALL))
    with pytest.raises(CheckpointError, match="does not fit the network it describes: size"):
        load_network(path)


def test_folding_batch_norms_changes_nothing(weights: Path) -> None:
    network, _ = load_network(weights)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean)  # type: ignore[arg-type]  # tracked, so there
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)  # type: ignore[arg-type]  # as above
    pixels = torch.randn(1, 3, 32, 48)
    with torch.inference_mode():
        before = network(pixels)
        fold_batch_norms(network)
        after = network(pixels)
    torch.testing.assert_close(after.class_scores, before.class_scores, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(after.outlier_logits, before.outlier_logits, rtol=1e-4, atol=1e-4)


def test_the_network_keeps_its_promised_shapes() -> None:
    output = CompactNetwork(SMALL).eval()(torch.zeros(2, 3, 48, 80))
    assert output.class_scores.shape == (2, 2, 12, 20)
    assert output.features.shape == (2, 8, 12, 20)
    assert output.outlier_logits.shape == (2, 12, 20)
