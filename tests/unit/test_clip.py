from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file

from mmras_stream.errors import CheckpointError, PluginError, SettingsError
from mmras_stream.models.clip import Clip, load_clip
from mmras_stream.models.clip_source import find_clip, is_here
from small_clip import MEAN, RESNET, STD, VIT, random_state, write_clip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "vit", VIT)


@pytest.fixture
def known_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A name under which open_clip finds the small transformer."""
    configs = {**open_clip.factory._MODEL_CONFIGS, "Small-8": VIT}
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIGS", configs)
    save_file(random_state(VIT), tmp_path / "small.safetensors")
    return "Small-8"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def reference(config: dict[str, Any]) -> Any:
    model = open_clip.CLIP(**config)
    model.load_state_dict(random_state(config))
    return model.eval().requires_grad_(requires_grad=False)


@pytest.mark.parametrize("config", [RESNET, VIT], ids=["resnet", "vit"])
def test_a_folder_gives_the_model_that_was_put_into_it(
    tmp_path: Path, config: dict[str, Any]
) -> None:
    clip, model = load_clip(str(write_clip(tmp_path / "clip", config))), reference(config)
    texts = ["a photo of a cow.", "ein Foto einer Straße", "汽车"]
    expected = model.encode_text(open_clip.tokenize(texts), normalize=True)
    torch.testing.assert_close(clip.encode_text(texts), expected)
    side = config["vision_cfg"]["image_size"]
    assert clip.image_size == (side, side)
    pixels = torch.randn(2, 3, side, side)
    torch.testing.assert_close(
        clip.encode_image(pixels), model.encode_image(pixels, normalize=True)
    )
    np.testing.assert_allclose(clip.mean, np.multiply(MEAN, 255))
    np.testing.assert_allclose(clip.std, np.multiply(STD, 255))
    assert clip.logit_scale == pytest.approx(1 / 0.07)
    assert clip.stride == (32 if config is RESNET else 8)


def test_many_texts_are_embedded_in_their_order_and_progress_is_told(folder: Path) -> None:
    clip, told = load_clip(str(folder)), list[float]()
    texts = [f"a photo of {n} cows." for n in range(70)]
    embeddings = clip.encode_text(texts, observe=told.append)
    torch.testing.assert_close(embeddings[[0, 69]], clip.encode_text([texts[0], texts[69]]))
    assert told == [pytest.approx(64 / 70), 1.0]


def test_a_text_that_the_model_would_cut_is_refused(folder: Path) -> None:
    clip = load_clip(str(folder))
    longest = " ".join(["cow"] * 74)  # and where it begins and ends
    assert not torch.equal(clip.encode_text([longest]), clip.encode_text([longest + "s"]))
    with pytest.raises(SettingsError, match=r"'cow cow .* is too long for .*reads 76 tokens"):
        clip.encode_text(["cow", f"{longest} cow"])


def test_lower_precision_changes_pictures_a_little_and_text_not_at_all(folder: Path) -> None:
    exact = load_clip(str(folder))
    coarse = Clip(exact.source, device=torch.device("cpu"), precision=torch.bfloat16)
    pixels = torch.randn(2, 3, 32, 32)
    for look in (Clip.encode_image, Clip.dense):
        fine, rough = look(exact, pixels), look(coarse, pixels)
        assert rough.dtype == torch.float32
        assert not torch.equal(fine, rough)
        assert float((fine * rough).sum(1).min()) > 0.999
    assert torch.equal(exact.encode_text(["cow"]), coarse.encode_text(["cow"]))


def test_a_model_of_open_clip_takes_weights_from_a_file(known_model: str, tmp_path: Path) -> None:
    clip = load_clip(f"{known_model}:{tmp_path / 'small.safetensors'}")
    expected = reference(VIT).encode_text(open_clip.tokenize(["cow"]), normalize=True)
    torch.testing.assert_close(clip.encode_text(["cow"]), expected)
    assert clip.mean == pytest.approx((122.7709, 116.7460, 104.0937), abs=1e-3)


def test_a_tag_brings_the_activation_and_the_colours_its_weights_were_trained_with(
    known_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = {"file": str(tmp_path / "small.safetensors"), "quick_gelu": True, "mean": MEAN}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, known_model, {"openai": tag})
    clip = load_clip(known_model)
    expected = reference({**VIT, "quick_gelu": True})
    torch.testing.assert_close(
        clip.encode_text(["cow"]), expected.encode_text(open_clip.tokenize(["cow"]), normalize=True)
    )
    assert clip.source.name == "Small-8:openai"
    assert clip.source.mean == MEAN


def test_openais_weights_are_run_with_their_own_activation() -> None:
    assert open_clip.get_pretrained_cfg("RN50", "openai")["quick_gelu"]


def test_the_identity_follows_weights_and_architecture_and_not_the_place(tmp_path: Path) -> None:
    one = find_clip(str(write_clip(tmp_path / "one", VIT))).identity
    assert find_clip(str(write_clip(tmp_path / "two", VIT))).identity == one
    assert find_clip(str(write_clip(tmp_path / "seed", VIT, seed=1))).identity != one
    quick = {**VIT, "quick_gelu": True}
    assert find_clip(str(write_clip(tmp_path / "quick", quick))).identity != one


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("RN5O", r"no CLIP model called 'RN5O'; did you mean 'RN50'\?"),
        ("vit-b-16:openai", r"no CLIP model called 'vit-b-16'; did you mean 'ViT-B-16'\?"),
        ("#:openai", r"no CLIP model called '#'; known: "),
        ("RN50:opnai", r"no weights of CLIP model RN50 called 'opnai'; did you mean 'openai'\?"),
        ("RN50:x", r"no weights of CLIP model RN50 called 'x'; known: openai, yfcc15m, cc12m"),
    ],
)
def test_unknown_models_and_tags_get_a_guess(name: str, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        find_clip(name)


def test_weights_that_cannot_be_fetched_say_what_to_run_where(offline: Path) -> None:
    with pytest.raises(CheckpointError) as failure:
        find_clip("RN50")
    message = str(failure.value)
    assert message.startswith("no weights of RN50:openai here, and they cannot be fetched (")
    assert (
        'on a connected machine run python -c "import open_clip; '
        "open_clip.create_model('RN50', pretrained='openai')\" and copy its "
        f"~/.cache/huggingface/hub/models--timm--resnet50_clip.openai into {offline}, "
        "or name a file: RN50-quickgelu:weights.safetensors"
    ) in message
    assert "\n" not in message


def test_missing_files_are_named(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no weights file nowhere.safetensors for CLIP"):
        find_clip("RN50:nowhere.safetensors")
    (tmp_path / "weights.npz").touch()
    with pytest.raises(CheckpointError, match=r"weights.npz is no weights file; known: .safetens"):
        find_clip(f"RN50:{tmp_path / 'weights.npz'}")
    (folder / "open_clip_model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"has no weights; it needs open_clip_model.safetens"):
        find_clip(str(folder))
    with pytest.raises(CheckpointError, match=r"has no open_clip_config.json; give a folder as"):
        find_clip(str(tmp_path))


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"model_cfg": 1}', '{"model_cfg": {}, "preprocess_cfg": {"std": 1}}']
)
def test_a_configuration_that_makes_no_sense_is_refused(folder: Path, text: str) -> None:
    (folder / "open_clip_config.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"open_clip_config.json cannot be read: "):
        find_clip(str(folder))


def test_weights_of_another_architecture_are_refused_in_one_line(folder: Path) -> None:
    values = json.loads((folder / "open_clip_config.json").read_text())
    values["model_cfg"]["vision_cfg"]["width"] = 48
    (folder / "open_clip_config.json").write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match=r"does not make .*size mismatch") as failure:
        _ = load_clip(str(folder)).network
    assert "\n" not in str(failure.value)


def test_truncated_weights_are_refused(folder: Path) -> None:
    weights = folder / "open_clip_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"model.safetensors does not make .*incomplete"):
        _ = load_clip(str(folder)).network


def test_weights_that_are_not_finite_are_named(folder: Path) -> None:
    weights = folder / "open_clip_model.safetensors"
    state = load_file(weights)
    state["visual.proj"][3, 4] = float("nan")
    save_file(state, weights)
    with pytest.raises(CheckpointError, match=r"is damaged: visual.proj is not finite"):
        _ = load_clip(str(folder)).network


class Call:
    """A pickle of this calls `touch` when it is read by anyone too trusting."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        return Path.touch, (self.path,)


def as_pickle(weights: Path, trace: Path) -> None:
    weights.write_bytes(pickle.dumps({"state_dict": Call(trace)}))


def as_checkpoint(weights: Path, trace: Path) -> None:
    torch.save({"state_dict": {**random_state(VIT), "extra": Call(trace)}}, weights)


@pytest.mark.parametrize("write", [as_pickle, as_checkpoint])
def test_a_file_that_would_run_code_is_refused_before_it_does(
    known_model: str, tmp_path: Path, write: Any
) -> None:
    weights, trace = tmp_path / "evil.pt", tmp_path / "trace"
    write(weights, trace)
    with pytest.raises(CheckpointError, match=r"evil.pt is not plain weights .* are refused: take"):
        _ = load_clip(f"{known_model}:{weights}").network
    assert not trace.exists()


def test_a_torchscript_archive_is_refused(known_model: str, tmp_path: Path) -> None:
    weights = tmp_path / "RN50.pt"
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), weights)
    with pytest.raises(CheckpointError, match=r"RN50.pt is not plain weights .*take the .safeten"):
        _ = load_clip(f"{known_model}:{weights}").network


def test_plain_weights_in_pytorchs_own_format_are_read(known_model: str, tmp_path: Path) -> None:
    torch.save({"epoch": 3, "state_dict": random_state(VIT)}, tmp_path / "epoch.pt")
    clip = load_clip(f"{known_model}:{tmp_path / 'epoch.pt'}")
    expected = reference(VIT).encode_text(open_clip.tokenize(["cow"]), normalize=True)
    torch.testing.assert_close(clip.encode_text(["cow"]), expected)


def test_a_tokenizer_that_cannot_be_had_is_told(tmp_path: Path) -> None:
    text = {**VIT["text_cfg"], "hf_tokenizer_name": "nobody/nothing"}  # type: ignore[dict-item]  # a mixed dictionary
    clip = load_clip(str(write_clip(tmp_path / "clip", {**VIT, "text_cfg": text})))
    with pytest.raises(PluginError, match=r"the tokenizer of .*clip cannot be had: "):
        clip.encode_text(["cow"])


def test_a_missing_open_clip_is_told_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(PluginError, match=r"CLIP needs open_clip .*mmras-stream\[clip\]'$"):
        find_clip("RN50")


def test_a_torchvision_for_another_pytorch_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(_name: str) -> None:
        raise RuntimeError("operator torchvision::nms does not exist\nmore")

    monkeypatch.setattr("mmras_stream.models.clip_source.import_module", broken)
    with pytest.raises(PluginError, match=r"nms does not exist; install a torchvision that was"):
        find_clip("RN50")


def test_a_model_is_here_when_the_hubs_cache_holds_its_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    assert not is_here("RN50")
    repository = tmp_path / "models--timm--resnet50_clip.openai"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc")
    (repository / "snapshots" / "abc").mkdir(parents=True)
    (repository / "snapshots" / "abc" / "open_clip_model.safetensors").touch()
    assert is_here("RN50")
    assert is_here("RN50:openai")
    assert not is_here("RN101")


def test_no_model_is_here_without_open_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    assert not is_here("RN50")
