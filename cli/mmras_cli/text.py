"""`mmras-stream text`: how near words lie to one another for a text encoder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmras_cli.console import AsJson, Quiet, print_json, reported

if TYPE_CHECKING:
    from mmras_stream.models.text import TextEmbeddings
    from mmras_stream.models.vocabulary import Vocabulary

EXAMPLE = """
Example: mmras-stream text stroller "lost tyre" --classes cityscapes

Without words, those of --classes are compared with one another, or with those of --against.
A vocabulary is cityscapes, obstacles or a file: a word to a line, or `word: phrase, phrase`.
"""


@reported
def text(
    words: Annotated[list[str] | None, typer.Argument(help="Words to look up.")] = None,
    *,
    classes: Annotated[
        str, typer.Option(help="Vocabulary: cityscapes, obstacles or a file.")
    ] = "cityscapes",
    against: Annotated[
        str | None, typer.Option(help="Vocabulary to compare with, in place of --classes.")
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            help="minilm, or one of open_clip: such as RN50:openai, or a folder with its files."
        ),
    ] = "RN50",
    pretrained: Annotated[
        str | None, typer.Option(help="Tag of open_clip, or a weights file, for --model.")
    ] = None,
    templates: Annotated[
        Path | None, typer.Option(help="Text file with lines such as 'a photo of a {}.'")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Nearest words to show for each.")] = 5,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the vectors, as .safetensors.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Embed words and show which words of a vocabulary lie nearest."""
    from mmras_stream.models.text import TEMPLATES, load_templates, save_embeddings

    left, right = _vocabularies(words or [], classes, against)
    ways = TEMPLATES if templates is None else load_templates(templates)
    name = model if pretrained is None else f"{model}:{pretrained}"
    rows, columns = _embed(left, right, name, ways, quiet=quiet or as_json)
    if out is not None:
        save_embeddings(out, rows)
    found = _nearest(rows, columns, top)
    if as_json:
        nearest = [
            {"word": word, "nearest": [{"word": w, "cosine": c} for w, c in near]}
            for word, near in found
        ]
        print_json({"model": name, "identity": rows.identity, "words": nearest})
    elif not quiet:
        _print_table(found)


def _vocabularies(
    words: list[str], classes: str, against: str | None
) -> tuple[Vocabulary, Vocabulary]:
    from mmras_stream.models.vocabulary import load_vocabulary, make_vocabulary

    known = load_vocabulary(against or classes)
    if words:
        return make_vocabulary(((word, ()) for word in words), source="the command line"), known
    return load_vocabulary(classes), known


def _embed(
    left: Vocabulary, right: Vocabulary, model: str, templates: tuple[str, ...], *, quiet: bool
) -> tuple[TextEmbeddings, TextEmbeddings]:
    from mmras_cli.progress import plain_progress
    from mmras_stream.models.encoders import load_encoder
    from mmras_stream.models.text import embed_words

    encoder = load_encoder(model)
    with plain_progress("embedding words", quiet=quiet) as show:

        def embed(words: Vocabulary) -> TextEmbeddings:
            return embed_words(
                words,
                encoder,
                templates=templates,
                observe=lambda share: show(share, f"of {len(words)} words"),
            )

        rows = embed(left)
        return rows, rows if left == right else embed(right)


def _nearest(
    rows: TextEmbeddings, columns: TextEmbeddings, top: int
) -> list[tuple[str, list[tuple[str, float]]]]:
    """Return for each word the nearest others with their cosines; never the word itself."""
    cosines = (rows.vectors @ columns.vectors.T).tolist()
    found = []
    for word, values in zip(rows.words, cosines, strict=True):
        others = [(w, c) for w, c in zip(columns.words, values, strict=True) if w != word]
        found.append((word, sorted(others, key=lambda pair: -pair[1])[:top]))
    return found


def _print_table(found: list[tuple[str, list[tuple[str, float]]]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("word", "nearest, by cosine")
    for word, near in found:
        table.add_row(Text(word), Text("  ".join(f"{w} {c:.3f}" for w, c in near)))
    Console().print(table)
