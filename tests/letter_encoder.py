"""A text encoder for tests: every sentence has a direction of its own, drawn from its letters."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

WIDTH = 12


class LetterEncoder:
    """Sentences become random directions, the same for the same sentence."""

    identity = "letters"
    logit_scale = 20.0

    def encode_text(
        self, texts: Sequence[str], *, observe: Callable[[float], None] | None = None
    ) -> Tensor:
        """Return (M, WIDTH)."""
        if observe is not None:
            observe(1.0)
        return torch.stack([_direction(text) for text in texts])


def _direction(text: str) -> Tensor:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
    vector = torch.randn(WIDTH, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(vector, dim=0)
