"""What the things of a drive are called, and which of them are ordinary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from mmras_stream.inference.sight import ClipSight, FeatureSight, Sight
from mmras_stream.inference.text import chosen_branch, embedded, encoder_of
from mmras_stream.models.naming import looks_known, nearest
from mmras_stream.models.text import TextEmbeddings
from mmras_stream.models.vocabulary import Vocabulary, load_vocabulary
from mmras_stream.protocols import Namer
from mmras_stream.settings import Settings
from mmras_stream.types import Frame, Guess, NetworkTraits, Proposal, TextSpace

BETTER = 1.2
"""A thing is looked at again when its region is this many times as large, in either direction, as
at its best look: CLIP costs as much as many frames of the network."""

GUESSES = 5
"""Words for each thing."""

FORGET_SECONDS = 5.0
"""A thing unseen for this long is looked at anew when it returns."""


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """What a namer chooses from; serves all drives."""

    sight: Sight
    obstacles: TextEmbeddings
    guesses: int
    """Words that a thing is given; 0 gives none."""
    known: TextEmbeddings | None = None
    """Words for the ordinary; None suppresses nothing."""
    suppress_above: float = 1.0
    """Confidence, 0..1."""


@dataclass(slots=True)
class _Thing:
    """What is known of one thing."""

    total: Tensor
    """(D,): the sum of what its looks gave, each times the size at which it was seen."""
    best_size: float = 0.0
    """Square root of the area, in pixels of the frame."""
    last_seconds: float = 0.0
    guesses: tuple[Guess, ...] = ()
    looks_known: Guess | None = None


class ThingNamer:
    """Looks at things and asks which words lie nearest.

    A thing is looked at when it is first proposed and whenever it has grown by a fifth, so that
    one that is approached from afar is looked at some twenty times, whatever the frame rate. Its
    looks are averaged, the larger ones counting for more. What they gave stays with the thing.
    """

    def __init__(self, words: Words) -> None:
        self._words = words
        self._things: dict[int, _Thing] = {}

    def describe(
        self, frame: Frame, proposals: Sequence[Proposal], features: Tensor
    ) -> tuple[Proposal, ...]:
        """Return the proposals with guesses, and with `looks_known` where they look ordinary."""
        self._look(frame, [p for p in proposals if self._is_worth_a_look(p)], features)
        described = tuple(self._described(p, frame.seconds) for p in proposals)
        self._things = {
            track_id: thing
            for track_id, thing in self._things.items()
            if frame.seconds - thing.last_seconds <= FORGET_SECONDS
        }
        return described

    def _is_worth_a_look(self, proposal: Proposal) -> bool:
        thing = self._things.get(_track_id(proposal))
        return thing is None or _size(proposal) >= BETTER * thing.best_size

    def _look(self, frame: Frame, proposals: Sequence[Proposal], features: Tensor) -> None:
        if not proposals:
            return
        embeddings = self._words.sight.look(frame, features, proposals)
        for proposal, embedding in zip(proposals, embeddings, strict=True):
            size = _size(proposal)
            thing = self._things.setdefault(
                _track_id(proposal), _Thing(torch.zeros_like(embedding))
            )
            thing.total = thing.total + size * embedding
            thing.best_size = size
            self._recognise(thing)

    def _recognise(self, thing: _Thing) -> None:
        words = self._words
        if words.guesses:
            (guesses,) = nearest(thing.total[None], words.obstacles, top=words.guesses)
            thing.guesses = tuple(guesses)
        if words.known is not None:
            thing.looks_known = looks_known(
                thing.total, words.known, words.obstacles, threshold=words.suppress_above
            )

    def _described(self, proposal: Proposal, now: float) -> Proposal:
        thing = self._things[_track_id(proposal)]
        thing.last_seconds = now
        return replace(proposal, guesses=thing.guesses, looks_known=thing.looks_known)


def load_namers(settings: Settings, traits: NetworkTraits) -> Callable[[], Namer] | None:
    """Return what makes a namer for each drive, or None where none is asked for.

    Raises:
        SettingsError: a vocabulary cannot be read.
        PluginError: CLIP or the text encoder of the weights needs a package that is missing.
        CheckpointError: their weights are damaged, or cannot be had.
    """
    text = settings.text
    if not text.name_things and text.suppress_known is None:
        return None
    obstacles, known = load_vocabulary(text.obstacles), None
    if text.suppress_known is not None:
        known = load_vocabulary(text.known)
    sight, embed = _sight(settings, traits)
    words = Words(
        sight,
        embed(obstacles),
        guesses=GUESSES if text.name_things else 0,
        known=None if known is None else embed(known),
        suppress_above=text.suppress_known or 0.0,
    )
    return partial(ThingNamer, words)


def _sight(
    settings: Settings, traits: NetworkTraits
) -> tuple[Sight, Callable[[Vocabulary], TextEmbeddings]]:
    branch = chosen_branch(settings, traits)
    if isinstance(branch, TextSpace):
        encoder, scale = encoder_of(branch), branch.logit_scale
        return FeatureSight(branch), lambda words: replace(
            embedded(words, encoder, settings.text), logit_scale=scale
        )
    branch.image_size  # noqa: B018 - loads the network now, so that bad weights are told before a run
    return ClipSight(branch), lambda words: embedded(words, branch, settings.text)


def _track_id(proposal: Proposal) -> int:
    assert proposal.track_id is not None
    return proposal.track_id


def _size(proposal: Proposal) -> float:
    return float(proposal.area**0.5)
