from __future__ import annotations

from pathlib import Path

import pytest

from mmras_stream.errors import SettingsError
from mmras_stream.models.mmras import CITYSCAPES
from mmras_stream.models.vocabulary import LARGEST_FILE, load_vocabulary


def written(tmp_path: Path, text: str, name: str = "words.txt") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_text_file_gives_words_phrases_and_comments(tmp_path: Path) -> None:
    text = "# animals\ncow\n\n  wild   boar  # runs fast\ntyre: lost tyre, piece of a tyre\nC#\n"
    vocabulary = load_vocabulary(written(tmp_path, text))
    assert vocabulary.words == ("cow", "wild boar", "tyre", "C#")
    assert vocabulary.phrases == (
        ("cow",),
        ("wild boar",),
        ("lost tyre", "piece of a tyre"),
        ("C#",),
    )


def test_a_toml_file_may_have_sections(tmp_path: Path) -> None:
    text = 'ball = []\n[animals]\ncow = ["cow", "cattle"]\n[loads]\n"gas cylinder" = []\n'
    vocabulary = load_vocabulary(written(tmp_path, text, "words.toml"))
    assert vocabulary.words == ("ball", "cow", "gas cylinder")
    assert vocabulary.phrases[1] == ("cow", "cattle")


def test_words_need_not_be_ascii(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeffstra\u00dfe\n\u6c7d\u8f66\nVe\u0301lo\n")
    assert load_vocabulary(path).words == ("straße", "汽车", "V\u00e9lo")


def test_the_classes_of_cityscapes_are_built_in() -> None:
    assert load_vocabulary("cityscapes").words == CITYSCAPES


def test_the_obstacles_are_many_and_none_is_a_class_of_cityscapes() -> None:
    obstacles = load_vocabulary("obstacles")
    assert 180 <= len(obstacles) <= 240
    assert not {word.casefold() for word in obstacles.words} & set(CITYSCAPES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# nothing\n\n", r"words.txt holds no words; write one to a line"),
        ("\n".join(map(str, range(10_000))), r"holds 10,000 words; at most 2,000 are read"),
        ("cow\ndog\ncow\n", r"holds words twice: cow$"),
        ("Cow\ncow\n", r"holds words twice: Cow = cow$"),
        ("V\u00e9lo\nVe\u0301lo\n", "holds words twice: V\u00e9lo$"),
        ("\n".join([*"abcdefg"] * 2), r"twice: a, b, c, d, e and 2 more$"),
        (": lost tyre\n", r"holds an empty word"),
        ("x" * 81, r"'x{20}'\.\.\. has 81 characters; a word or phrase has at most 80"),
        ("cow\x1b[31m\n", r"characters that cannot be printed"),
    ],
)
def test_words_that_make_no_sense_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_vocabulary(written(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cow = [", r"words.toml is not TOML: "),
        ('cow = "cattle"', r"""'cow' must be a list of phrases such as \["cow"\], got 'cattle'"""),
        ("[animals]\ncow = [1]", r"'cow' must be a list of phrases"),
        ("[a]\ncow = []\n[b]\ncow = []", r"holds words twice: cow"),
    ],
)
def test_a_toml_file_that_makes_no_sense_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        load_vocabulary(written(tmp_path, text, "words.toml"))


def test_bytes_that_are_not_utf8_are_named(tmp_path: Path) -> None:
    path = tmp_path / "latin.txt"
    path.write_bytes("cow\nstraße\n".encode("latin-1"))
    with pytest.raises(SettingsError, match=r"latin.txt is not UTF-8 text: byte 8 is 0xdf; save"):
        load_vocabulary(path)


def test_a_film_is_no_list_of_words(tmp_path: Path) -> None:
    path = tmp_path / "drive.mp4"
    with path.open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    with pytest.raises(SettingsError, match=r"drive.mp4 has 4.2 MB; a list of words has at most"):
        load_vocabulary(path)


def test_unknown_names_get_a_guess(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=r"no file cityscape; did you mean 'cityscapes'\?"):
        load_vocabulary("cityscape")
    with pytest.raises(SettingsError, match=r"no file animals; give a text or \.toml file, or one"):
        load_vocabulary("animals")
    with pytest.raises(SettingsError, match=r"cannot read \.: "):
        load_vocabulary(".")
