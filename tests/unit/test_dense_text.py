from __future__ import annotations

import numpy as np
import torch

from mmras_stream.models.dense_text import region_embeddings, word_cosines

SEED = torch.Generator().manual_seed(0)
FEATURES = torch.randn(2, 6, 4, 5, generator=SEED)
PROJECTION = torch.randn(11, 6, generator=SEED)
WORDS = torch.nn.functional.normalize(torch.randn(3, 11, generator=SEED), dim=1)


def test_cosines_are_those_of_embeddings_made_place_by_place() -> None:
    seen = word_cosines(FEATURES, PROJECTION, WORDS)
    for n, y, x in np.ndindex(2, 4, 5):
        embedding = PROJECTION.double() @ FEATURES[n, :, y, x].double()
        for k, word in enumerate(WORDS.double()):
            wanted = embedding @ word / embedding.norm() / word.norm()
            torch.testing.assert_close(seen[n, k, y, x].double(), wanted, atol=1e-5, rtol=1e-5)


def test_features_in_half_precision_are_compared_in_full() -> None:
    rough = word_cosines(FEATURES.bfloat16(), PROJECTION, WORDS)
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, word_cosines(FEATURES, PROJECTION, WORDS), atol=0.03, rtol=0)


def test_a_place_without_features_is_as_far_from_every_word() -> None:
    assert (word_cosines(torch.zeros(1, 6, 2, 2), PROJECTION, WORDS) == 0).all()


def test_a_region_is_the_mean_of_the_embeddings_its_mask_covers() -> None:
    masks = torch.zeros(2, 8, 10, dtype=torch.bool)  # two pixels to a place
    masks[0, 2:4, 4:8] = True
    masks[1, 0, 0] = masks[1, 7, 6:8] = True
    seen = region_embeddings(FEATURES[0], PROJECTION, masks)
    shares = ({(1, 2): 1.0, (1, 3): 1.0}, {(0, 0): 1.0, (3, 3): 2.0})
    for one, places in zip(seen, shares, strict=True):
        total = sum(
            share * (PROJECTION.double() @ FEATURES[0, :, y, x].double())
            for (y, x), share in places.items()
        )
        assert isinstance(total, torch.Tensor)
        torch.testing.assert_close(one.double(), total / total.norm(), atol=1e-5, rtol=1e-5)
