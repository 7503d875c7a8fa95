"""What a network is taught about words: a projection of its features into a text space."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from mmras_stream.models.checkpoint import TextCard
from mmras_stream.models.compact import CompactNetwork
from mmras_stream.models.encoders import load_encoder
from mmras_stream.models.text import TEMPLATES, embed_words
from mmras_stream.models.vocabulary import make_vocabulary
from mmras_stream.training.losses import text_loss
from mmras_stream.training.recipe import Recipe

STRANGE = "what is pasted"


class WordLesson:
    """Words for the classes of a recipe, and for its strange things where it has any.

    Raises:
        PluginError: the text encoder needs a package that is missing.
        SettingsError: a word is empty, too long or not printable.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._groups = recipe.group_numbers
        how = recipe.text
        encoder = load_encoder(how.encoder)
        said = {name: tuple(how.words.get(name, (name,))) for name in recipe.classes}
        taught = said | ({STRANGE: how.strange} if how.strange else {})
        vocabulary = make_vocabulary(taught.items(), source="[text.words] of the recipe")
        self._vectors = embed_words(vocabulary, encoder).vectors
        self.card = TextCard(how.encoder, encoder.identity, how.logit_scale, said, TEMPLATES)

    def fitted(self, network: CompactNetwork) -> CompactNetwork:
        """Return a network with these class vectors, and a projection: its own or a new one."""
        count, width = len(network.config.classes), self._vectors.shape[1]
        if network.config.text_width != width:
            wider = CompactNetwork(replace(network.config, text_width=width))
            known = network.state_dict()
            new = wider.state_dict()
            kept = {n: known[n] for n in new if not n.startswith("text_head.")}
            wider.load_state_dict(new | kept)
            network = wider
        assert network.text_head is not None
        network.text_head.class_vectors.copy_(self._vectors[:count])
        return network

    def loss(
        self, network: CompactNetwork, features: Tensor, classes: Tensor, outliers: Tensor
    ) -> Tensor:
        """Return `text_loss` of dense features, which are not learnt."""
        head = network.text_head
        assert head is not None
        embeddings = head(features.detach().float())
        vectors = self._vectors.to(embeddings.device)
        cosines = torch.einsum("nchw,kc->nkhw", embeddings, vectors)
        logits = self.card.logit_scale * cosines
        ordinary, strange = torch.tensor_split(logits, [len(head.class_vectors)], 1)
        return text_loss(ordinary, strange, classes, outliers, self._groups)
