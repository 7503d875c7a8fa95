from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from mmras_stream.errors import CheckpointError
from mmras_stream.models.checkpoint import EMBEDDED, weights_path
from mmras_stream.models.detection import detect_config
from mmras_stream.models.mmras import CITYSCAPES, MmrasConfig, MmrasNetwork
from mmras_stream.models.published import load_mmras, read_mmras, save_mmras

SMALL = MmrasConfig(
    classes=("class 0", "class 1"),
    width=32,
    queries=5,
    encoder_layers=1,
    encoder_feedforward=16,
    points=2,
    decoder_layers=3,
    decoder_feedforward=16,
)
HEAD = "sem_seg_head.predictor."
COUNTERS = "num_batches_tracked"


def shapes(config: MmrasConfig) -> dict[str, torch.Size]:
    with torch.device("meta"):
        return {name: value.shape for name, value in MmrasNetwork(config).state_dict().items()}


def small_state(config: MmrasConfig = SMALL) -> dict[str, Tensor]:
    """Weights of one number in each entry, which cost next to nothing in a `.pth` file."""
    return {
        name: torch.tensor(0 if name.endswith(COUNTERS) else (number + 1) / 1024).expand(shape)
        for number, (name, shape) in enumerate(shapes(config).items())
    }


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return saved(tmp_path / "small.pth", {"model": small_state()})


@pytest.mark.parametrize(
    "config",
    [
        MmrasConfig(),
        SMALL,
        replace(SMALL, depth=101, global_mask_attention=False, points=4),
        MmrasConfig(classes=tuple(f"class {i}" for i in range(65)), queries=200),
    ],
)
def test_a_configuration_is_read_off_the_shapes(config: MmrasConfig) -> None:
    assert detect_config(shapes(config)) == config


def test_classes_get_the_names_that_are_given() -> None:
    named = detect_config(shapes(SMALL), ["road", "rest"])
    assert named.classes == ("road", "rest")
    with pytest.raises(CheckpointError, match="3 class names were given for a network of 2"):
        detect_config(shapes(SMALL), ["a", "b", "c"])


@pytest.mark.parametrize("legacy", [False, True])
def test_what_training_leaves_beside_the_weights_is_left_out(
    tmp_path: Path, *, legacy: bool
) -> None:
    state = {f"module.{name}": value for name, value in small_state().items()}
    state["module.projection.weight"] = torch.zeros(2, 4)
    state["module.pixel_mean"] = torch.zeros(3)
    content = {"model": state, "optimizer": {"state": {0: torch.zeros(3)}}, "iteration": 7}
    path = tmp_path / "trained.pth"
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    network, card = load_mmras(path)
    assert card.config == SMALL
    assert network.state_dict().keys() == small_state().keys()


@pytest.mark.parametrize("wrapper", ["state_dict", "model_state_dict", "model"])
def test_wrappers_and_prefixes_of_other_programs_are_stripped(wrapper: str, tmp_path: Path) -> None:
    state = {f"model._orig_mod.{name}": value for name, value in small_state().items()}
    tensors = read_mmras(saved(tmp_path / "w.pth", {wrapper: {"model": state}})).tensors
    assert tensors.keys() == small_state().keys()


def test_detectron2s_pickles_are_read_like_pytorchs_files(tmp_path: Path, checkpoint: Path) -> None:
    state = {
        name.replace(".query_feat.", ".static_query."): np.ascontiguousarray(value.numpy())
        for name, value in small_state().items()
        if not name.endswith(COUNTERS) and not name.startswith("criterion.")
    }
    path = tmp_path / "model_final.pkl"
    content = {"model": state, "__author__": "somebody", "matching_heuristics": True}
    path.write_bytes(pickle.dumps(content, protocol=2))
    network, card = load_mmras(path)
    wanted, wanted_card = load_mmras(checkpoint)
    assert card.config == wanted_card.config
    for name, value in network.state_dict().items():
        if not name.startswith("criterion."):
            assert torch.equal(value, wanted.state_dict()[name]), name
    assert network.state_dict()["criterion.empty_weight"].tolist() == pytest.approx([1, 1, 0.1])


def test_a_converted_file_keeps_configuration_source_and_hash(
    tmp_path: Path, checkpoint: Path
) -> None:
    network, card = load_mmras(checkpoint, classes=["road", "rest"])
    path = tmp_path / "small.safetensors"
    written = save_mmras(path, network, card)
    again, read = load_mmras(path)
    assert read == written == card
    assert (read.config.classes, read.source) == (("road", "rest"), "small.pth")
    for name, value in again.state_dict().items():
        assert torch.equal(value, network.state_dict()[name]), name
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_half_precision_is_stored_and_comes_back_as_float32(
    tmp_path: Path, checkpoint: Path
) -> None:
    network, card = load_mmras(checkpoint)
    path = tmp_path / "half.safetensors"
    written = save_mmras(path, network, card, half=True)
    again, read = load_mmras(path)
    assert read.sha256 == written.sha256 != card.sha256
    assert load_file(path)[f"{HEAD}class_embed.weight"].dtype == torch.float16
    assert {value.dtype for value in again.parameters()} == {torch.float32}
    network.sem_seg_head.predictor.class_embed.weight.data.fill_(1e6)
    with pytest.raises(CheckpointError, match=r"class_embed.weight would overflow float16"):
        save_mmras(path, network, card, half=True)


def test_heads_that_no_shape_tells_are_kept_in_a_converted_file(tmp_path: Path) -> None:
    config = replace(SMALL, heads=4, points=4)
    source = saved(tmp_path / "four.pth", small_state(config))
    assert load_mmras(source)[1].config == replace(config, heads=8, points=2)
    network, card = load_mmras(source, config)
    save_mmras(tmp_path / "four.safetensors", network, card)
    assert load_mmras(tmp_path / "four.safetensors")[1].config == config


def test_safetensors_without_a_card_are_read_by_their_shapes(tmp_path: Path) -> None:
    path = tmp_path / "plain.safetensors"
    save_file({name: value.contiguous() for name, value in small_state().items()}, path)
    assert load_mmras(path)[1].config == SMALL


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_become_float32(dtype: torch.dtype, tmp_path: Path) -> None:
    state = small_state()
    state = {n: v.to(dtype) if v.is_floating_point() else v for n, v in state.items()}
    network, _ = load_mmras(saved(tmp_path / "w.pth", state))
    assert {value.dtype for value in network.parameters()} == {torch.float32}


@pytest.mark.parametrize("dtype", [torch.int8, torch.complex64])
def test_weights_that_are_no_floats_are_named(dtype: torch.dtype, tmp_path: Path) -> None:
    name = f"{HEAD}class_embed.weight"
    state = small_state()
    state[name] = torch.zeros(state[name].shape, dtype=dtype)
    seen = str(dtype).removeprefix("torch.")
    with pytest.raises(CheckpointError, match=f"{name} holds {seen} where float32 belongs"):
        load_mmras(saved(tmp_path / "w.pth", state))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_found_and_named(value: float, tmp_path: Path) -> None:
    state = small_state()
    for layer in range(3):
        name = f"{HEAD}mask_embed.layers.{layer}.weight"
        state[name] = state[name].clone()
        state[name][3, 4] = value
    state[f"{HEAD}class_embed.bias"] = torch.full((3,), value)
    message = r"4 of its \d+ entries hold NaN or infinite values \(.*layers.0.weight.* and 1 more\)"
    with pytest.raises(CheckpointError, match=message):
        load_mmras(saved(tmp_path / "w.pth", state))


def test_a_file_changed_after_it_was_written_is_refused(tmp_path: Path, checkpoint: Path) -> None:
    path = tmp_path / "small.safetensors"
    save_mmras(path, *load_mmras(checkpoint))
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="is damaged: its tensors hash to"):
        load_mmras(path)


def test_missing_and_unexpected_entries_are_named_with_the_closest(tmp_path: Path) -> None:
    state = small_state()
    state[f"{HEAD}class_embd.weight"] = state.pop(f"{HEAD}class_embed.weight")
    with pytest.raises(CheckpointError) as failure:
        load_mmras(saved(tmp_path / "w.pth", state), SMALL)
    assert f"1 missing ({HEAD}class_embed.weight)" in str(failure.value)
    assert f"1 unexpected ({HEAD}class_embd.weight)" in str(failure.value)
    assert f"closest: {HEAD}class_embed.weight for {HEAD}class_embd.weight" in str(failure.value)


def test_long_lists_are_shortened(tmp_path: Path) -> None:
    state = {n: v for n, v in small_state().items() if "transformer_ffn_layers" not in n}
    with pytest.raises(CheckpointError, match=r"18 missing \(.*, .*, .* and 15 more\)"):
        load_mmras(saved(tmp_path / "w.pth", state))


def test_the_configuration_that_would_fit_is_told(checkpoint: Path) -> None:
    wanted = replace(SMALL, classes=CITYSCAPES, depth=101, queries=9, global_mask_attention=False)
    with pytest.raises(CheckpointError) as failure:
        load_mmras(checkpoint, wanted)
    message = str(failure.value)
    assert (
        "its weights have 2 classes in place of 19, depth 50 in place of 101, queries 5 in place "
        "of 9, global_mask_attention True in place of False;" in message
    )
    assert f"{HEAD}query_feat.weight (5, 32) for (9, 32)" in message
    assert "backbone.res4.6.conv1.weight" in message
    assert COUNTERS not in message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("backbone.patch_embed.proj.weight", "Swin transformer.*--model hf:facebook/mask2former"),
        (
            "model.pixel_level_module.encoder.embeddings.x",
            "format of transformers, .*--model hf:facebook",
        ),
        ("backbone.downsample_layers.0.0.bias", "its backbone is a ConvNeXt"),
        ("conv.weight", r"it holds another network, with entries such as conv.weight"),
        ("backbone.res4.0.conv1.weight", r"fits no network here: the backbone has \(0, 0, 1, 0\)"),
    ],
)
def test_weights_of_another_network_are_told_where_they_belong(
    name: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=message):
        load_mmras(saved(tmp_path / "other.pth", {"model": {name: torch.zeros(2, 3)}}))


def test_the_compact_networks_weights_are_told_from_the_published_ones() -> None:
    with pytest.raises(CheckpointError, match="the compact network of this program; give it with"):
        load_mmras(weights_path(EMBEDDED))


def test_an_impossible_number_of_heads_is_told(tmp_path: Path) -> None:
    config = replace(SMALL, heads=2, points=2)
    with pytest.raises(CheckpointError, match="24 sampling offsets are no multiple of 8 heads"):
        load_mmras(saved(tmp_path / "w.pth", small_state(config)))


def test_a_network_that_cannot_be_built_is_told(tmp_path: Path) -> None:
    state = small_state() | {f"{HEAD}query_feat.weight": torch.zeros(5, 33)}
    with pytest.raises(CheckpointError, match="needs a network that cannot be built: num_channels"):
        load_mmras(saved(tmp_path / "w.pth", state))


def test_a_card_that_makes_no_sense_is_named(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    card = json.dumps({"config": {"classes": ["a"], "colour": 3}})
    save_file({"x": torch.zeros(1)}, path, {"format": "mmras-stream mmras 1", "card": card})
    with pytest.raises(CheckpointError, match=r"the card in .* cannot be read: .*colour"):
        load_mmras(path)
