"""Single parts of the network against the original's."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from golden.comparison import Finding, close
from golden.data import uniform
from golden.det_weights import CPU, det_tensor
from mmras_stream.models.deformable_attention import DeformableAttention, reference_points
from mmras_stream.models.masked_decoder import GlobalCrossAttention, Memory
from mmras_stream.models.positions import sine_positions

SIZES = [(3, 5), (6, 9), (11, 17)]
EXACT = 2e-6


def parts() -> Iterator[Finding]:
    """Compare all of them."""
    yield positions()
    yield references()
    yield deformable_attention()
    yield global_mask_attention()


def positions() -> Finding:
    """Compare sines and cosines."""
    seen = sine_positions(5, 7, channels=256, device=CPU).T.reshape(256, 5, 7)
    return close("unit/posenc_5x7", seen, largest=EXACT)


def references() -> Finding:
    """Compare where tokens stand."""
    return close("unit/refpoints", reference_points(SIZES, device=CPU), largest=EXACT)


@torch.inference_mode()
def deformable_attention() -> Finding:
    """Compare places that are sampled and how."""
    attention = DeformableAttention(256, levels=3, heads=8, points=4)
    _fill(attention, "unit.msda.")
    attention.sampling_offsets.weight *= 4  # far enough to leave the maps
    queries, values = uniform(701, (1, 256, 256), -1, 1), uniform(702, (1, 256, 256), -1, 1)
    seen = attention(queries, reference_points(SIZES, device=CPU), values, SIZES)
    return close("unit/msda_out_every8th_channel", seen[0][:, ::8], largest=EXACT)


@torch.inference_mode()
def global_mask_attention() -> Finding:
    """Compare what is seen inside and outside of masks."""
    attention = GlobalCrossAttention(256, heads=8, queries=100)
    _fill(attention, "unit.gma.")
    queries, query_positions = (uniform(seed, (1, 100, 256), -1, 1) for seed in (703, 706))
    values, positions = (uniform(seed, (1, 15, 256), -1, 1) for seed in (704, 705))
    masks = uniform(707, (1, 100, 15), -1, 1)
    masks[0, 3:6] = torch.tensor([1.0, -1.0, 0.0])[:, None]  # all inside, all outside, on the edge
    memory = Memory(values, values + positions, mask_features=torch.empty(0))
    seen = attention(queries, query_positions, memory, masks)
    return close("unit/gma_out_every4th_channel", seen[0][:, ::4], largest=EXACT)


def _fill(module: torch.nn.Module, prefix: str) -> None:
    state = module.state_dict()
    module.load_state_dict({k: det_tensor(prefix + k, v.shape) for k, v in state.items()})
