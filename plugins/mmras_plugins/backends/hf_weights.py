"""Find a Mask2Former that transformers saved, see that it is one, and load it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmras_stream.errors import CheckpointError, PluginError
from mmras_stream.inference.published import MEAN, STD, Colour
from mmras_stream.models.zoo import downloaded_folder, published_models

ARCHITECTURE = "Mask2FormerForUniversalSegmentation"
EXAMPLE = "facebook/mask2former-swin-large-cityscapes-semantic"
FILES = ["config.json", "preprocessor_config.json", "*.safetensors", "*.safetensors.index.json"]

_UNUSED = ("criterion.",)
"""Begins the names of what only training needs."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What a model wants its pictures to be like."""

    mean: Colour = MEAN
    """RGB, 0..255."""
    std: Colour = STD
    edges: tuple[int, int] | None = None
    """Pixels of the shorter side, and of the longer one at most. None where the model says
    nothing, or names a fixed size: published ones say 384x384, which they were not trained at."""

    @classmethod
    def read(cls, folder: Path) -> Preprocessing:
        """Read `preprocessor_config.json`, if there is one.

        Raises:
            CheckpointError: it makes no sense.
        """
        path = folder / "preprocessor_config.json"
        if not path.is_file():
            return cls()
        values = read_json(path)
        try:
            factor = values.get("rescale_factor", 1 / 255) if values.get("do_rescale", True) else 1
            if not values.get("do_normalize", True):
                return cls((0, 0, 0), (1 / factor,) * 3, _edges(values))
            red, green, blue = (centre / factor for centre in values["image_mean"])
            scales = [scale / factor for scale in values["image_std"]]
            return cls((red, green, blue), (scales[0], scales[1], scales[2]), _edges(values))
        except (KeyError, IndexError, TypeError, ValueError, ZeroDivisionError) as error:
            raise CheckpointError(
                f"{path} makes no sense ({error!r}); it should hold image_mean, image_std and size "
                "as transformers saves them"
            ) from error


def transformers() -> Any:  # noqa: ANN401 - its types are partial
    """Import transformers.

    Raises:
        PluginError: it cannot be imported, or scipy, which its Mask2Former asks for.
    """
    try:
        import scipy  # noqa: F401 - only to see that it is there
        import transformers as package
    except ImportError as error:
        raise PluginError(
            f"the backend 'hf' needs the package {error.name}: pip install 'mmras-stream[hf]'"
        ) from error
    try:
        getattr(package, ARCHITECTURE)  # loads it
    except Exception as error:  # foreign code: it imports torchvision, which may fail in any way
        cause = error.__cause__ or error
        raise PluginError(
            f"transformers cannot load its Mask2Former: {cause}; reinstall torchvision for this "
            "PyTorch, or uninstall it"
        ) from error
    return package


def find(name: str) -> Path:
    """Return the folder that a path, a downloaded model or the name of a repository means.

    A repository is fetched if need be.

    Raises:
        CheckpointError: there is none, here or on the Hugging Face hub, or the hub is out of reach.
    """
    if Path(name).is_dir():
        return Path(name)
    if model := published_models().get(name):
        return downloaded_folder(model)
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=FILES, local_files_only=True))
    except HFValidationError as error:
        raise CheckpointError(
            f"no folder {name}, and no repository can be called so; try one like {EXAMPLE}"
        ) from error
    except Exception:  # noqa: BLE001 - foreign code; whatever is wrong with the cache, fetch anew
        pass
    try:
        return Path(snapshot_download(name, allow_patterns=FILES))
    except RepositoryNotFoundError as error:
        raise CheckpointError(
            f"no folder {name}, and the Hugging Face hub shows you no repository of that name; "
            "check the spelling, or log in with 'hf auth login' if it is private"
        ) from error
    except Exception as error:  # foreign code: a network may fail in any way at all
        raise CheckpointError(
            f"cannot fetch {name!r} from the Hugging Face hub, and it is not in "
            f"{constants.HF_HUB_CACHE}; where there is a network run 'hf download {name}' (once "
            "'huggingface-cli download'), copy ~/.cache/huggingface from there and let HF_HOME "
            "name the copy"
        ) from error


def check(folder: Path, name: str) -> None:
    """See that a folder holds a Mask2Former in safetensors.

    Raises:
        CheckpointError: it does not.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise CheckpointError(f"{name} holds no config.json, so it is no model of transformers")
    config = read_json(path)
    if config.get("model_type") != "mask2former":
        names = config.get("architectures") or [config.get("model_type", "no known network")]
        seen = ", ".join(map(str, names))
        raise CheckpointError(
            f"{name} holds {seen}; the backend 'hf' runs {ARCHITECTURE}, such as {EXAMPLE}"
        )
    if not weights_files(folder):
        seen = ", ".join(sorted(file.name for file in folder.iterdir()))
        raise CheckpointError(
            f"{name} holds no .safetensors, only {seen}; a .bin may run any code when it is read, "
            "so it is not: save the model again with save_pretrained of a recent transformers"
        )


def load(folder: Path, name: str) -> Any:  # noqa: ANN401 - transformers' types are partial
    """Build the network and fill it, for inference.

    Raises:
        CheckpointError: the weights are damaged, incomplete, or not numbers.
    """
    network_class = getattr(transformers(), ARCHITECTURE)
    try:
        with _silence():
            network, told = network_class.from_pretrained(
                folder, use_safetensors=True, local_files_only=True, output_loading_info=True
            )
    except Exception as error:  # foreign code: it reads what a stranger wrote
        first = (str(error).strip() or repr(error)).splitlines()[0]
        raise CheckpointError(f"cannot load {name}: {first}; is it complete?") from error
    missing = sorted(key for key in told["missing_keys"] if not key.startswith(_UNUSED))
    if missing:
        raise CheckpointError(
            f"the weights of {name} lack {len(missing)} entries, the first is {missing[0]}; "
            "is it complete?"
        )
    for key, tensor in network.state_dict().items():
        if not tensor.isfinite().all():
            raise CheckpointError(f"the weights of {name} are no numbers in {key}")
    return network.eval()


def digest(folder: Path) -> str:
    """Return the sha256 of the weights: of the file, or of the hashes of several."""
    digests = []
    for path in weights_files(folder):
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    return (
        digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    )


def weights_files(folder: Path) -> list[Path]:
    """Return the files of weights that hold nothing but tensors."""
    return sorted(folder.glob("*.safetensors"))


def read_json(path: Path) -> dict[str, Any]:  # Any: JSON values
    """Read an object.

    Raises:
        CheckpointError: it cannot be read.
    """
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"cannot read {path}: it holds no settings")
    return values


def _edges(values: dict[str, Any]) -> tuple[int, int] | None:
    size = values.get("size")
    if isinstance(size, int):
        size = {"shortest_edge": size, "longest_edge": values.get("max_size")}
    shortest, longest = (size or {}).get("shortest_edge"), (size or {}).get("longest_edge")
    return (int(shortest), int(longest)) if shortest and longest else None


@contextmanager
def _silence() -> Iterator[None]:
    """Keep transformers from advising on what is none of the user's business."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
