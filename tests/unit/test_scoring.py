from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor

from mmras_stream.errors import PluginError, SettingsError
from mmras_stream.scoring import published
from mmras_stream.scoring.ensemble import chosen_shares, load_scorer
from mmras_stream.scoring.published import ClassMaps
from mmras_stream.settings import Settings
from mmras_stream.types import (
    ColourMatrix,
    FrameBatch,
    NetworkTraits,
    PixelFormat,
    ScoreMap,
    SegmentationOutput,
)

CLASSES = torch.rand(2, 5, 3, 4, generator=torch.Generator().manual_seed(0))
EXTRAS = torch.rand(2, 2, 3, 4, generator=torch.Generator().manual_seed(1))
TEXT = torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(2))
OUTLIER = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(3))
FEATURES = torch.zeros(2, 1, 3, 4)
NAMES = ("road", "car", "sky", "tree", "person")
PIXELS = NetworkTraits(NAMES, has_outlier_head=True)
MASKS = NetworkTraits(NAMES, predicts_masks=True)
ALL = {
    "msp": published.msp,
    "entropy_max": published.entropy_max,
    "maxlogits": published.maxlogits,
    "energy": published.energy,
    "rba": published.rba,
    "mask2anomaly": published.mask2anomaly,
    "mask2anomaly_corrected": published.mask2anomaly_corrected,
}


def _batch() -> FrameBatch:
    plane = torch.zeros(2, 30, 40, dtype=torch.uint8)
    grey = PixelFormat(ColourMatrix.BT601, full_range=False)
    return FrameBatch((7, 9), (0, 1), Fraction(1, 25), (plane, plane, plane), grey)


def _scores(name: str, traits: NetworkTraits, output: SegmentationOutput) -> list[ScoreMap]:
    scorer = load_scorer(chosen_shares(name, traits), Settings(), traits)
    return [one.scores for one in scorer.score(_batch(), output)]


def _without_second_extra() -> Tensor:
    extras = EXTRAS.clone()
    extras[1, 1] = -torch.inf
    return extras


@pytest.mark.parametrize("name", ALL)
def test_pictures_of_a_batch_with_fewer_extra_masks_are_scored_as_alone(name: str) -> None:
    extras = _without_second_extra()
    together = ALL[name](ClassMaps(CLASSES, extras))
    alone = ALL[name](ClassMaps(CLASSES[1:], extras[1:, :1]))
    torch.testing.assert_close(together[1:], alone)
    bare = ALL[name](ClassMaps(CLASSES, torch.full((2, 1, 3, 4), -torch.inf)))
    torch.testing.assert_close(bare, ALL[name](ClassMaps(CLASSES, CLASSES[:, :0])))


def test_energy_and_rejection_by_all_follow_their_formulas() -> None:
    place = CLASSES[0, :, 1, 2].tolist()
    maps = ClassMaps(CLASSES, CLASSES[:, :0])
    assert published.energy(maps)[0, 1, 2].item() == pytest.approx(
        -math.log(sum(math.exp(x) for x in place)), abs=1e-6
    )
    assert published.rba(maps)[0, 1, 2].item() == pytest.approx(
        -sum(math.tanh(x) for x in place), abs=1e-6
    )


def test_a_single_extra_mask_rules_out_anomalies_only_when_corrected() -> None:
    extras = torch.full((2, 1, 3, 4), 0.9)
    maps = ClassMaps(CLASSES, extras)
    torch.testing.assert_close(published.mask2anomaly(maps), published.maxlogits(maps))
    assert not published.mask2anomaly_corrected(maps).any()


def test_the_ends_of_the_blend_are_the_image_and_the_text() -> None:
    maps = ClassMaps(CLASSES, CLASSES[:, :0])
    image = published.mmras(maps, TEXT, alpha=1, w=0.7)
    torch.testing.assert_close(image, published.maxlogits(maps))
    text = published.mmras(maps, TEXT, alpha=0, w=1)
    torch.testing.assert_close(text, 1 - TEXT.amax(1))


def test_an_ensemble_adds_up_its_members_by_their_shares() -> None:
    output = SegmentationOutput(CLASSES, FEATURES, OUTLIER)
    seen = _scores("outlier=0.95,msp=0.05", PIXELS, output)
    wanted = 0.95 * OUTLIER.sigmoid() + 0.05 * (1 - CLASSES.softmax(1).amax(1))
    np.testing.assert_allclose(np.stack(seen), wanted.numpy(), atol=1e-6)


def test_what_auto_means_depends_on_the_network() -> None:
    assert chosen_shares("auto", PIXELS) == {"pooled": 1.0}
    assert chosen_shares("auto", MASKS) == {"maxlogits": 1.0}


def test_maps_carry_the_index_and_size_of_their_frames() -> None:
    scorer = load_scorer({"msp": 1.0}, Settings(), PIXELS)
    maps = scorer.score(_batch(), SegmentationOutput(CLASSES, FEATURES))
    assert [m.frame_index for m in maps] == [7, 9]
    assert {(m.frame_height, m.frame_width) for m in maps} == {(30, 40)}
    assert maps[0].scores.dtype == np.float32
    assert maps[0].pixels_per_cell == 30 * 40 / 12


@pytest.mark.parametrize(
    ("score", "message"),
    [
        ("msp,msp", "names one twice"),
        ("msp,", "names nothing"),
        ("msp=0", "add up to 0"),
        ("msp=-1", "'-1' in the score 'msp=-1' is no share"),
        ("msp=much", "'much' in the score 'msp=much' is no share"),
        ("msp=nan", "'nan' in the score 'msp=nan' is no share"),
        ("outlier", "needs a network with an outlier head"),
    ],
)
def test_scores_that_make_no_sense_are_refused(score: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        _scores(score, MASKS, SegmentationOutput(CLASSES, FEATURES))


@pytest.mark.parametrize("score", ["rba", "mask2anomaly", "mask2anomaly_corrected"])
def test_scores_of_masks_want_masks(score: str) -> None:
    with pytest.raises(SettingsError, match=f"'{score}' needs a network that predicts masks"):
        _scores(score, PIXELS, SegmentationOutput(CLASSES, FEATURES))


def test_an_unknown_score_gets_a_guess() -> None:
    with pytest.raises(PluginError, match="no scorer plugin called 'enrgy'; did you mean 'energy'"):
        _scores("enrgy", MASKS, SegmentationOutput(CLASSES, FEATURES))
