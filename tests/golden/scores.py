"""The scores of predictions and pictures against the original's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from golden.comparison import ELSEWHERE, FLOAT64, LARGEST, MEAN, Finding, close, rarely_apart
from golden.data import clip_text, meta, text, uniform
from golden.runs import LARGE, Pass
from mmras_stream.scoring import published
from mmras_stream.scoring.published import ClassMaps

CLASSES = 19
SEEDS = {0: 500, 1: 510, 3: 530}
"""Of the synthetic predictions, by the number of their extra masks."""

EXACT = 5e-6
"""Of synthetic predictions, which no network made."""

Text = Literal["rand", "clip"]


@dataclass(frozen=True, slots=True)
class Blend:
    """Settings of one golden of the `mmras` score."""

    text: Text
    alpha: float = 0.99
    w: float = 0.7


PLAIN = ("msp", "entropy_max", "maxlogits", "mask2anomaly")
RAND = {"mmras_rand": Blend("rand"), "mmras_no_text": Blend("rand", alpha=1)}
CLIP = {
    "mmras_clip": Blend("clip"),
    "mmras_clip_a0.7_w0.9_fslf": Blend("clip", 0.7, 0.9),
    "mmras_clip_a0.9999999_w0.7_smiyc": Blend("clip", 0.9999999),
    "mmras_clip_a0.98_w0.7_fsstatic": Blend("clip", 0.98),
    "mmras_clip_no_ws": Blend("clip", w=1),
}
BLENDS = RAND | CLIP


def synthetic(name: str, extras: int) -> Finding:
    """Compare a score of predictions that no network made."""
    seed = SEEDS[extras]
    plain, mirrored = (_score(name, *_predictions(first, extras)) for first in (seed, seed + 3))
    seen = published.with_mirrored(plain, mirrored)
    return close(f"unit/score/k{extras}/{name}", seen, largest=EXACT)


def of_picture(name: str, run: str, plain: Pass, mirrored: Pass) -> Finding:
    """Compare a score of a picture and its mirror image, in float32."""
    golden, seen = f"{run}/score_{name}", _thin(run, whole(name, plain, mirrored))
    if name == "mask2anomaly":
        return rarely_apart(golden, seen, by=LARGEST, places=ELSEWHERE * seen.numel())
    return close(golden, seen, largest=LARGEST, mean=MEAN)


def of_picture_in_float64(name: str, run: str, plain: Pass, mirrored: Pass) -> Finding:
    """Compare a score of a picture and its mirror image, in float64."""
    seen = _thin(run, whole(name, plain, mirrored))
    return close(f"f64/{run}/score_{name}", seen, largest=FLOAT64)


def text_logits(embeddings: Text, run: str, plain: Pass) -> Finding:
    """Compare what features and text have in common."""
    stride = 16 if run in LARGE else 8
    products = published.text_logits(plain.features[None], _text(embeddings), plain.sizes.original)
    seen = products[0, :, stride // 2 :: stride, stride // 2 :: stride]
    return close(f"{run}/text_logits_{embeddings}_slice", seen, largest=2e-5)


def whole(name: str, plain: Pass, mirrored: Pass) -> Tensor:
    """Return a score at every place of a picture, (height, width)."""
    both = (_score(name, one.class_map, one.features) for one in (plain, mirrored))
    return published.with_mirrored(*both)


def synthetic_scores() -> Iterator[Finding]:
    """Compare all scores of predictions that need nothing but this folder."""
    for extras in SEEDS:
        for name in (*PLAIN, "mmras_rand"):
            yield synthetic(name, extras)


def _score(name: str, class_map: Tensor, features: Tensor) -> Tensor:
    maps = ClassMaps(class_map[None, :CLASSES], class_map[None, CLASSES:])
    if name in BLENDS:
        blend = BLENDS[name]
        embeddings = _text(blend.text).to(class_map.dtype)
        size = (class_map.shape[-2], class_map.shape[-1])
        t = published.text_logits(features[None], embeddings, size)
        return published.mmras(maps, t, alpha=blend.alpha, w=blend.w)[0]
    plain = {
        "msp": published.msp,
        "entropy_max": published.entropy_max,
        "maxlogits": published.maxlogits,
        "mask2anomaly": published.mask2anomaly,
    }
    return plain[name](maps)[0]


def _text(embeddings: Text) -> Tensor:
    return clip_text() if embeddings == "clip" else text()


def _predictions(seed: int, extras: int) -> tuple[Tensor, Tensor]:
    u = uniform(seed, (CLASSES, 24, 40))
    v = u * u
    masks = uniform(seed + 1, (extras, 24, 40))
    return torch.cat([v * v * float(np.float32(1.05)), masks]), 2 * uniform(seed + 2, (1024, 3, 5))


def _thin(run: str, score: Tensor) -> Tensor:
    stride = meta()["runs"][run]["score_stride"]
    return score[stride // 2 :: stride, stride // 2 :: stride]
