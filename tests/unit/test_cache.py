from __future__ import annotations

from pathlib import Path

import pytest

from mmras_stream.cache import cache_folder

HOME = Path("/home/someone")


@pytest.mark.parametrize(
    ("platform", "environment", "folder"),
    [
        ("linux", {"MMRAS_STREAM_HOME": "/somewhere"}, Path("/somewhere")),
        ("linux", {}, HOME / ".cache/mmras-stream"),
        ("linux", {"XDG_CACHE_HOME": "/cache"}, Path("/cache/mmras-stream")),
        ("darwin", {}, HOME / "Library/Caches/mmras-stream"),
        ("win32", {"LOCALAPPDATA": "/local"}, Path("/local/mmras-stream")),
    ],
)
def test_the_cache_lies_where_the_user_or_the_platform_says(
    platform: str, environment: dict[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MMRAS_STREAM_HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": str(HOME), **environment}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.platform", platform)
    assert cache_folder() == folder
