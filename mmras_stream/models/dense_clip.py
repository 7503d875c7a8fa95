"""What CLIP says of every place of a picture, in the space of its text.

Zhou et al. 2022, "Extract Free Dense Labels from CLIP", arXiv 2112.01071 (MaskCLIP): the last
attention is left out. Its value and output projections are applied to each place by itself.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

from mmras_stream.errors import PluginError

Tower: TypeAlias = Any
"""An image tower of open_clip or a block of one; it types them in part."""


def dense_stride(visual: nn.Module) -> int:
    """Return how many pixels apart the dense features of an image tower of open_clip lie.

    Raises:
        PluginError: it has neither a ModifiedResNet nor a plain vision transformer.
    """
    from open_clip.modified_resnet import ModifiedResNet
    from open_clip.transformer import VisionTransformer

    if isinstance(visual, ModifiedResNet):
        return 32
    if isinstance(visual, VisionTransformer) and _is_plain(visual):
        return int(visual.patch_size[0])
    raise PluginError(
        f"no dense features from an image tower of kind {type(visual).__name__}; it must be a "
        "ModifiedResNet or a plain vision transformer, as in RN50:openai or ViT-B-16:openai"
    )


def dense_features(visual: nn.Module, pixels: Tensor) -> Tensor:
    """Return features (N, D, h, w) of length 1, float32, in the space of the text.

    Args:
        visual: Image tower of open_clip; see `dense_stride`.
        pixels: (N, 3, H, W) normalised, of any size in multiples of the stride.

    Raises:
        PluginError: the tower is of another kind.
        ValueError: a side is not a multiple of the stride.
    """
    stride = dense_stride(visual)
    for side, length in zip(("height", "width"), pixels.shape[-2:], strict=True):
        if length % stride or not length:
            fitting = max(stride, -(-length // stride) * stride)
            raise ValueError(f"{side} {length} is not a multiple of {stride}; pad to {fitting}")
    features = _from_resnet if hasattr(visual, "attnpool") else _from_transformer
    return F.normalize(features(visual, pixels).float(), dim=1)


def region_embeddings(features: Tensor, masks: Tensor) -> Tensor:
    """Average dense features over regions.

    Args:
        features: (D, h, w) of one picture, from `dense_features`.
        masks: (M, H, W) bool or shares 0..1, of any size, covering the same part of the picture
            edge to edge; a cell counts by the share of it that the mask covers.

    Returns:
        (M, D) of length 1.

    Raises:
        ValueError: a mask is empty.
    """
    _, height, width = features.shape
    cells = F.adaptive_avg_pool2d(masks.to(features.dtype)[:, None], (height, width))
    shares = cells.flatten(1)
    totals = shares.sum(1, keepdim=True)
    empty = (totals[:, 0] <= 0).nonzero().flatten().tolist()
    if empty:
        raise ValueError(f"mask {empty[0]} of {len(masks)} is empty; there is nothing to average")
    return F.normalize(shares @ features.flatten(1).T / totals, dim=1)


def _is_plain(visual: Tower) -> bool:
    last = visual.transformer.resblocks[-1]
    return visual.attn_pool is None and isinstance(last.attn, nn.MultiheadAttention)


def _from_resnet(visual: Tower, pixels: Tensor) -> Tensor:
    places: Tensor = visual.stem(pixels)
    for layer in (visual.layer1, visual.layer2, visual.layer3, visual.layer4):
        places = layer(places)
    pool = visual.attnpool
    for projection in (pool.v_proj, pool.c_proj):
        places = F.conv2d(places, projection.weight[:, :, None, None], projection.bias)
    return places


def _from_transformer(visual: Tower, pixels: Tensor) -> Tensor:
    patches = visual.conv1(pixels)
    grid = patches.shape[-2:]
    token = visual.class_embedding.to(patches.dtype).expand(len(patches), 1, -1)
    tokens = torch.cat([token, patches.flatten(2).mT], dim=1)
    tokens = visual.ln_pre(tokens + _positions(visual, grid).to(tokens.dtype))
    *blocks, last = visual.transformer.resblocks
    for block in blocks:
        tokens = block(tokens)
    places: Tensor = visual.ln_post(_without_attention(last, tokens[:, 1:])) @ visual.proj
    return places.mT.reshape(len(places), -1, *grid)


def _without_attention(block: Tower, tokens: Tensor) -> Tensor:
    """Run a block in which every token attends to nothing but itself."""
    attention = block.attn
    width = attention.embed_dim
    weight, bias = attention.in_proj_weight[-width:], attention.in_proj_bias[-width:]
    values = attention.out_proj(F.linear(block.ln_1(tokens), weight, bias))
    tokens = tokens + block.ls_1(values)
    result: Tensor = tokens + block.ls_2(block.mlp(block.ln_2(tokens)))
    return result


def _positions(visual: Tower, grid: torch.Size) -> Tensor:
    """Return position embeddings (1 + h * w, C), enlarged or shrunk to another grid."""
    positions: Tensor = visual.positional_embedding
    own = tuple(visual.grid_size)
    if tuple(grid) == own:
        return positions
    places = positions[1:].T.reshape(1, -1, *own)
    places = F.interpolate(places, tuple(grid), mode="bicubic", align_corners=False)
    return torch.cat([positions[:1], places[0].flatten(1).T])
