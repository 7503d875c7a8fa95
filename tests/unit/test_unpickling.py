from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mmras_stream.errors import CheckpointError
from mmras_stream.models.unpickling import load_arrays

PROTOCOLS = pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])


def through(value: object, folder: Path, *, protocol: int = 4) -> Any:
    path = folder / "file.pkl"
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return load_arrays(path)


@PROTOCOLS
def test_arrays_come_back_as_tensors(protocol: int, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    arrays: dict[str, np.ndarray[Any, Any]] = {
        "float32": random.random((2, 3, 4), np.float32),
        "by columns": np.asfortranarray(random.random((3, 5))),
        "turned": random.random((3, 5)).T,
        "half": random.random(7).astype(np.float16),
        "int64": np.arange(-3, 3),
        "bytes": np.arange(6, dtype=np.uint8).reshape(2, 3),
        "bool": np.array([True, False]),
        "big-endian": np.arange(4, dtype=">f4"),
        "empty": np.zeros((0, 3), np.float32),
        "alone": np.array(2.5),
    }
    loaded = through({"model": OrderedDict(arrays)}, tmp_path, protocol=protocol)["model"]
    for name, array in arrays.items():
        native = array.astype(array.dtype.newbyteorder("="))
        assert loaded[name].dtype == torch.from_numpy(native.copy()).dtype, name
        assert np.array_equal(loaded[name].numpy(), native), name


@PROTOCOLS
def test_numbers_text_and_containers_are_kept(protocol: int, tmp_path: Path) -> None:
    value = {"scalar": np.float32(0.5), "text": "ü", "bytes": b"\xff\x00", "list": [1, (2.5, None)]}
    assert through(value, tmp_path, protocol=protocol) == value


def test_arrays_of_python_2_are_read(tmp_path: Path) -> None:
    # bytes were strings then, and NumPy's home was numpy.core
    old = (
        b"\x80\x02}U\x01wcnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R"
        b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U\x08" + np.array([1.5, -2], "<f4").tobytes() + b"tbs."
    )
    path = tmp_path / "old.pkl"
    path.write_bytes(old)
    loaded: Any = load_arrays(path)
    assert loaded["w"].tolist() == [1.5, -2]


@pytest.mark.parametrize(
    ("instructions", "name"),
    [
        (b"cos\nsystem\n(S'true'\ntR.", "os.system"),
        (b"cbuiltins\neval\n(S'1'\ntR.", "builtins.eval"),
        (b"cbuiltins\ngetattr\n.", "builtins.getattr"),
        (b"cnumpy\nload\n.", "numpy.load"),
        (b"cnumpy.core.multiarray\nfromfile\n.", "numpy.core.multiarray.fromfile"),
        (b"c_codecs\ndecode\n.", "_codecs.decode"),
        (b"ccollections\ndefaultdict\n.", "collections.defaultdict"),
        (b"cmmras_stream.models.unpickling\nPickledArray\n.", "unpickling.PickledArray"),
        (b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.", "numpy.ndarray.tofile"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "os.system"),
        (b"(S'true'\nios\nsystem\n.", "os.system"),
    ],
)
def test_everything_else_is_refused_by_name(instructions: bytes, name: str, tmp_path: Path) -> None:
    path = tmp_path / "evil.pkl"
    path.write_bytes(instructions)
    with pytest.raises(CheckpointError, match=rf"is refused: it asks for .*{name}, and weights"):
        load_arrays(path)


@pytest.mark.parametrize(
    "value",
    [
        np.array([{}, []], object),
        np.array(["text"]),
        np.array([(1, 2.0)], [("a", "i4"), ("b", "f4")]),
        np.array(["2020-01-01"], "datetime64[D]"),
        np.array([1 + 2j]),
    ],
)
def test_arrays_of_anything_but_real_numbers_are_refused(
    value: np.ndarray[Any, Any], tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=r"pickle of arrays: an array .*holds no weights"):
        through({"model": {"w": value}}, tmp_path)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("(1, (9999999999,), DTYPE, False, b'1234')", "cannot reshape"),
        ("(1, (-5,), DTYPE, False, b'1234')", "is no shape"),
        ("(1, ('a',), DTYPE, False, b'1234')", "is no shape"),
        ("(1, (1,), 'f4', False, b'1234')", "no array of numbers"),
        ("(1, (1,), DTYPE, False, [1])", "no array of numbers"),
        ("(1, (1,))", "not enough values"),
    ],
)
def test_forged_arrays_are_refused(state: str, message: str, tmp_path: Path) -> None:
    class Forged:
        def __reduce__(self) -> tuple[Any, ...]:
            whole = np.zeros(1, np.float32).__reduce__()
            parts = eval(state, {"DTYPE": np.dtype("f4")})
            return (*whole[:2], parts)

    with pytest.raises(CheckpointError, match=message):
        through({"model": {"w": Forged()}}, tmp_path)
