"""Reading the pickles that old data sets are published in, without running what they say.

A pickle is a program: `pickle.load` calls whatever function the file names. Here a file may name only the few types
below, none of which does more than hold numbers; SciPy's matrix is replaced by a plain record, so SciPy is not needed.
"""

import collections
import io
import pickle

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


_reconstruct = np.empty(0).__reduce__()[0]  # NumPy's own, whichever private module this version keeps it in

_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
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


def read_pickle(name: str, data: bytes):
    """The arrays, lists, dicts and `CsrParts` in a pickle; Python 2's strings are read as latin1.

    Args:
        name: of the file, for messages.
        data: its content.

    Raises:
        ValueError: the pickle names anything else, in which case nothing of it has been called, or it is damaged.
    """
    try:
        return _Restricted(io.BytesIO(data), encoding="latin1").load()
    except _Forbidden as error:
        raise ValueError(
            f"{name} is not a plain data pickle: it asks for {error}, which was not executed; "
            "delete it and get it again"
        ) from error
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise ValueError(
            f"{name} is a damaged pickle ({type(error).__name__}: {error}); delete it and get it again"
        ) from error
