"""Small random networks of transformers, saved to folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from golden.det_weights import det_tensor
from mmras_stream.models.mmras import CITYSCAPES

STAGES = ["stage1", "stage2", "stage3", "stage4"]

PREPROCESSING = {
    "do_normalize": True,
    "do_rescale": True,
    "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.25, 0.2, 0.1],
    "rescale_factor": 1 / 255,
    "size": {"shortest_edge": 64, "longest_edge": 128},
}


def network(backbone: str, classes: tuple[str, ...] = CITYSCAPES) -> Any:
    """Build a small Mask2Former with a Swin or a ResNet, and lively weights."""
    transformers = pytest.importorskip("transformers", reason="the networks are its own")
    pytest.importorskip("scipy", reason="transformers' Mask2Former asks for it")
    config = transformers.Mask2FormerConfig(
        backbone_config=_backbone(transformers, backbone),
        feature_size=32,
        hidden_dim=32,
        mask_feature_size=32,
        encoder_feedforward_dim=32,
        dim_feedforward=32,
        num_attention_heads=2,
        encoder_layers=1,
        decoder_layers=4,
        num_queries=8,
        id2label=dict(enumerate(classes)),
    )
    built = transformers.Mask2FormerForUniversalSegmentation(config).eval()
    with torch.no_grad():
        for name, parameter in built.named_parameters():
            parameter.copy_(det_tensor(name, parameter.shape))
        built.class_predictor.bias[2] += 9  # sure of buildings, which makes extra masks
    return built


def saved(folder: Path, built: Any, preprocessing: dict[str, Any] | None = None) -> Path:
    """Write what `save_pretrained` writes, and how pictures are to be prepared."""
    built.save_pretrained(folder)
    values = PREPROCESSING | (preprocessing or {})
    (folder / "preprocessor_config.json").write_text(json.dumps(values))
    return folder


def _backbone(transformers: Any, name: str) -> Any:
    if name == "resnet":
        return transformers.ResNetConfig(
            embedding_size=8,
            hidden_sizes=[16, 16, 32, 32],
            depths=[1, 1, 1, 1],
            out_features=STAGES,
        )
    return transformers.SwinConfig(
        embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4, out_features=STAGES
    )
