"""Find the files of a CLIP model by its name, before anything is loaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from mmras_stream.errors import CheckpointError, PluginError

CONFIG = "open_clip_config.json"
WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
)
"""The names under which weights are published, in open_clip's own order of preference."""
FORMATS = (".safetensors", ".bin", ".pt", ".pth")
OPENAI = "openai"

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class ClipSource:
    """A CLIP model that is on this machine."""

    name: str
    """For people, such as RN50:openai."""
    model: str
    """What open_clip calls it: a name, or local-dir: and a folder."""
    weights: Path
    quick_gelu: bool
    """The activation that the weights were trained with, where the model's own is another."""
    mean: Triple
    """RGB, 0..1."""
    std: Triple
    identity: str
    """sha256 of the architecture and of the weights; the same wherever the files lie."""


def find_clip(name: str) -> ClipSource:
    """Find a CLIP model, fetching published weights that are not on this machine yet.

    Args:
        name: `RN50:openai`, a model and a pretrained tag of open_clip, where `RN50` alone means
            OpenAI's weights; `RN50-quickgelu:weights.safetensors`, a model and a file, where the
            model must have the activation that the weights were trained with (a tag knows it, a
            file does not); or a folder with open_clip_config.json and weights, as published on
            the Hugging Face hub.

    Raises:
        PluginError: open_clip is missing, or knows no such model or tag.
        CheckpointError: the weights are neither here nor can they be fetched.
    """
    open_clip = import_open_clip()
    if Path(name).is_dir():
        return _from_folder(Path(name))
    model, _, tag = name.partition(":")
    model, tag = model.replace("/", "-"), tag or OPENAI
    config = open_clip.get_model_config(model) if model in open_clip.list_models() else None
    if config is None:
        raise PluginError(_unknown("CLIP model", model, open_clip.list_models()))
    published: dict[str, Any] = open_clip.get_pretrained_cfg(model, tag)  # Any: open_clip's own
    if published:
        weights = _fetched(open_clip, model, tag, published)
    else:
        weights = _existing(tag, model, open_clip.list_pretrained_tags_by_model(model))
    quick_gelu = bool(published.get("quick_gelu", False))
    mean, std = _mean_and_std(published)
    identity = _identity(config, weights, quick_gelu=quick_gelu)
    return ClipSource(f"{model}:{tag}", model, weights, quick_gelu, mean, std, identity)


def is_here(name: str) -> bool:
    """Tell whether a published CLIP model can be had without a network.

    Args:
        name: `RN50` or `RN50:openai`.
    """
    try:
        open_clip = import_open_clip()
    except PluginError:
        return False
    from huggingface_hub import try_to_load_from_cache

    model, _, tag = name.partition(":")
    published = open_clip.get_pretrained_cfg(model, tag or OPENAI)
    repository, _, file = published.get("hf_hub", "").rpartition("/")
    files = (file,) if file else WEIGHTS
    return any(isinstance(try_to_load_from_cache(repository, each), str) for each in files)


def import_open_clip() -> ModuleType:
    """Import open_clip.

    Raises:
        PluginError: it is not installed, or broken.
    """
    try:
        return import_module("open_clip")
    except ImportError as error:
        raise PluginError(
            f"CLIP needs open_clip ({error}); pip install 'mmras-stream[clip]'"
        ) from error
    except RuntimeError as error:  # torchvision's, built for another PyTorch
        raise PluginError(
            f"open_clip cannot be imported: {str(error).splitlines()[0]}; install a torchvision "
            "that was built for this PyTorch"
        ) from error


def _from_folder(folder: Path) -> ClipSource:
    try:
        values = json.loads((folder / CONFIG).read_text("utf-8"))
        config, pictures = dict(values["model_cfg"]), dict(values.get("preprocess_cfg", {}))
        mean, std = _mean_and_std(pictures)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{folder} has no {CONFIG}; give a folder as published on the Hugging Face hub"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{folder / CONFIG} cannot be read: {error!r}") from error
    found = [folder / name for name in WEIGHTS if (folder / name).is_file()]
    if not found:
        raise CheckpointError(f"{folder} has no weights; it needs {WEIGHTS[0]}")
    identity = _identity(config, found[0], quick_gelu=False)
    model = f"local-dir:{folder}"
    return ClipSource(str(folder), model, found[0], False, mean, std, identity)  # noqa: FBT003 - its own activation


def _mean_and_std(pictures: Mapping[str, Any]) -> tuple[Triple, Triple]:  # Any: JSON values
    open_clip = import_open_clip()
    mean = pictures.get("mean", open_clip.OPENAI_DATASET_MEAN)
    std = pictures.get("std", open_clip.OPENAI_DATASET_STD)
    return _triple(mean), _triple(std)


def _identity(config: Mapping[str, Any], weights: Path, *, quick_gelu: bool) -> str:  # Any: JSON
    parts = {"config": config, "quick_gelu": quick_gelu, "weights": _sha256(weights)}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _fetched(
    open_clip: ModuleType,
    model: str,
    tag: str,
    published: dict[str, Any],  # Any: open_clip's own
) -> Path:
    try:
        return Path(open_clip.download_pretrained(published))
    except Exception as error:  # the hub's client, HTTP and the file system fail in many ways
        from huggingface_hub.constants import HF_HUB_CACHE

        repository = published["hf_hub"].rsplit("/", 1)[0].replace("/", "--")
        same = f"{model}-quickgelu" if published.get("quick_gelu") else model
        raise CheckpointError(
            f"no weights of {model}:{tag} here, and they cannot be fetched "
            f'({_first_line(error)}); on a connected machine run python -c "import open_clip; '
            f"open_clip.create_model('{model}', pretrained='{tag}')\" and copy its "
            f"~/.cache/huggingface/hub/models--{repository} into {HF_HUB_CACHE}, "
            f"or name a file: {same}:weights.safetensors"
        ) from error


def _existing(name: str, model: str, tags: list[str]) -> Path:
    path = Path(name)
    if path.is_file() and path.suffix in FORMATS:
        return path
    if path.is_file():
        raise CheckpointError(f"{path} is no weights file; known: {', '.join(FORMATS)}")
    if path.suffix in FORMATS:
        raise CheckpointError(f"no weights file {path} for CLIP model {model}")
    raise PluginError(_unknown(f"weights of CLIP model {model}", name, tags))


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"cannot read weights {path}: {error.strerror}") from error


def _triple(values: Any) -> Triple:  # noqa: ANN401 - JSON values
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _unknown(what: str, name: str, names: list[str]) -> str:
    by_case = {known.lower(): known for known in names}
    guess = get_close_matches(name.lower(), by_case, n=1)
    if guess:
        return f"no {what} called {name!r}; did you mean {by_case[guess[0]]!r}?"
    return f"no {what} called {name!r}; known: {', '.join(names[:8]) or 'none'}"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or repr(error)).splitlines()[0]
