"""Read pickles of plain arrays without running anything they name."""

from __future__ import annotations

import pickle
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mmras_stream.errors import CheckpointError

PLAIN_DTYPE = re.compile(r"b1|[iuf][1248]")
"""Booleans, integers and floats; what else a pickle may call a dtype is refused."""

DEEPEST = 3
"""Mappings in mappings in which arrays are looked for: weights lie in the first or the second."""


class PickledDtype:
    """Stands in for `numpy.dtype`: takes what a pickle says of one, and trusts none of it."""

    def __init__(self, code: str, *_flags: object) -> None:
        self._code, self._order = code, "="

    def __setstate__(self, state: tuple[object, ...]) -> None:
        self._order = str(state[1])

    def resolve(self) -> np.dtype[np.generic]:
        """Return the real one."""
        if not PLAIN_DTYPE.fullmatch(self._code):
            raise pickle.UnpicklingError(f"an array of type {self._code!r} holds no weights")
        return np.dtype(self._code).newbyteorder(">" if self._order == ">" else "<")


class PickledArray:
    """Stands in for `numpy.ndarray`: bytes, a dtype and a shape, checked before they are used."""

    def __init__(self, *_how_numpy_starts: object) -> None:
        self._data: bytes | bytearray = b""
        self._dtype = PickledDtype("f4")
        self._shape: tuple[int, ...] = (0,)
        self._by_columns = False

    def __setstate__(self, state: tuple[object, ...]) -> None:
        _version, shape, dtype, by_columns, data = state
        self._fill(data, dtype, shape, by_columns=bool(by_columns))

    @classmethod
    def from_buffer(cls, data: object, dtype: object, shape: object, order: str) -> PickledArray:
        """Stand in for NumPy's `_frombuffer`."""
        array = cls()
        array._fill(data, dtype, shape, by_columns=order == "F")
        return array

    @staticmethod
    def scalar(dtype: object, data: object) -> float:
        """Stand in for NumPy's `scalar`."""
        array = PickledArray.from_buffer(data, dtype, (1,), "C")
        number: float = array.values()[0].item()
        return number

    def _fill(self, data: object, dtype: object, shape: object, *, by_columns: bool) -> None:
        if isinstance(data, str):  # from Python 2, read as latin1
            data = data.encode("latin1")
        if not isinstance(data, bytes | bytearray) or not isinstance(dtype, PickledDtype):
            raise pickle.UnpicklingError("an array that is no array of numbers holds no weights")
        if not isinstance(shape, tuple) or not all(
            isinstance(size, int) and size >= 0 for size in shape
        ):
            raise pickle.UnpicklingError(f"{shape!r} is no shape")
        self._data, self._dtype, self._shape, self._by_columns = data, dtype, shape, by_columns

    def values(self) -> npt.NDArray[np.generic]:
        """Return the array, native and writable.

        Raises:
            ValueError: bytes and shape do not belong together.
        """
        dtype = self._dtype.resolve()
        flat = np.frombuffer(self._data, dtype)
        shaped = flat.reshape(self._shape, order="F" if self._by_columns else "C")
        return np.array(shaped, dtype.newbyteorder("="), order="C")

    def tensor(self) -> Tensor:
        """Return it as PyTorch's."""
        return torch.from_numpy(self.values())


def _encode(text: str, _encoding: str = "latin1") -> bytes:
    # how protocol 2 writes bytes; the encoding is always this one, whatever the pickle says
    return text.encode("latin1")


def _no_bytes() -> bytes:
    # how protocol 2 writes b""
    return b""


ADMITTED: Mapping[tuple[str, str], Callable[..., object]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,
    ("builtins", "bytes"): _no_bytes,
    ("numpy", "ndarray"): PickledArray,
    ("numpy", "dtype"): PickledDtype,
    **{
        (f"{core}.{module}", name): stand_in
        for core in ("numpy.core", "numpy._core")  # NumPy 1 and 2
        for module, name, stand_in in (
            ("multiarray", "_reconstruct", PickledArray),
            ("multiarray", "scalar", PickledArray.scalar),
            ("numeric", "_frombuffer", PickledArray.from_buffer),
        )
    },
}
"""All that a pickle may name, and what it gets instead."""


class RefusedGlobalError(pickle.UnpicklingError):
    """A pickle names something that reading weights does not need."""


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Callable[..., object]:
        try:
            return ADMITTED[module, name]
        except KeyError:
            raise RefusedGlobalError(f"{module}.{name}".replace("\n", " ")) from None


def load_arrays(path: Path) -> object:
    """Read a pickle of numbers, text, containers and NumPy arrays, the arrays as tensors.

    Nothing that the file names is imported or called: NumPy's own functions, too, are replaced by
    ours, so that a forged array cannot reach into memory.

    Raises:
        CheckpointError: the file asks for anything else, or is damaged.
    """
    try:
        with path.open("rb") as file:
            return _with_tensors(_ArraysOnly(file, encoding="latin1").load(), DEEPEST)
    except RefusedGlobalError as error:
        raise refused(path, str(error)) from error
    except Exception as error:  # a damaged or forged pickle fails in any way at all
        reason = " ".join(str(error).split())
        raise CheckpointError(
            f"cannot read {path} as a pickle of arrays: {reason}; is it whole? fetch it again"
        ) from error


def refused(path: Path, name: str) -> CheckpointError:
    """Say that a file would have run something, and what to do."""
    return CheckpointError(
        f"{path} is refused: it asks for {name}, and weights are arrays in plain containers; "
        f"where you trust it, save its state_dict alone and give that file"
    )


def _with_tensors(value: object, deepest: int) -> object:
    if isinstance(value, PickledArray):
        return value.tensor()
    if isinstance(value, dict) and deepest:
        return {key: _with_tensors(part, deepest - 1) for key, part in value.items()}
    return value
