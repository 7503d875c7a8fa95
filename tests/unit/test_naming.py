from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from mmras_stream.models.naming import crops, looks_known, nearest
from mmras_stream.models.text import TextEmbeddings
from mmras_stream.types import Guess


def text(words: str, vectors: list[list[float]], *, space: str = "one") -> TextEmbeddings:
    units = torch.nn.functional.normalize(torch.tensor(vectors, dtype=torch.float32), dim=1)
    return TextEmbeddings(tuple(words.split()), units, "identity", space, 10.0)


INLIERS = text("car truck", [[1, 0, 0], [0.98, 0.2, 0]])
OUTLIERS = text("cow sofa", [[0, 1, 0], [0, 0, 1]])


def test_regions_are_named_by_the_softmax_over_all_words() -> None:
    words = text("cow dog sofa", [[1, 0, 0], [0.9, 0.4, 0], [0, 0, 1]])
    regions = torch.tensor([[2.0, 1.0, 0.0], [0.0, 0.1, 5.0]])
    for region, guesses in zip(regions, nearest(regions, words, top=3), strict=True):
        unit = (region / region.norm()).tolist()
        logits = {
            word: 10 * sum(a * b for a, b in zip(unit, vector.tolist(), strict=True))
            for word, vector in zip(words.words, words.vectors, strict=True)
        }
        total = sum(math.exp(value) for value in logits.values())
        expected = sorted(((math.exp(v) / total, w) for w, v in logits.items()), reverse=True)
        assert [guess.word for guess in guesses] == [word for _, word in expected]
        assert [g.confidence for g in guesses] == pytest.approx([p for p, _ in expected], rel=1e-5)


def test_there_are_as_many_names_as_asked_for_or_as_there_are_words() -> None:
    words = text("a b c d e f", torch.eye(6).tolist())
    assert [len(guesses) for guesses in nearest(torch.randn(2, 6), words)] == [5, 5]
    assert len(nearest(torch.randn(1, 6), words, top=9)[0]) == 6
    assert nearest(torch.randn(0, 6), words) == []


def test_a_larger_scale_is_surer() -> None:
    words = text("a b", [[1, 0], [0, 1]])
    region = torch.tensor([[1.0, 0.9]])
    unsure, sure = (nearest(region, words, logit_scale=scale)[0][0] for scale in (1, 100))
    assert unsure.word == sure.word == "a"
    assert unsure.confidence < 0.55 < 0.99 < sure.confidence


def test_what_may_be_either_of_two_ordinary_things_looks_known() -> None:
    van = torch.tensor([1.0, 0.1, 0.0])
    apart = nearest(van[None], text("car truck cow sofa", joined()), top=1)[0][0]
    assert apart.confidence < 0.85
    guess = looks_known(van, INLIERS, OUTLIERS)
    assert guess is not None
    assert guess.word == apart.word
    assert guess.confidence > 0.99


def joined() -> list[list[float]]:
    return torch.cat([INLIERS.vectors, OUTLIERS.vectors]).tolist()


@pytest.mark.parametrize("place", [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.6, 0.6, 0.0]])
def test_what_may_be_an_obstacle_does_not_look_known(place: list[float]) -> None:
    assert looks_known(torch.tensor(place), INLIERS, OUTLIERS) is None


def test_the_threshold_must_be_passed() -> None:
    van = torch.tensor([1.0, 0.1, 0.0])
    guess = looks_known(van, INLIERS, OUTLIERS, threshold=0)
    assert guess is not None
    assert looks_known(van, INLIERS, OUTLIERS, threshold=guess.confidence) is None
    assert looks_known(van, INLIERS, OUTLIERS, threshold=guess.confidence - 1e-6) == guess


def test_more_words_for_obstacles_never_suppress_more() -> None:
    van = torch.tensor([1.0, 0.3, 0.2])
    few = looks_known(van, INLIERS, OUTLIERS, threshold=0)
    more = text("cow sofa van", [*OUTLIERS.vectors.tolist(), [0.9, 0.3, 0.2]])
    many = looks_known(van, INLIERS, more, threshold=0)
    assert few is not None
    assert many is not None
    assert many.confidence < few.confidence


def test_a_word_in_both_lists_is_not_known() -> None:
    same = torch.tensor([1.0, 0.0, 0.0])
    assert looks_known(same, text("car", [[1, 0, 0]]), text("car", [[1, 0, 0]])) is None


def test_words_of_different_models_are_not_compared() -> None:
    other = text("cow", [[0, 1, 0]], space="two")
    with pytest.raises(ValueError, match="different text encoders"):
        looks_known(torch.randn(3), INLIERS, other)


def test_guesses_are_equal_by_value() -> None:
    assert Guess("cow", 0.5) == Guess("cow", 0.5)


def picture() -> Tensor:
    """Rows in the first channel, columns in the second."""
    rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(60.0), indexing="ij")
    return torch.stack([rows, columns, rows])


def test_a_box_is_cut_as_a_square_with_a_margin() -> None:
    # 8 wide: 2 more on each side make 12, centred on the box
    got = crops(picture(), [(20, 10, 8, 4)], (12, 12))
    np.testing.assert_allclose(got[0, 0, :, 0].numpy(), np.arange(6, 18), atol=1e-4)
    np.testing.assert_allclose(got[0, 1, 0].numpy(), np.arange(18, 30), atol=1e-4)


def test_a_square_over_the_edge_is_moved_inside() -> None:
    got = crops(picture(), [(0, 36, 4, 4), (56, 0, 4, 4)], (6, 6))
    np.testing.assert_allclose(got[0, 0, :, 0].numpy(), np.arange(34, 40), atol=1e-4)
    np.testing.assert_allclose(got[0, 1, 0].numpy(), np.arange(6), atol=1e-4)
    np.testing.assert_allclose(got[1, 1, 0].numpy(), np.arange(54, 60), atol=1e-4)


def test_a_square_larger_than_the_picture_repeats_its_edge() -> None:
    got = crops(picture(), [(10, 0, 40, 40)], (60, 60))
    rows = np.clip(np.arange(-10, 50), 0, 39)
    np.testing.assert_allclose(got[0, 0, :, 0].numpy(), rows, atol=1e-4)


def test_crops_have_the_size_asked_for() -> None:
    assert crops(picture(), [(1, 1, 1, 1), (0, 0, 60, 40)], (32, 24)).shape == (2, 3, 32, 24)
    assert crops(picture(), [], (32, 24)).shape == (0, 3, 32, 24)
