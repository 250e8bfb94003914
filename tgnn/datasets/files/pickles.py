"""Reading the pickles that old data sets are published in, without running what they say.

A pickle is a program: `pickle.load` calls whatever function the file names. Here a file may name only the few types
below, none of which does more than hold numbers; SciPy's matrix is replaced by a plain record, so SciPy is not needed.
"""

import collections
import io
import pickle
from typing import Any

import numpy as np


class CsrParts:
    """Stands for `scipy.sparse.csr_matrix`: its pickled attributes (data, indices, indptr, _shape) and no behaviour."""


class _Forbidden(pickle.UnpicklingError):
    """A pickle names something outside the allow-list."""


def _encode(text: str, encoding: str = "latin1") -> bytes:
    # Python 3 writes protocol-2 bytes as a call of codecs.encode; other codecs (zlib, rot13) have no business here
    if encoding not in ("latin1", "latin-1"):
        raise _Forbidden(f"codec {encoding!r}")
    return text.encode("latin1")


class _Dtype:
    """Stands for `numpy.dtype`, whose own state a file could set to what is not true of the data."""

    def __init__(self, name: str, *_: object):
        self.dtype = np.dtype(name)
        if self.dtype.kind not in "biufO":
            raise _Forbidden(f"dtype {name!r}")

    def __setstate__(self, state: tuple) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])  # the rest says what its name does


class _Array(np.ndarray):
    """An array whose pickled numbers are numbers: bytes that say they are objects would be followed as addresses."""

    def __new__(cls, *_: object):
        raise _Forbidden("a call of numpy.ndarray")  # which makes one of any size, or of memory that is not the file's

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, is_fortran, data = state
        if isinstance(data, list) != dtype.dtype.hasobject:
            raise _Forbidden(f"an array of {dtype.dtype} from a {type(data).__name__}")
        super().__setstate__((1, shape, dtype.dtype, is_fortran, data))


def _empty_array(kind, shape, _) -> np.ndarray:
    # NumPy pickles an array as an empty one of bytes and a state
    if kind is not _Array or shape != (0,):
        raise _Forbidden("an array that is not made empty first")
    return np.empty(0, np.int8).view(_Array)


def _plain(x: Any) -> Any:
    # what stood for arrays while reading is handed on as arrays, wherever it is
    if isinstance(x, _Array):
        if x.dtype.hasobject:
            for i, item in enumerate(x.flat):
                x.flat[i] = _plain(item)
        return x.view(np.ndarray)
    if isinstance(x, (list, tuple)):
        return type(x)(map(_plain, x))
    if isinstance(x, dict):
        x.update((key, _plain(item)) for key, item in list(x.items()))
    elif isinstance(x, CsrParts):
        vars(x).update(_plain(vars(x)))
    return x


_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _empty_array,
    ("numpy._core.multiarray", "_reconstruct"): _empty_array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("scipy.sparse.csr", "csr_matrix"): CsrParts,
    ("scipy.sparse._csr", "csr_matrix"): CsrParts,
    ("collections", "defaultdict"): collections.defaultdict,
    ("__builtin__", "list"): list,
    ("builtins", "list"): list,
    ("_codecs", "encode"): _encode,
}


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str):
        if (module, name) not in _ALLOWED:
            raise _Forbidden(f"{module}.{name}")
        return _ALLOWED[module, name]


def read_pickle(name: str, data: bytes) -> Any:
    """The arrays, lists, dicts and `CsrParts` in a pickle; Python 2's strings are read as latin1.

    Args:
        name: of the file, for messages.
        data: its content.

    Raises:
        ValueError: the pickle names anything else, in which case nothing of it has been called, or it is damaged.
    """
    try:
        return _plain(_Restricted(io.BytesIO(data), encoding="latin1").load())
    except _Forbidden as error:
        raise ValueError(
            f"{name} is not a plain data pickle: it asks for {error}, which was not executed; "
            "delete it and get it again"
        ) from error
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise ValueError(
            f"{name} is a damaged pickle ({type(error).__name__}: {error}); delete it and get it again"
        ) from error
