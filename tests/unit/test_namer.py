from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mmras_stream.inference.naming import ThingNamer, Words, load_namers
from mmras_stream.inference.sight import ClipSight, FeatureSight
from mmras_stream.models.clip import Clip
from mmras_stream.models.clip_source import ClipSource
from mmras_stream.models.text import TextEmbeddings
from mmras_stream.regions.rle import encode
from mmras_stream.settings import Settings, TextSettings
from mmras_stream.types import ColourMatrix, Frame, NetworkTraits, PixelFormat, Proposal, TextSpace

MEAN, STD = (0.2, 0.2, 0.2), (0.5, 0.5, 0.5)
RED, GREEN, BLUE = (255, 51, 51), (51, 255, 51), (51, 51, 255)
"""After normalisation the channels are 1.6 and 0."""


class FakeClip(Clip):
    """Sees nothing but the mean colour, and remembers how many pictures it was shown at once."""

    image_size = (8, 8)

    def __init__(self) -> None:
        source = ClipSource("fake", "fake", Path(), False, MEAN, STD, "one")  # noqa: FBT003 - an activation
        super().__init__(source, device=torch.device("cpu"), precision=torch.float32)
        self.shown: list[int] = []

    def encode_image(self, pixels: Tensor) -> Tensor:
        assert pixels.shape[1:] == (3, 8, 8)
        self.shown.append(len(pixels))
        return torch.nn.functional.normalize(pixels.mean((2, 3)), dim=1)


def text(words: str, vectors: list[list[float]]) -> TextEmbeddings:
    units = torch.nn.functional.normalize(torch.tensor(vectors), dim=1)
    return TextEmbeddings(tuple(words.split()), units, "identity", "one", 20.0)


OBSTACLES = text("cow sofa", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
KNOWN = text("sky", [[0.0, 0.0, 1.0]])
FEATURES = torch.zeros(1, 1, 1)


@pytest.fixture
def clip() -> FakeClip:
    return FakeClip()


def frame(seconds: float, *colours: tuple[int, int, int]) -> Frame:
    """Return a picture with a column of 40 pixels in each colour."""
    picture = torch.tensor(colours, dtype=torch.uint8).T[:, None].repeat_interleave(40, 2)
    planes = picture.expand(3, 40, -1).contiguous()
    rgb = PixelFormat(ColourMatrix.RGB, full_range=True)
    pts = round(100 * seconds)
    return Frame(pts, pts, Fraction(1, 100), (planes[0], planes[1], planes[2]), rgb)


def thing(track_id: int, *, column: int = 0, size: int = 10) -> Proposal:
    """Return a square in the middle of a column of `frame`."""
    first = 20 - size // 2
    mask = torch.zeros(40, 400, dtype=torch.bool)
    left = 40 * column + first
    mask[first : first + size, left : left + size] = True
    box = (left, first, size, size)
    return Proposal(0, 0, box, size * size, encode(mask.numpy()), 0.9, track_id)


def describe(
    namer: ThingNamer, shown: Frame, proposals: list[Proposal], features: Tensor = FEATURES
) -> tuple[Proposal, ...]:
    return namer.describe(shown, proposals, features)


def words_of(proposals: tuple[Proposal, ...]) -> list[list[str]]:
    return [[guess.word for guess in proposal.guesses] for proposal in proposals]


def test_each_thing_gets_the_words_it_looks_most_like(clip: FakeClip) -> None:
    namer = ThingNamer(Words(ClipSight(clip), replace(OBSTACLES, logit_scale=2.0), guesses=2))
    seen = describe(namer, frame(0, RED, GREEN), [thing(1), thing(2, column=1)])
    assert words_of(seen) == [["cow", "sofa"], ["sofa", "cow"]]
    assert seen[0].guesses[0].confidence == pytest.approx(1 / (1 + torch.e**-2), abs=1e-5)
    assert [proposal.track_id for proposal in seen] == [1, 2]
    assert not any(proposal.is_suppressed for proposal in seen)


def test_a_thing_is_looked_at_again_only_when_it_has_grown(clip: FakeClip) -> None:
    namer = ThingNamer(Words(ClipSight(clip), OBSTACLES, guesses=1))
    for number, size in enumerate((10, 10, 11, 12, 13, 14, 15, 16)):
        (seen,) = describe(namer, frame(0.1 * number, RED), [thing(1, size=size)])
        assert seen.guesses[0].word == "cow"
    assert clip.shown == [1, 1, 1]  # at 10, 12 and 15


@pytest.mark.parametrize(
    ("looks", "word"),
    [
        ([(RED, 10), (GREEN, 16)], "sofa"),
        ([(RED, 10), (RED, 20), (GREEN, 24)], "cow"),
        ([(RED, 6), (RED, 8), (GREEN, 24)], "sofa"),
    ],
)
def test_looks_are_averaged_and_larger_ones_count_for_more(
    clip: FakeClip, looks: list[tuple[tuple[int, int, int], int]], word: str
) -> None:
    namer = ThingNamer(Words(ClipSight(clip), OBSTACLES, guesses=1))
    for seconds, (colour, size) in enumerate(looks):
        (seen,) = describe(namer, frame(seconds, colour), [thing(1, size=size)])
    assert seen.guesses[0].word == word


def test_a_thing_unseen_for_long_is_forgotten(clip: FakeClip) -> None:
    namer = ThingNamer(Words(ClipSight(clip), OBSTACLES, guesses=1))
    describe(namer, frame(0, RED), [thing(1, size=24)])
    (soon,) = describe(namer, frame(4, GREEN), [thing(1)])
    describe(namer, frame(10, GREEN), [])
    (late,) = describe(namer, frame(11, GREEN), [thing(1)])
    assert [soon.guesses[0].word, late.guesses[0].word] == ["cow", "sofa"]


def test_what_looks_ordinary_says_so_and_nothing_else_does(clip: FakeClip) -> None:
    words = Words(ClipSight(clip), OBSTACLES, guesses=0, known=KNOWN, suppress_above=0.85)
    seen = describe(ThingNamer(words), frame(0, BLUE, GREEN), [thing(1), thing(2, column=1)])
    assert [proposal.guesses for proposal in seen] == [(), ()]
    known = seen[0].looks_known
    assert known is not None
    assert known.word == "sky"
    assert known.confidence == pytest.approx(1.0, abs=1e-6)
    assert [proposal.is_suppressed for proposal in seen] == [True, False]


def test_a_thing_may_cease_to_look_ordinary(clip: FakeClip) -> None:
    words = Words(ClipSight(clip), OBSTACLES, guesses=1, known=KNOWN, suppress_above=0.85)
    namer = ThingNamer(words)
    (far,) = describe(namer, frame(0, BLUE), [thing(1, size=6)])
    (near,) = describe(namer, frame(1, RED), [thing(1, size=24)])
    assert (far.is_suppressed, near.is_suppressed) == (True, False)


def test_many_things_are_looked_at_a_few_at_a_time(clip: FakeClip) -> None:
    colours = [RED, GREEN, BLUE] * 3
    crowd = [thing(10 * c + n, column=c, size=6) for c in range(9) for n in range(4)]
    namer = ThingNamer(
        Words(ClipSight(clip), OBSTACLES, guesses=1, known=KNOWN, suppress_above=0.5)
    )
    seen = describe(namer, frame(0, *colours), crowd)
    assert clip.shown == [16, 16, 4]
    for proposal, wanted in zip(seen, crowd, strict=True):
        assert proposal.track_id == wanted.track_id
        column = (wanted.track_id or 0) // 10
        assert proposal.is_suppressed == (column % 3 == 2)
        if column % 3 != 2:
            assert proposal.guesses[0].word == ("cow", "sofa")[column % 3]


def test_a_frame_without_proposals_is_not_looked_at(clip: FakeClip) -> None:
    assert (
        describe(ThingNamer(Words(ClipSight(clip), OBSTACLES, guesses=1)), frame(0, RED), []) == ()
    )
    assert clip.shown == []


def test_nothing_is_loaded_where_no_names_are_asked_for() -> None:
    absent = TextSettings(clip="no such model", obstacles="no such file")
    assert load_namers(Settings(text=absent), NetworkTraits(())) is None
    for asked in (replace(absent, name_things=True), replace(absent, suppress_known=0.0)):
        with pytest.raises(Exception, match="no file no such file"):
            load_namers(Settings(text=asked), NetworkTraits(()))


def test_what_the_network_saw_in_the_mask_of_a_thing_names_it_too() -> None:
    features = torch.zeros(2, 10, 100)
    features[0, :, :50], features[1, :, 50:] = 3.0, 0.1  # how strong a feature is does not matter
    projection = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    space = TextSpace("fake", "one", projection, torch.eye(3), 20.0)
    namer = ThingNamer(Words(FeatureSight(space), OBSTACLES, guesses=1))
    seen = describe(
        namer, frame(0, *[RED] * 10), [thing(1, column=1), thing(2, column=8)], features
    )
    assert words_of(seen) == [["cow"], ["sofa"]]
