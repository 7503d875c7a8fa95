"""Read the weights of transformers' Mask2Former as those of the published network."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

TRANSFORMERS_RESNET = "model.pixel_level_module.encoder.embedder.embedder."
"""Begins a name that no Mask2Former has but that of transformers with one of its ResNets."""

_RENAMED = (
    (r"^model\.pixel_level_module\.encoder\.", "backbone."),
    (r"^model\.pixel_level_module\.decoder\.", "sem_seg_head.pixel_decoder."),
    (r"^model\.transformer_module\.(decoder\.)?", "sem_seg_head.predictor."),
    (r"^class_predictor\.", "sem_seg_head.predictor.class_embed."),
    (r"^backbone\.embedder\.embedder\.", "backbone.stem.conv1."),
    (r"^backbone\.encoder\.stages\.0\.layers\.", "backbone.res2."),
    (r"^backbone\.encoder\.stages\.1\.layers\.", "backbone.res3."),
    (r"^backbone\.encoder\.stages\.2\.layers\.", "backbone.res4."),
    (r"^backbone\.encoder\.stages\.3\.layers\.", "backbone.res5."),
    (r"\.layer\.0\.", ".conv1."),
    (r"\.layer\.1\.", ".conv2."),
    (r"\.layer\.2\.", ".conv3."),
    (r"\.convolution\.", "."),
    (r"\.normalization\.", ".norm."),
    (r"\.pixel_decoder\.(level_embed|encoder)", r".pixel_decoder.transformer.\1"),
    (r"\.encoder\.layers\.(\d+)\.self_attn_layer_norm\.", r".encoder.layers.\1.norm1."),
    (r"\.encoder\.layers\.(\d+)\.final_layer_norm\.", r".encoder.layers.\1.norm2."),
    (r"\.input_projections\.", ".input_proj."),
    (r"\.(adapter|layer)_1\.0\.", r".\1_1."),
    (r"\.(adapter|layer)_1\.1\.", r".\1_1.norm."),
    (r"\.mask_projection\.", ".mask_features."),
    (r"\.queries_embedder\.", ".query_embed."),
    (r"\.queries_features\.", ".query_feat."),
    (r"\.predictor\.layernorm\.", ".predictor.decoder_norm."),
    (r"\.mask_predictor\.mask_embedder\.(\d)\.0\.", r".mask_embed.layers.\1."),
    (
        r"\.predictor\.layers\.(\d+)\.cross_attn\.",
        r".predictor.transformer_cross_attention_layers.\1.multihead_attn.",
    ),
    (
        r"\.predictor\.layers\.(\d+)\.(cross|self)_attn_layer_norm\.",
        r".predictor.transformer_\2_attention_layers.\1.norm.",
    ),
    (
        r"\.predictor\.layers\.(\d+)\.self_attn\.",
        r".predictor.transformer_self_attention_layers.\1.self_attn.",
    ),
    (r"\.predictor\.layers\.(\d+)\.fc", r".predictor.transformer_ffn_layers.\1.fc"),
    (
        r"\.predictor\.layers\.(\d+)\.final_layer_norm\.",
        r".predictor.transformer_ffn_layers.\1.norm.",
    ),
    (r"\.fc([12])\.", r".linear\1."),
)
"""What to look for and what to put there, one after the other."""


def from_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state of `Mask2FormerForUniversalSegmentation` under the names of `MmrasNetwork`.

    It fits an `MmrasConfig` with `global_mask_attention=False`. The backbone has to be a bottleneck
    `ResNet` of transformers with the stride in its 3x3 convolutions, which is their default. What
    is not known keeps its name, for `load_state_dict` to refuse.
    """
    named = {_renamed(name): value for name, value in state.items()}
    for first in [name for name in named if ".q_proj." in name]:
        # our attention keeps all three in one tensor
        parts = [first.replace(".q_proj.", f".{part}_proj.") for part in "qkv"]
        if all(part in named for part in parts):
            joined = torch.cat([named.pop(part) for part in parts])
            named[first.replace(".q_proj.", ".in_proj_")] = joined
    return named


def _renamed(name: str) -> str:
    for pattern, replacement in _RENAMED:
        name = re.sub(pattern, replacement, name)
    return name
