"""Run the network as the original was run, and keep what the goldens keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

from golden.data import manifest, meta, picture
from golden.det_weights import det_state_dict
from mmras_stream.inference.published import Geometry, geometry, network_pixels, semantic_map
from mmras_stream.models.masked_decoder import MaskedDecoder
from mmras_stream.models.mmras import MmrasConfig, MmrasNetwork
from mmras_stream.models.pixel_decoder import PixelFeatures
from mmras_stream.models.resnet import Pyramid

SMALL = ("a256", "b256", "c250", "c400")
LARGE = ("a1024", "c1024")


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """One picture through the network."""

    sizes: Geometry
    slices: dict[str, Tensor]
    """By the name of the golden."""
    class_map: Tensor
    """(19 + k, height, width)."""
    features: Tensor
    """(1024, h, w), res4."""


@cache
def state() -> dict[str, Tensor]:
    """The weights behind all goldens."""
    return det_state_dict((key, entry["shape"]) for key, entry in manifest()["entries"].items())


@cache
def network(dtype: torch.dtype) -> MmrasNetwork:
    """The network with these weights."""
    return loaded().to(dtype).eval()


def loaded() -> MmrasNetwork:
    """Build the network anew and give it these weights."""
    built = MmrasNetwork(MmrasConfig())
    built.load_state_dict(state(), strict=True)
    return built


@cache
def result(run: str, dtype: torch.dtype, *, mirrored: bool) -> Pass:
    """Run one of the six inputs, once."""
    return through(network(dtype), run, dtype, mirrored=mirrored)


def through(model: MmrasNetwork, run: str, dtype: torch.dtype, *, mirrored: bool) -> Pass:
    """Run one of the six inputs through any network of that precision."""
    facts = meta()["runs"][run]
    pixels = picture(facts["seed"], facts["h"], facts["w"])
    sizes = geometry(facts["h"], facts["w"], short_edge=facts["min_size_test"])
    pixels = network_pixels(pixels.flip(-1) if mirrored else pixels, sizes)
    # the large runs are cut into as many pieces as the small ones
    return _run(model, pixels.to(dtype), sizes, 4 if facts["min_size_test"] > 500 else 1)


@torch.inference_mode()
def _run(model: MmrasNetwork, pixels: Tensor, sizes: Geometry, step: int) -> Pass:
    pixel_decoder, decoder = model.sem_seg_head.pixel_decoder, model.sem_seg_head.predictor
    slices = {"input_slice": pixels[0, :, 16::32, 16::32]}
    hooks = [
        layer.register_forward_hook(_keep_tokens(slices, f"enc{number}_slice"))
        for number, layer in enumerate(pixel_decoder.transformer.encoder.layers)
    ]
    features: Pyramid = model.backbone(pixels)
    mixed: PixelFeatures = pixel_decoder(features)
    for hook in hooks:
        hook.remove()
    maps = {**features._asdict(), "mask_features": mixed.mask_features}
    maps.update({f"ms{level}": x for level, x in enumerate(mixed.maps)})
    strides = {"res2": 16, "res3": 8, "res4": 4, "res5": 2, "mask_features": 8}
    strides.update(ms0=2, ms1=4, ms2=8)
    slices.update({f"{name}_slice": _thin(x, strides[name] * step) for name, x in maps.items()})
    class_map = _decode(decoder, mixed, sizes, slices, step)
    return Pass(sizes, slices, class_map, features.res4[0])


def _decode(
    decoder: MaskedDecoder,
    mixed: PixelFeatures,
    sizes: Geometry,
    slices: dict[str, Tensor],
    step: int,
) -> Tensor:
    states = decoder.query_states(mixed)
    grid = (..., slice(4 * step, None, 8 * step), slice(4 * step, None, 8 * step))
    counts, classes, masks = [], [], []
    for number, queries in enumerate(states):
        prediction = decoder.predict(queries, mixed.mask_features)
        shape = mixed.maps[number % len(mixed.maps)].shape[-2:]
        shrunk = F.interpolate(prediction.mask_logits, shape, mode="bilinear")
        counts.append((shrunk.sigmoid() >= 0.5).sum((-1, -2))[0])
        classes.append(prediction.class_logits[0])
        masks.append(prediction.mask_logits[0][grid])
    last = prediction.mask_logits[0]
    enlarged = F.interpolate(last[None, ::10], sizes.padded, mode="bilinear")[0]
    class_map = semantic_map(classes[-1], last, sizes)
    slices |= {
        "dec_out_slice": torch.cat(states)[..., ::16],
        "fg_count": torch.stack(counts),
        "pred_logits": classes[-1],
        "all_pred_logits_every4th_query": torch.stack(classes)[:, ::4],
        "pred_masks_slice": masks[-1][::2],
        "aux_pred_masks_slice": torch.stack(masks)[:-1, ::10],
        "mask_up_slice": enlarged[:, 8 * step :: 16 * step, 8 * step :: 16 * step],
        "sem_seg_slice": class_map[:, 4::8, 4::8],
        "sem_seg_perchannel_mean": class_map.mean((1, 2)),
        "argmax_slice": class_map.argmax(0)[4::8, 4::8],
    }
    return class_map


def _keep_tokens(slices: dict[str, Tensor], name: str) -> Callable[..., None]:
    def keep(_module: nn.Module, _inputs: tuple[Tensor, ...], tokens: Tensor) -> None:
        slices[name] = tokens[0, :: max(1, tokens.shape[1] // 32), ::16]

    return keep


def _thin(x: Tensor, stride: int) -> Tensor:
    return x[0, :: max(1, x.shape[1] // 16), stride // 2 :: stride, stride // 2 :: stride]
