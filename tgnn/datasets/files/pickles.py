"""Reading the pickles that old data sets are published in, without running what they say.

A file may name only the few types below, none of which does more than hold numbers; SciPy's matrix is replaced by a
plain record, so SciPy is not needed.
"""

import io
from collections.abc import Callable
from types import TracebackType
from typing import Any

import numpy as np

from tgnn.datasets.files.unpickler import Budget, ForbiddenError, Restricted, Stateful, make_dict, plain

MAX_BYTES = 1 << 28


class CsrParts(Stateful):
    """Stands for `scipy.sparse.csr_matrix`: its pickled attributes (data, indices, indptr, _shape) and no behaviour."""

    def set_state(self, budget: Budget, state: Any) -> None:
        """Takes the attributes."""
        if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
            raise ForbiddenError("a matrix without attributes")
        vars(self).update(state)

    def inner(self) -> dict[str, Any]:
        """The attributes."""
        return vars(self)

    def finish(self, inner: dict[str, Any]) -> "CsrParts":
        """One with these attributes."""
        made = CsrParts()
        vars(made).update(inner)
        return made


class _Dtype(Stateful):
    """Stands for `numpy.dtype`, whose own state a file could set to what is not true of the data."""

    def __init__(self, name: str):
        self.dtype = np.dtype(name)

    def set_state(self, budget: Budget, state: Any) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])  # the rest says what its name does


class _Array(Stateful):
    """Stands for an array; its numbers are numbers: bytes that say they are objects would be followed as addresses."""

    def __init__(self):
        self.array = np.empty(0, np.int8)

    def set_state(self, budget: Budget, state: Any) -> None:
        _, shape, dtype, is_fortran, data = state
        if isinstance(data, list) != dtype.dtype.hasobject:
            raise ForbiddenError(f"an array of {dtype.dtype} from a {type(data).__name__}")
        budget.spend(8 * len(data))
        array = np.empty(0, np.int8)
        array.__setstate__((1, shape, dtype.dtype, is_fortran, data))
        self.array = array

    def inner(self) -> np.ndarray | None:
        return self.array if self.array.dtype.hasobject else None

    def finish(self, inner: np.ndarray | None) -> np.ndarray:
        return self.array if inner is None else inner


def _make_dtype(budget: Budget, name: str, *_: object) -> _Dtype:
    if not isinstance(name, str) or len(name) > 8 or np.dtype(name).kind not in "biufO":
        raise ForbiddenError(f"dtype {name!r:.40}")
    return _Dtype(name)


def _make_array(budget: Budget, kind: object, shape: object, _: object) -> _Array:
    # NumPy pickles an array as an empty one of bytes and a state
    if kind is not _array_type or shape != (0,):
        raise ForbiddenError("an array that is not made empty first")
    return _Array()


def _array_type(budget: Budget, *_: object):
    raise ForbiddenError("a call of numpy.ndarray")  # which makes one of any size, or of memory that is not the file's


def _make_matrix(budget: Budget, *_: object) -> CsrParts:
    return CsrParts()


def _encode(budget: Budget, text: str, encoding: str = "latin1") -> bytes:
    # Python 3 writes protocol-2 bytes as a call of codecs.encode; other codecs (zlib, rot13) have no business here
    if encoding not in ("latin1", "latin-1"):
        raise ForbiddenError(f"codec {encoding!r}")
    budget.spend(len(text))
    return text.encode("latin1")


def _list_type(budget: Budget, *_: object) -> None:
    raise ForbiddenError("a call of list")  # it is the factory of a defaultdict, no more


ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): _make_array,
    ("numpy._core.multiarray", "_reconstruct"): _make_array,
    ("numpy", "ndarray"): _array_type,
    ("numpy", "dtype"): _make_dtype,
    ("scipy.sparse.csr", "csr_matrix"): _make_matrix,
    ("scipy.sparse._csr", "csr_matrix"): _make_matrix,
    ("collections", "defaultdict"): make_dict,
    ("__builtin__", "list"): _list_type,
    ("builtins", "list"): _list_type,
    ("_codecs", "encode"): _encode,
}


def read_pickle(name: str, data: bytes, max_bytes: int = MAX_BYTES) -> Any:
    """The arrays, lists, dicts and `CsrParts` in a pickle; Python 2's strings are read as latin1.

    Args:
        name: of the file, for messages.
        data: its content.
        max_bytes: the most memory that it may ask for beyond its own length.

    Raises:
        ValueError: the pickle names anything else, in which case nothing of it has been called, it asks for more
            memory, or it is damaged.
    """
    with explained(name):
        return plain(Restricted(io.BytesIO(data), ALLOWED, Budget(max_bytes)).load())


class explained:  # noqa: N801 (it reads as a word: with explained(name))
    """Turns whatever a pickle raises into a ValueError that names the file."""

    def __init__(self, name: str):
        self.name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(error, ForbiddenError):
            raise ValueError(
                f"{self.name} is not a plain data pickle: it asks for {error}, which was not executed; "
                "delete it and get it again"
            ) from error
        if isinstance(error, Exception):  # a damaged pickle can raise nearly anything
            raise ValueError(
                f"{self.name} is a damaged pickle ({type(error).__name__}: {error}); delete it and get it again"
            ) from error
