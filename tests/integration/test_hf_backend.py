"""Networks that transformers saved, at the command line and behind it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from typer.testing import CliRunner

from commands import SAMPLE, annotate
from mask2formers import PREPROCESSING, network, saved
from mmras_cli.main import app
from mmras_plugins.backends import hf_weights
from mmras_plugins.backends.hf import HfBackend, look
from mmras_plugins.backends.hf_weights import Preprocessing
from mmras_stream.errors import CheckpointError, SettingsError
from mmras_stream.inference.masks import rgb_pictures
from mmras_stream.inference.pillow_resize import resize
from mmras_stream.inference.published import MEAN, STD
from mmras_stream.settings import ModelSettings, VideoSettings
from mmras_stream.types import FrameBatch
from mmras_stream.video.pyav import PyAVDecoder

CPU = torch.device("cpu")
BACKBONES = ["swin", "resnet"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small network of each kind."""
    return {name: saved(tmp_path_factory.mktemp(name), network(name)) for name in BACKBONES}


@pytest.fixture
def folder(folders: dict[str, Path], tmp_path: Path) -> Path:
    """The files of the one with a Swin, to be spoilt."""
    copy = tmp_path / "spoilt"
    copy.mkdir()
    for file in folders["swin"].iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    return copy


@pytest.fixture(scope="module")
def frames() -> FrameBatch:
    """Four frames of the sample drive."""
    decoder = PyAVDecoder(SAMPLE, VideoSettings(batch_size=4, stride=25))
    try:
        return next(islice(decoder, 1))
    finally:
        decoder.close()


def _backend(folder: Path | str, **settings: int) -> HfBackend:
    return HfBackend(ModelSettings("hf", str(folder), device="cpu", **settings))  # type: ignore[arg-type]  # whole numbers all


@pytest.mark.parametrize("name", BACKBONES)
def test_a_saved_network_annotates_a_drive(
    name: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    model = ("--model", f"hf:{folders[name]}", "--score", "mask2anomaly", "--threshold", "-0.5")
    annotate(SAMPLE, "--out", tmp_path, *model, "--end", 0.2, "--quiet")
    report = json.loads((tmp_path / "drive" / "run.json").read_text())
    weights = (folders[name] / "model.safetensors").read_bytes()
    assert report["frames"] == 5
    assert report["weights_sha256"] == hashlib.sha256(weights).hexdigest()


@pytest.mark.parametrize("name", BACKBONES)
def test_frames_of_a_batch_do_not_see_one_another(
    name: str, folders: dict[str, Path], frames: FrameBatch
) -> None:
    backend = _backend(folders[name])
    together = backend.predict(frames)
    for i in range(len(frames)):
        planes = tuple(plane[i : i + 1] for plane in frames.planes)
        alone = FrameBatch((i,), (0,), frames.time_base, planes, frames.pixel_format)  # type: ignore[arg-type]  # three
        seen = backend.predict(alone)
        torch.testing.assert_close(
            seen.class_scores[0], together.class_scores[i], atol=1e-4, rtol=0
        )
        torch.testing.assert_close(seen.features[0], together.features[i], atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", BACKBONES)
@torch.inference_mode()
def test_looking_step_by_step_sees_what_the_network_sees(name: str) -> None:
    whole = network(name)
    pixels = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    seen, wanted = look(whole, pixels), whole(pixels)
    torch.testing.assert_close(seen.masks.mask_logits, wanted.masks_queries_logits)
    torch.testing.assert_close(seen.masks.class_logits, wanted.class_queries_logits)
    assert seen.features.shape[-2:] == (4, 6)


@torch.inference_mode()
def test_pictures_are_prepared_as_the_model_says(
    folders: dict[str, Path], frames: FrameBatch
) -> None:
    small = resize(rgb_pictures(frames, CPU), (64, 114)) / 255
    mean, std = (
        torch.tensor(PREPROCESSING[f"image_{key}"]).view(3, 1, 1) for key in ("mean", "std")
    )
    pixels = torch.nn.functional.pad((small - mean) / std, (0, 14))
    wanted = look(network("swin"), pixels).features
    seen = _backend(folders["swin"]).predict(frames).features
    torch.testing.assert_close(seen, wanted, atol=1e-4, rtol=1e-4)


def test_a_size_that_is_asked_for_wins(folders: dict[str, Path], frames: FrameBatch) -> None:
    seen = _backend(folders["swin"], short_edge=96, long_edge=192).predict(frames)
    assert seen.features.shape[-2:] == (6, 12)
    assert seen.class_scores.shape == (4, 19, 360, 640)


def test_a_mean_and_a_size_of_its_own_are_read_from_all_versions(tmp_path: Path) -> None:
    def read(**values: object) -> Preprocessing:
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(PREPROCESSING | values))
        return Preprocessing.read(tmp_path)

    assert Preprocessing.read(tmp_path / "nowhere") == Preprocessing(MEAN, STD, None)
    assert read().edges == (64, 128)
    assert read().mean == pytest.approx((127.5, 102, 76.5))
    assert read(size=800, max_size=1333).edges == (800, 1333)
    assert read(size={"height": 384, "width": 384}).edges is None
    assert read(do_rescale=False).mean == (0.5, 0.4, 0.3)
    plain = read(do_normalize=False)
    assert (plain.mean, plain.std) == ((0, 0, 0), (255, 255, 255))
    with pytest.raises(CheckpointError, match=r"makes no sense .*image_mean, image_std and size"):
        read(image_mean=[1, 2])


def test_sure_masks_of_what_cannot_stand_on_a_road_are_kept(
    folders: dict[str, Path], frames: FrameBatch, tmp_path: Path
) -> None:
    known = _backend(folders["swin"]).predict(frames).extra_masks
    other = _backend(saved(tmp_path, network("swin", ("cat", "dog", "cow")))).predict(frames)
    assert known is not None
    assert known.shape == (4, 8, 360, 640)
    assert other.class_scores.shape[1] == 3
    assert other.extra_masks is not None
    assert other.extra_masks.shape[1] == 0


def test_classes_have_the_names_the_model_gives(tmp_path: Path) -> None:
    backend = _backend(saved(tmp_path, network("resnet", ("cat", "dog"))))
    assert backend.traits.classes == ("cat", "dog")
    assert backend.traits.predicts_masks


def test_a_repository_in_the_cache_needs_no_network(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _no_network(monkeypatch, tmp_path)
    home = tmp_path / "models--someone--small"
    (home / "snapshots").mkdir(parents=True)
    (home / "snapshots" / "0123").symlink_to(folders["resnet"], target_is_directory=True)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text("0123")
    assert len(_backend("someone/small").traits.classes) == 19


def _no_network(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))


def test_a_model_that_was_downloaded_is_found_by_its_name(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMRAS_STREAM_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mask2former-swin-t-cityscapes").symlink_to(folders["swin"])
    assert hf_weights.find("mask2former-swin-t-cityscapes").samefile(folders["swin"])


def test_what_cannot_be_fetched_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _no_network(monkeypatch, tmp_path)
    with pytest.raises(CheckpointError, match=r"run 'hf download someone/large'.*HF_HOME"):
        _backend("someone/large")
    with pytest.raises(CheckpointError, match="no folder /no/such/folder, and no repository"):
        _backend("/no/such/folder")
    result = CliRunner().invoke(app, ["annotate", str(SAMPLE), "--model", "hf:someone/large"])
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    with pytest.raises(SettingsError, match="name a repository or a folder, as in --model hf:face"):
        HfBackend(ModelSettings("hf"))


def _lacking(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if name != "class_predictor.bias"}


def _without_numbers(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return state | {"class_predictor.bias": torch.full((20,), torch.nan)}


def _of_other_shape(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return state | {"class_predictor.bias": torch.zeros(7)}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_lacking, "lack 1 entries, the first is class_predictor.bias"),
        (_without_numbers, "are no numbers in class_predictor.bias"),
        (_of_other_shape, "cannot load .*spoilt"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    spoil: Callable[[dict[str, Tensor]], dict[str, Tensor]], message: str, folder: Path
) -> None:
    weights = folder / "model.safetensors"
    save_file(spoil(load_file(weights)), weights, {"format": "pt"})
    with pytest.raises(CheckpointError, match=message):
        _backend(folder)


def test_truncated_weights_are_refused(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"cannot load .*spoilt: .*is it complete"):
        _backend(folder)


def test_weights_that_may_run_code_are_not_read(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"holds no .safetensors, only .*pytorch_model.bin"):
        _backend(folder)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            '{"model_type": "segformer", "architectures": ["SegformerForSemanticSegmentation"]}',
            "holds SegformerForSemanticSegmentation; the backend 'hf' runs Mask2FormerForUniversal",
        ),
        ('{"hidden_size": 3}', "holds no known network; the backend"),
        ("[1, 2]", "it holds no settings"),
        ("{", "cannot read .*config.json"),
        (None, "holds no config.json"),
    ],
)
def test_a_folder_of_something_else_is_refused(
    config: str | None, message: str, folder: Path
) -> None:
    path = folder / "config.json"
    path.unlink() if config is None else path.write_text(config)
    with pytest.raises(CheckpointError, match=message):
        _backend(folder)
