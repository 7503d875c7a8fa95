from __future__ import annotations

import hashlib
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch

from golden.data import manifest
from golden.runs import state
from mmras_stream.models.mmras import MmrasConfig, MmrasNetwork
from mmras_stream.models.published import load_mmras, published_state

RELEASED = MmrasConfig()
COUNTER = "num_batches_tracked"


@pytest.fixture(scope="module")
def network() -> MmrasNetwork:
    return MmrasNetwork(RELEASED)


def test_the_weights_of_the_goldens_are_the_originals() -> None:
    for name, entry in manifest()["entries"].items():
        digest = hashlib.sha256(state()[name].numpy().tobytes()).hexdigest()
        assert digest.startswith(entry["det_sha256_16"]), name


def test_names_and_shapes_of_the_state_are_the_originals(network: MmrasNetwork) -> None:
    seen = {name: list(value.shape) for name, value in network.state_dict().items()}
    assert seen == {name: entry["shape"] for name, entry in manifest()["entries"].items()}
    assert len(seen) == 665


def test_a_state_loads_strictly_with_and_without_batch_counters(network: MmrasNetwork) -> None:
    network.load_state_dict(state(), strict=True)
    bare = {name: value for name, value in state().items() if not name.endswith(COUNTER)}
    assert len(state()) - len(bare) == 53
    network.load_state_dict(bare, strict=True)


def test_a_wrapped_and_prefixed_state_without_counters_is_understood(
    network: MmrasNetwork,
) -> None:
    model: OrderedDict[str, Any] = OrderedDict(
        (f"module.{name}", value) for name, value in state().items() if not name.endswith(COUNTER)
    )
    model["module.projection.weight"] = torch.zeros(19, 1024, 1, 1)
    model._metadata = {"backbone.stem.conv1.norm": {"version": 2}}  # type: ignore[attr-defined]  # as PyTorch leaves it
    network.load_state_dict(published_state({"model": model, "iteration": 5000}), strict=True)


def test_a_file_comes_back_as_a_network_for_inference(tmp_path: Path) -> None:
    path = tmp_path / "published.pth"
    torch.save({"model": state(), "iteration": 5000}, path)
    loaded, card = load_mmras(path)
    assert not loaded.training
    assert (card.config, card.source) == (RELEASED, "published.pth")
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, state()[name]), name


def test_names_of_mask2formers_first_models_are_understood(network: MmrasNetwork) -> None:
    first = {
        name.replace(".query_feat.", ".static_query.").replace(".pixel_decoder.", "."): value
        for name, value in state().items()
    }
    assert len(first.keys() - state().keys()) > 100
    network.load_state_dict(published_state({"model": first}), strict=True)
