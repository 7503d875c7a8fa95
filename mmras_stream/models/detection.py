"""The shape of a published network, seen from the shapes of its weights."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from mmras_stream.errors import CheckpointError
from mmras_stream.models.mmras import CITYSCAPES, MmrasConfig
from mmras_stream.models.pixel_decoder import LEVELS
from mmras_stream.models.resnet import BLOCKS, Depth

Shapes = Mapping[str, Sequence[int]]

PREDICTOR = "sem_seg_head.predictor."
CROSS_ATTENTION = PREDICTOR + "transformer_cross_attention_layers."
ENCODER = "sem_seg_head.pixel_decoder.transformer.encoder.layers."

HF_HINT = "--model hf:facebook/mask2former-swin-large-cityscapes-semantic"

ELSEWHERE = {
    "pixel_level_module.": "it is in the format of transformers, with a backbone other than its "
    f"ResNet; give its folder or its name on the hub, as in {HF_HINT}",
    "backbone.patch_embed.": "its backbone is a Swin transformer, here is ResNet-50 and -101; Swin "
    f"is served by {HF_HINT}",
    "backbone.downsample_layers.": "its backbone is a ConvNeXt, here is ResNet-50 and -101",
    "outlier_head.": "it is the compact network of this program; give it with --model compact",
}
"""By the beginning of a name: whose weights they are."""


def detect_config(shapes: Shapes, classes: Sequence[str] | None = None) -> MmrasConfig:
    """Read a configuration off the shapes of a state under the names of `MmrasNetwork`.

    What the shapes do not tell, because entries are absent, stays as released; the number of heads
    never shows and is taken for the released one. `mismatch` says what does not fit then.

    Args:
        shapes: By name.
        classes: Their names; by default those of Cityscapes where there are as many, and
            "class 0", "class 1", ... otherwise.

    Raises:
        CheckpointError: no configuration gives these shapes, or there are more or fewer classes
            than names.
    """
    known = MmrasConfig()
    heads = known.heads
    count = _size(shapes, f"{PREDICTOR}class_embed.weight", 0, len(CITYSCAPES) + 1) - 1
    queries = f"{PREDICTOR}query_feat.weight"
    offsets = _size(
        shapes, f"{ENCODER}0.self_attn.sampling_offsets.bias", 0, heads * LEVELS * known.points * 2
    )
    if offsets % (heads * LEVELS * 2):
        raise CheckpointError(
            f"{offsets} sampling offsets are no multiple of {heads} heads x {LEVELS} maps x 2; "
            "give the configuration, whose number of heads differs"
        )
    return MmrasConfig(
        classes=_class_names(count, classes),
        depth=_depth(shapes),
        width=_size(shapes, queries, 1, known.width),
        heads=heads,
        queries=_size(shapes, queries, 0, known.queries),
        encoder_layers=_count(shapes, ENCODER) or known.encoder_layers,
        encoder_feedforward=_size(shapes, f"{ENCODER}0.linear1.bias", 0, known.encoder_feedforward),
        points=offsets // (heads * LEVELS * 2),
        decoder_layers=_count(shapes, CROSS_ATTENTION) or known.decoder_layers,
        decoder_feedforward=_size(
            shapes,
            f"{PREDICTOR}transformer_ffn_layers.0.linear1.bias",
            0,
            known.decoder_feedforward,
        ),
        global_mask_attention=f"{CROSS_ATTENTION}0.multihead_attn.in_proj_weight" not in shapes,
    )


def whose(shapes: Shapes) -> str | None:
    """Say which other network has these weights, if it is a known one."""
    for beginning, hint in ELSEWHERE.items():
        if any(name.startswith(beginning) for name in shapes):
            return hint
    return None


def _class_names(count: int, names: Sequence[str] | None) -> tuple[str, ...]:
    if names is None:
        return CITYSCAPES if count == len(CITYSCAPES) else tuple(f"class {i}" for i in range(count))
    if len(names) != count:
        raise CheckpointError(
            f"{len(names)} class names were given for a network of {count} classes"
        )
    return tuple(names)


def _depth(shapes: Shapes) -> Depth:
    blocks = tuple(_count(shapes, f"backbone.res{stage}.") for stage in range(2, 6))
    if not any(blocks):
        return 50
    for depth, known in BLOCKS.items():
        if blocks == known:
            return depth
    raise CheckpointError(
        f"the backbone has {blocks} blocks in its stages; ResNet-50 has {BLOCKS[50]}, "
        f"ResNet-101 {BLOCKS[101]}"
    )


def _size(shapes: Shapes, name: str, axis: int, otherwise: int) -> int:
    shape = shapes.get(name, ())
    return shape[axis] if axis < len(shape) else otherwise


def _count(shapes: Shapes, beginning: str) -> int:
    numbered = re.compile(re.escape(beginning) + r"(\d+)\.")
    found = (numbered.match(name) for name in shapes)
    return len({match[1] for match in found if match})
