"""Small mistakes, each of which one could make and not notice."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

from golden.rewired import (
    SharesWithinMaps,
    swap_attention,
    swap_queries,
    swap_strides,
    swap_xy,
    with_corners_aligned,
    with_steps_of_the_first_map,
)
from mmras_stream.inference import published as pictures
from mmras_stream.inference.pillow_resize import resize
from mmras_stream.models import masked_decoder, pixel_decoder, positions
from mmras_stream.models.deformable_attention import DeformableAttention, reference_points
from mmras_stream.models.mmras import MmrasNetwork
from mmras_stream.scoring import published as scores

Function = Callable[..., Any]  # Any: whatever the function at hand takes and gives


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change, made for as long as `patch` is open, or to a network whose weights are loaded."""

    name: str
    patch: Callable[[], AbstractContextManager[object]] = nullcontext
    change: Callable[[MmrasNetwork], object] = lambda _: None


def wrapped(original: Function, change: Callable[[Function], Function]) -> Function:
    """Put `change(original)` wherever our modules hold a function."""

    @contextmanager
    def patch() -> Iterator[None]:
        with ExitStack() as stack:
            for module in list(sys.modules.values()):
                if module.__name__.startswith(("mmras_stream.", "golden.")):
                    for name, value in list(vars(module).items()):
                        if value is original:
                            stack.enter_context(mock.patch.object(module, name, change(original)))
            yield

    return patch


def method(
    owner: type[nn.Module], change: Callable[..., Function], name: str = "forward"
) -> Function:
    """Put `change(method)` into a kind of module."""
    return lambda: mock.patch.object(owner, name, change(getattr(owner, name)))


def constant(module: ModuleType, name: str, value: object) -> Function:
    """Give a module's constant another value."""
    return lambda: mock.patch.object(module, name, value)


def corners(module: ModuleType, *, aligned: bool) -> Function:
    """Let a module resize with `align_corners` or without."""

    def interpolate(x: Tensor, size: tuple[int, int], **_: object) -> Tensor:
        return F.interpolate(x, size, mode="bilinear", align_corners=aligned)

    return constant(module, "F", SimpleNamespace(**{**vars(F), "interpolate": interpolate}))


def epsilon(kind: type[nn.Module]) -> Callable[[MmrasNetwork], None]:
    """Make the epsilon of one kind of norm ten times as large."""

    def change(network: MmrasNetwork) -> None:
        for module in network.modules():
            if isinstance(module, kind):
                module.eps = 10 * module.eps  # type: ignore[operator, assignment]  # norms have it

    return change


def _shares_within_maps(network: MmrasNetwork) -> None:
    for module in list(network.modules()):
        if isinstance(module, DeformableAttention):
            SharesWithinMaps.put_into(module)


def _zero(tensor: Tensor) -> None:
    tensor.data.zero_()


def _masks(change: Callable[[Tensor], Tensor]) -> Function:
    """Let cross-attention see other mask logits."""
    return method(
        masked_decoder.GlobalCrossAttention,
        lambda forward: (
            lambda layer, queries, places, memory, masks: forward(
                layer, queries, places, memory, change(masks)
            )
        ),
    )


def _norm_first(layer: masked_decoder.FeedForward, queries: Tensor) -> Tensor:
    inner: Tensor = layer.linear2(F.relu(layer.linear1(layer.norm(queries))))
    return queries + inner


def _without_half_cell(original: Function) -> Function:
    def at_corners(sizes: list[tuple[int, int]], *, device: torch.device) -> Tensor:
        half = torch.tensor([[0.5 / width, 0.5 / height] for height, width in sizes])
        counts = torch.tensor([height * width for height, width in sizes])
        moved: Tensor = original(sizes, device=device) - half.repeat_interleave(counts, 0)[:, None]
        return moved

    return at_corners


def _x_first(original: Function) -> Function:
    return lambda *args, **kwargs: torch.cat(original(*args, **kwargs).chunk(2, -1)[::-1], -1)


def _fine_first(original: Function) -> Function:
    return lambda decoder, features: original(
        decoder, features._replace(maps=tuple(reversed(features.maps)))
    )


def _other_mean(original: Function) -> Function:
    return lambda x, sizes: original(x, sizes, mean=pictures.MEAN[::-1])


def _unrounded(_: Function) -> Function:
    return lambda x, size: F.interpolate(x.float(), size, mode="bilinear", antialias=True)


NETWORK = (
    Mutant("background attention sees the foreground, and the other way round", _masks(torch.neg)),
    Mutant("weights of foreground and background attention swapped", change=swap_attention),
    Mutant("attention sees everything", _masks(torch.zeros_like)),
    Mutant("masks cut at 0.6 for attention", _masks(lambda m: m - 0.405)),
    Mutant("rows blocked everywhere stay blocked", constant(masked_decoder, "_open", lambda x: x)),
    Mutant("align_corners when masks are shrunk", corners(masked_decoder, aligned=True)),
    Mutant(
        "align_corners when maps are enlarged in the pyramid", corners(pixel_decoder, aligned=True)
    ),
    Mutant(
        "align_corners in deformable sampling",
        method(DeformableAttention, with_corners_aligned, "gather"),
    ),
    Mutant("x and y of sampling offsets swapped", change=swap_xy),
    Mutant(
        "sampling offsets counted in cells of the first map",
        method(DeformableAttention, with_steps_of_the_first_map, "gather"),
    ),
    Mutant(
        "tokens stand at the corners of their cells", wrapped(reference_points, _without_half_cell)
    ),
    Mutant("shares of places sum to one in each map", change=_shares_within_maps),
    Mutant("epsilon of batch norms ten times as large", change=epsilon(nn.BatchNorm2d)),
    Mutant("epsilon of layer norms ten times as large", change=epsilon(nn.LayerNorm)),
    Mutant("epsilon of group norms ten times as large", change=epsilon(nn.GroupNorm)),
    Mutant(
        "no level embedding in the encoder",
        change=lambda network: _zero(network.sem_seg_head.pixel_decoder.transformer.level_embed),
    ),
    Mutant(
        "no level embedding in the decoder",
        change=lambda network: _zero(network.sem_seg_head.predictor.level_embed.weight),
    ),
    Mutant(
        "fine maps before coarse ones",
        method(masked_decoder.MaskedDecoder, _fine_first, "query_states"),
    ),
    Mutant("columns before rows in positions", wrapped(positions.sine_positions, _x_first)),
    Mutant("temperature of positions 1000", constant(positions, "TEMPERATURE", 1000.0)),
    Mutant(
        "feed-forward normalised before", method(masked_decoder.FeedForward, lambda _: _norm_first)
    ),
    Mutant("what a query is and where it stands exchanged", change=swap_queries),
    Mutant(
        "predictions without norm",
        change=lambda network: setattr(
            network.sem_seg_head.predictor, "decoder_norm", nn.Identity()
        ),
    ),
    Mutant("stride in the first 1x1", change=swap_strides),
)

PICTURES = (
    Mutant("BGR", wrapped(pictures.network_pixels, lambda f: lambda x, sizes: f(x.flip(1), sizes))),
    Mutant("mean in the order BGR", wrapped(pictures.network_pixels, _other_mean)),
    Mutant("pixels resized without rounding", wrapped(resize, _unrounded)),
    Mutant("padded to multiples of 16", constant(pictures, "MULTIPLE", 16)),
    Mutant("align_corners when masks are enlarged", corners(pictures, aligned=True)),
    Mutant(
        "padding stretched with the picture",
        wrapped(
            pictures.semantic_map,
            lambda f: lambda c, m, sizes: f(c, m, replace(sizes, resized=sizes.padded)),
        ),
    ),
    Mutant("extra masks from 0.9", constant(pictures, "EXTRA_PROBABILITY", 0.9)),
    Mutant(
        "no extra mask of vegetation",
        wrapped(
            pictures.semantic_map,
            lambda f: lambda c, m, sizes: f(c, m, sizes, extra_classes=range(2, 8)),
        ),
    ),
    Mutant(
        "no chance for nothing",
        wrapped(
            pictures.semantic_map,
            lambda f: lambda c, m, sizes: f(F.pad(c[:, :-1], (0, 1), value=-torch.inf), m, sizes),
        ),
    ),
)

SCORES = (
    Mutant("align_corners off for text", corners(scores, aligned=False)),
    Mutant(
        "features normalised before text",
        wrapped(
            scores.text_logits,
            lambda f: lambda x, text, size: f(F.normalize(x, dim=1), text, size),
        ),
    ),
    Mutant(
        "a single extra mask rules out anomalies",
        wrapped(scores.mask2anomaly, lambda _: scores.mask2anomaly_corrected),
    ),
    Mutant(
        "the mirrored score stays mirrored",
        wrapped(scores.with_mirrored, lambda _: lambda score, mirrored: (score + mirrored) / 2),
    ),
    Mutant(
        "entropy over the logarithm of 19",
        wrapped(
            scores.entropy_max,
            lambda f: lambda s: f(s) * math.log(s.channels.shape[1]) / math.log(19),
        ),
    ),
    Mutant(
        "alpha for the text",
        wrapped(scores.mmras, lambda f: lambda s, t, *, alpha, w: f(s, t, alpha=1 - alpha, w=w)),
    ),
    Mutant(
        "w for the plain score",
        wrapped(scores.mmras, lambda f: lambda s, t, *, alpha, w: f(s, t, alpha=alpha, w=1 - w)),
    ),
    Mutant("msp without softmax", wrapped(scores.msp, lambda _: scores.maxlogits)),
)

MUTANTS = (*NETWORK, *PICTURES, *SCORES)
