"""CLIP models with random weights, small enough for tests, in folders as the hub has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
RESNET = {
    "embed_dim": 24,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None},
    "text_cfg": TEXT,
}
VIT = {
    "embed_dim": 24,
    "vision_cfg": {
        "image_size": 32,
        "patch_size": 8,
        "layers": 3,
        "width": 32,
        "head_width": 16,
        "ls_init_value": 0.7,
    },
    "text_cfg": TEXT,
}


def random_state(config: dict[str, Any], seed: int = 0) -> dict[str, torch.Tensor]:
    """Return weights that make every part of a model count, batch norms included."""
    torch.manual_seed(seed)
    model = open_clip.CLIP(**config)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for name, low, high in (("weight", 0.5, 1.5), ("running_var", 0.5, 1.5)):
                torch.nn.init.uniform_(getattr(module, name), low, high)
            torch.nn.init.normal_(module.running_mean, std=0.2)  # type: ignore[arg-type]  # tracked, so there
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1 and name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.2)
    return {name: value.clone() for name, value in model.state_dict().items()}


def write_clip(folder: Path, config: dict[str, Any], *, seed: int = 0) -> Path:
    """Write a model's configuration and random weights into a new folder, and return it."""
    folder.mkdir(parents=True)
    values = {"model_cfg": config, "preprocess_cfg": {"mean": MEAN, "std": STD}}
    (folder / "open_clip_config.json").write_text(json.dumps(values))
    save_file(random_state(config, seed), folder / "open_clip_model.safetensors")
    return folder
