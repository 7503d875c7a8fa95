from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import torchvision_operators  # noqa: F401 - before anything imports torchvision
from clips import Clip, write
from golden.data import PARITY

REQUIRED = set(os.environ.get("MMRAS_REQUIRE", "").split(","))
"""Resources that must be there: their absence fails a run instead of skipping its tests."""

FOOTAGE = Path(
    os.environ.get("MMRAS_FOOTAGE", Path(__file__).parents[1].parent / "shared" / "clips")
)

FOLDERS = {"footage": (FOOTAGE, "MMRAS_FOOTAGE"), "parity": (PARITY, "MMRAS_PARITY")}
"""Where what the repository does not hold is looked for, and the variable that says so."""


@pytest.fixture(autouse=True)
def _no_thread_outlives_its_test() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.fixture(scope="session", autouse=True)
def _one_torch_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def ntsc_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty frames at 30000/1001 fps, each one brighter than the last."""
    from fractions import Fraction

    clip = Clip(frames=30, frame_rate=Fraction(30000, 1001))
    return write(tmp_path_factory.mktemp("clips") / "ntsc.mp4", clip)


@pytest.fixture(scope="session")
def footage() -> Path:
    """The folder of real drives."""
    return FOOTAGE


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    absent = {}
    if any(item.get_closest_marker("gpu") for item in items) and not _has_gpu():
        absent["gpu"] = "no CUDA device on this machine"
    for resource, (folder, variable) in FOLDERS.items():
        if not folder.is_dir():
            absent[resource] = f"no folder {folder}; {variable} names another"
    for item in items:
        for resource, reason in absent.items():
            if item.get_closest_marker(resource) and resource not in REQUIRED:
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_runtest_setup(item: pytest.Item) -> None:
    there = {resource: folder.is_dir for resource, (folder, _) in FOLDERS.items()}
    for resource, is_there in (there | {"gpu": _has_gpu}).items():
        if item.get_closest_marker(resource) and resource in REQUIRED and not is_there():
            pytest.fail(f"MMRAS_REQUIRE names {resource}, which is not on this machine")


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()
