"""The words that text is made from: classes that are known, things that should not be there."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path

from mmras_stream.errors import SettingsError
from mmras_stream.models.mmras import CITYSCAPES

BUILT_IN = ("cityscapes", "obstacles")
MOST_WORDS = 2000
LONGEST_WORD = 80
"""Characters; the text towers of CLIP read 77 tokens."""
LARGEST_FILE = 4 << 20
"""Bytes; anything above is no list of words."""

_COMMENT = re.compile(r"(^|\s)#.*")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Words, and for each the phrases that are said to the model in its place."""

    words: tuple[str, ...]
    phrases: tuple[tuple[str, ...], ...]
    """For each word at least one; the word itself where nothing else was given."""

    def __len__(self) -> int:
        return len(self.words)


def make_vocabulary(
    entries: Iterable[tuple[str, Sequence[str]]], *, source: str = "the list"
) -> Vocabulary:
    """Check words and their phrases.

    >>> make_vocabulary([("cow", []), ("tyre", ["lost tyre", "piece of a tyre"])]).phrases
    (('cow',), ('lost tyre', 'piece of a tyre'))

    Args:
        entries: Each word with its phrases; without any, the word speaks for itself.
        source: Where they come from, for messages.

    Raises:
        SettingsError: there are no words or too many, one is empty, too long, not printable or
            there twice; case does not count, nor how accents are encoded.
    """
    pairs = [(_tidy(word), tuple(map(_tidy, phrases))) for word, phrases in entries]
    if not pairs:
        raise SettingsError(f"{source} holds no words; write one to a line")
    if len(pairs) > MOST_WORDS:
        raise SettingsError(f"{source} holds {len(pairs):,} words; at most {MOST_WORDS:,} are read")
    for word, phrases in pairs:
        for text in (word, *phrases):
            _check(text, source)
    _refuse_twins([word for word, _ in pairs], source)
    return Vocabulary(
        words=tuple(word for word, _ in pairs),
        phrases=tuple(phrases or (word,) for word, phrases in pairs),
    )


def load_vocabulary(name: str | Path) -> Vocabulary:
    """Read a vocabulary that ships with the library, by its name, or one from a file.

    A text file has a word to a line, or `word: phrase, phrase`; the phrases then stand for the
    word. What follows a `#` at the start of a line or after a blank is a comment. A .toml file
    has `word = ["phrase", "phrase"]`, in sections or not.

    >>> load_vocabulary("cityscapes").words[:3]
    ('road', 'sidewalk', 'building')

    Raises:
        SettingsError: there is no such file, it is not text, or `make_vocabulary` refuses it.
    """
    if str(name) == "cityscapes":
        return make_vocabulary((word, ()) for word in CITYSCAPES)
    if str(name) in BUILT_IN:
        text = (files("mmras_stream") / "assets" / f"{name}.toml").read_text("utf-8")
        return make_vocabulary(_toml_entries(text, str(name)), source=str(name))
    path = Path(name)
    text = read_list(path, otherwise=_hint(str(name)))
    entries = _toml_entries(text, str(path)) if path.suffix == ".toml" else _line_entries(text)
    return make_vocabulary(entries, source=str(path))


def read_list(path: Path, *, otherwise: str) -> str:
    """Read a small UTF-8 text file.

    Args:
        path: The file.
        otherwise: What to say after "no file ..." where there is none.

    Raises:
        SettingsError: it is absent, too large for a list, or not UTF-8.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise SettingsError(
                f"{path} has {size / 1e6:.1f} MB; a list of words has at most "
                f"{LARGEST_FILE / 1e6:.1f} MB"
            )
        return path.read_text("utf-8-sig")
    except FileNotFoundError as error:
        raise SettingsError(f"no file {path}; {otherwise}") from error
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"{path} is not UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}; "
            "save it as UTF-8"
        ) from error


def lines_of(text: str) -> Iterator[str]:
    """Yield the lines of a list, without comments, blanks and empty lines."""
    lines = (_COMMENT.sub("", line).strip() for line in text.splitlines())
    return (line for line in lines if line)


def _line_entries(text: str) -> Iterator[tuple[str, list[str]]]:
    for line in lines_of(text):
        word, _, phrases = line.partition(":")
        yield word, [phrase for phrase in phrases.split(",") if phrase.strip()]


def _toml_entries(text: str, source: str) -> Iterator[tuple[str, list[str]]]:
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{source} is not TOML: {error}") from error
    loose = {word: phrases for word, phrases in values.items() if not isinstance(phrases, dict)}
    sections = [section for section in values.values() if isinstance(section, dict)]
    for section in (loose, *sections):
        for word, phrases in section.items():
            if not isinstance(phrases, list) or not all(isinstance(p, str) for p in phrases):
                raise SettingsError(
                    f'{source}: {word!r} must be a list of phrases such as ["{word}"], '
                    f"got {phrases!r}"
                )
            yield word, phrases


def _tidy(text: str) -> str:
    return unicodedata.normalize("NFC", " ".join(text.split()))


def _check(text: str, source: str) -> None:
    if not text:
        raise SettingsError(f"{source} holds an empty word")
    if len(text) > LONGEST_WORD:
        raise SettingsError(
            f"{source}: {text[:20]!r}... has {len(text)} characters; a word or phrase has at most "
            f"{LONGEST_WORD}"
        )
    if not text.isprintable():
        raise SettingsError(f"{source}: {text!r} holds characters that cannot be printed")


def _refuse_twins(words: list[str], source: str) -> None:
    seen: dict[str, str] = {}
    twins = []
    for word in words:
        first = seen.get(word.casefold())
        if first is not None:
            twins.append(word if first == word else f"{first} = {word}")
        seen[word.casefold()] = word
    if twins:
        more = f" and {len(twins) - 5} more" if len(twins) > 5 else ""
        raise SettingsError(f"{source} holds words twice: {', '.join(twins[:5])}{more}")


def _hint(name: str) -> str:
    guess = get_close_matches(name, BUILT_IN, n=1)
    if guess:
        return f"did you mean {guess[0]!r}?"
    return f"give a text or .toml file, or one of {', '.join(BUILT_IN)}"
