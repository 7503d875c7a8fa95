from __future__ import annotations

from pathlib import Path

import pytest

from mmras_stream.errors import CheckpointError, DownloadError
from mmras_stream.models import zoo
from mmras_stream.models.zoo import RemoteFile


def test_what_is_known_is_complete_and_secure() -> None:
    known = zoo.published_models()
    assert {"mmras-plus", "mask2anomaly", "mask2former-r50-cityscapes"} <= known.keys()
    for model in known.values():
        assert model.page.startswith("https://")
        assert all(file.url.startswith("https://") for file in model.files)
        assert all("/" not in file.name for file in model.files)


def test_a_name_and_its_hashes_come_from_the_list(tmp_path: Path) -> None:
    (tmp_path / "zoo.toml").write_text(
        '[one]\nnetwork = "n"\ndata = "d"\nscore = "s"\npage = "p"\nsize_bytes = 5\n'
        'base = "https://x/"\nfiles = ["a", "b"]\nsha256 = {b = "ff"}\n'
    )
    model = zoo.published_model("one", zoo.published_models(tmp_path / "zoo.toml"))
    assert model.files == (RemoteFile("a", "https://x/a"), RemoteFile("b", "https://x/b", "ff"))
    assert model.size_bytes == 5


def test_an_unknown_name_gets_a_guess() -> None:
    with pytest.raises(DownloadError, match=r"did you mean 'mmras-plus'\?"):
        zoo.published_model("mmras-pluss", zoo.published_models())


@pytest.mark.parametrize(
    ("link", "name", "url"),
    [
        (
            "https://drive.google.com/file/d/1AbC/view?usp=sharing",
            "1AbC.pth",
            "https://drive.usercontent.google.com/download?export=download&id=1AbC",
        ),
        (
            "https://drive.google.com/open?id=1AbC",
            "1AbC.pth",
            "https://drive.usercontent.google.com/download?export=download&id=1AbC",
        ),
        ("https://a.org/x/w%20w.pkl?v=1", "w w.pkl", "https://a.org/x/w%20w.pkl?v=1"),
    ],
)
def test_a_link_names_its_file(link: str, name: str, url: str) -> None:
    assert zoo.published_model(link, {}).files == (RemoteFile(name, url),)


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ("https://drive.google.com/drive/folders/1eQ", "is a folder; open it and give the link"),
        ("https://drive.google.com/", "names no file on Google Drive"),
        ("https://a.org/", "names no file; give the link of the file itself"),
        ("https://a.org/x/..%2f.ssh", "names no file"),
    ],
)
def test_a_link_to_no_file_is_refused(link: str, message: str) -> None:
    with pytest.raises(DownloadError, match=message):
        zoo.published_model(link, {})


def test_weights_are_cached_where_the_user_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMRAS_STREAM_HOME", str(tmp_path))
    model = zoo.published_models()["mask2former-r50-cityscapes"]
    folder = zoo.model_folder(model)
    assert folder == tmp_path / "models" / "mask2former-r50-cityscapes"
    assert not zoo.is_cached(model)
    folder.mkdir(parents=True)
    (folder / model.files[0].name).touch()
    assert zoo.is_cached(model)


def test_a_downloaded_model_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMRAS_STREAM_HOME", str(tmp_path))
    name = "mask2former-swin-t-cityscapes"
    with pytest.raises(CheckpointError, match=f"run 'mmras-stream models download {name}'"):
        zoo.find_weights(name)
    folder = tmp_path / "models" / name
    folder.mkdir(parents=True)
    for file in zoo.published_models()[name].files:
        (folder / file.name).touch()
    assert zoo.find_weights(name) == folder / "model.safetensors"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mmras-plus", "mmras-plus has to be fetched by hand from https://drive"),
        ("mmras-pluss", "no weights at mmras-pluss, .*; did you mean 'mmras-plus'"),
        ("x.pth", "no weights at x.pth, and 'mmras-stream models list' knows no such name$"),
    ],
)
def test_weights_that_are_not_here_are_told_from_those_nobody_knows(
    name: str, message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        zoo.find_weights(name)
