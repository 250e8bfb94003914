"""Reading what `torch.save` wrote, as NumPy arrays: no torch, and nothing that the file says is executed.

Two formats. Zip (since torch 1.6): `<name>/data.pkl` is a pickle whose tensors name storages, and `<name>/data/<key>`
are the bytes of these. Legacy: one file of a magic number, a version, facts of the machine, the pickle, the keys of its
storages (five pickles one after the other), then for each key a count and the bytes.

The pickle may hold dicts, lists, tuples, numbers, texts, NumPy arrays and tensors, which is what a `state_dict` is, and
the settings of a command line (`argparse.Namespace`, as in fairseq's files), which come as a dict; a pickled module or
anything else is refused. Every tensor comes as an array of its own, also where two share a storage.
"""

import io
import math
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np

from tgnn.datasets.files.archives import read_bytes
from tgnn.datasets.files.download import local_path
from tgnn.datasets.files.pickles import ALLOWED, explained
from tgnn.datasets.files.unpickler import Budget, ForbiddenError, Restricted, Stateful, make_dict, plain

MAX_BYTES = 1 << 30
_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001

_STORAGES = {
    "DoubleStorage": np.float64,
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "BFloat16Storage": ml_dtypes.bfloat16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
    "ComplexFloatStorage": np.complex64,
    "ComplexDoubleStorage": np.complex128,
}
_NEW_DTYPES = {  # of tensors whose storage says bytes only
    "uint16": np.uint16,
    "uint32": np.uint32,
    "uint64": np.uint64,
    "float8_e4m3fn": ml_dtypes.float8_e4m3fn,
    "float8_e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "float8_e5m2": ml_dtypes.float8_e5m2,
    "float8_e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
}


def load(path: str | Path, max_bytes: int = MAX_BYTES) -> Any:
    """The nested dicts, lists and tuples of arrays in a file that `torch.save` wrote; O(size of the file) time.

    Args:
        path: `.pt`, `.pth`, `.bin` or any other name.
        max_bytes: the most that the file, and all arrays together, may take.

    Returns:
        What was saved: each tensor (also a parameter, also on another device) as an array of its dtype, which may be
        one of ml_dtypes, such as bfloat16.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no such file, is damaged, asks for anything but data (nothing of which is then executed), or
            is too large.
    """
    path = local_path("path", path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file; pass the path of what torch.save wrote")
    data = read_bytes(path, max_bytes, "pass max_bytes if you trust it")
    with explained(str(path)):
        return (_load_zip if data[:4] == b"PK\x03\x04" else _load_legacy)(data, max_bytes)


@dataclass(eq=False)
class _Storage:
    """Numbers that stand outside of the pickle; `data` is filled in when they have been read."""

    key: str
    dtype: np.dtype
    size: int
    data: np.ndarray | None = None


@dataclass(eq=False)
class _Place(Stateful):
    """A storage, or a part of one that begins later."""

    storage: _Storage
    offset: int


@dataclass(eq=False)
class _Tensor(Stateful):
    """An array that can be made when its storage has been read."""

    storage: _Storage
    dtype: np.dtype
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    budget: Budget

    def finish(self, inner: None) -> np.ndarray:
        """The array."""
        numbers = self.storage.data
        if numbers is None:
            raise ForbiddenError(f"the storage {self.storage.key!r}, which is not in the file")
        if numbers.dtype != self.dtype:  # bytes
            numbers = numbers[: len(numbers) // self.dtype.itemsize * self.dtype.itemsize].view(self.dtype)
        n_item = math.prod(self.shape)
        last = self.offset + sum((n - 1) * stride for n, stride in zip(self.shape, self.strides, strict=True))
        if n_item and last >= len(numbers):
            raise ForbiddenError(f"a tensor that ends at {last} of a storage of {len(numbers)}")
        self.budget.spend(n_item * self.dtype.itemsize)
        strides = tuple(stride * self.dtype.itemsize for stride in self.strides)
        if not n_item:
            return np.empty(self.shape, self.dtype)
        raw = numbers[self.offset :].view(f"V{self.dtype.itemsize}")  # NumPy has no strides for the types of ml_dtypes
        return np.lib.stride_tricks.as_strided(raw, self.shape, strides).copy().view(self.dtype)


class _Settings(Stateful):
    """Stands for `argparse.Namespace`: its attributes as a dict."""

    def __init__(self):
        self.attributes: dict[str, Any] = {}

    def set_state(self, budget: Budget, state: Any) -> None:
        if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
            raise ForbiddenError("settings without names")
        self.attributes = make_dict(budget, list(state.items()))

    def inner(self) -> dict[str, Any]:
        """The attributes."""
        return self.attributes

    def finish(self, inner: dict[str, Any]) -> dict[str, Any]:
        """The attributes in their final form."""
        return inner


def _make_settings(budget: Budget, *_: Any) -> _Settings:
    return _Settings()


class _Storages:
    """The storages that a pickle names, by key."""

    def __init__(self):
        self.known: dict[str, _Storage] = {}

    def __call__(self, pid: Any) -> _Place:
        """The place of a persistent id: ("storage", kind, key, device, size), and in old files a view."""
        kind, dtype, key, _, size, *view = pid
        if kind != "storage" or not isinstance(dtype, np.dtype) or not isinstance(key, str) or type(size) is not int:
            raise ForbiddenError(f"the persistent id {kind!r:.40}")
        storage = self.known.setdefault(key, _Storage(key, dtype, size))
        if storage.dtype != dtype:
            raise ForbiddenError(f"the storage {key!r} as two types")
        return _Place(storage, _count(view[0][1]) if view and view[0] is not None else 0)  # view: (key, offset, size)


def _count(x: Any) -> int:
    if type(x) is not int or not 0 <= x < 1 << 62:
        raise ForbiddenError(f"a size of {x!r:.40}")
    return x


def _rebuild(budget: Budget, place: Any, offset: Any, size: Any, stride: Any, *_: Any) -> _Tensor:
    return _tensor(budget, place, place.storage.dtype, offset, size, stride)


def _rebuild_new(budget: Budget, place: Any, offset: Any, size: Any, stride: Any, *more: Any) -> _Tensor:
    _, _, dtype, *_ = more  # requires_grad, hooks, dtype
    if not isinstance(dtype, np.dtype) or place.storage.dtype != np.uint8 or place.offset:
        raise ForbiddenError("a tensor of unknown type")
    return _tensor(budget, place, dtype, offset, size, stride)


def _tensor(budget: Budget, place: Any, dtype: np.dtype, offset: Any, size: Any, stride: Any) -> _Tensor:
    shape, strides = tuple(map(_count, size)), tuple(map(_count, stride))
    if not isinstance(place, _Place) or len(shape) != len(strides) or len(shape) > 32:
        raise ForbiddenError("a tensor without a storage, or with other strides than axes")
    return _Tensor(place.storage, dtype, place.offset + _count(offset), shape, strides, budget)


def _rebuild_parameter(budget: Budget, tensor: Any, *_: Any) -> Any:
    return tensor


def _size(budget: Budget, shape: Any = ()) -> tuple[int, ...]:
    return tuple(map(_count, shape))


_KINDS = {name: np.dtype(dtype) for name, dtype in _STORAGES.items()}
_TABLE = (
    ALLOWED
    | {(module, name): dtype for module in ("torch", "torch.cuda") for name, dtype in _KINDS.items()}
    | {("torch", name): np.dtype(dtype) for name, dtype in _NEW_DTYPES.items()}
    | {(module, "UntypedStorage"): np.dtype(np.uint8) for module in ("torch", "torch.storage")}
    | {
        ("torch._utils", "_rebuild_tensor"): _rebuild,
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
        ("torch._utils", "_rebuild_tensor_v3"): _rebuild_new,
        ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
        ("argparse", "Namespace"): _make_settings,
        ("torch", "Size"): _size,
        ("collections", "OrderedDict"): make_dict,
    }
)


def _load_zip(data: bytes, max_bytes: int) -> Any:
    storages, unpacked = _Storages(), Budget(max_bytes)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        pickles = [name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError("it holds no data.pkl: it is no file of torch.save")
        folder = pickles[0].removesuffix("data.pkl")
        order = _member(archive, f"{folder}byteorder", unpacked) if f"{folder}byteorder" in names else b"little"
        text = io.BytesIO(_member(archive, pickles[0], unpacked))
        found = Restricted(text, _TABLE, Budget(max_bytes), storages).load()
        for key, storage in storages.known.items():
            if f"{folder}data/{key}" in names:
                _fill(storage, _member(archive, f"{folder}data/{key}", unpacked), order == b"big")
    return plain(found)


def _load_legacy(data: bytes, max_bytes: int) -> Any:
    file, storages, budget = io.BytesIO(data), _Storages(), Budget(max_bytes)

    def read(persistent=None) -> Any:
        return Restricted(file, _TABLE, budget, persistent).load()

    if read() != _MAGIC or read() != _VERSION:
        raise ValueError("it begins with another number than a file of torch.save")
    is_big = read().get("little_endian") is False
    found, keys = read(storages), read()
    if sorted(keys) != sorted(storages.known):
        raise ValueError("its storages are not those that its tensors name")
    for key in keys:
        storage = storages.known[key]
        size = int.from_bytes(_exactly(file, 8), "big" if is_big else "little")
        if size != storage.size:
            raise ValueError(f"storage {key} has {size} numbers, expected {storage.size}")
        _fill(storage, _exactly(file, size * storage.dtype.itemsize), is_big)
    return plain(found)


def _member(archive: zipfile.ZipFile, name: str, budget: Budget) -> bytes:
    """A member of an archive, which may be packed more densely than torch does."""
    size = archive.getinfo(name).file_size
    budget.spend(size)
    with archive.open(name) as file:
        return _exactly(file, size)


def _exactly(file: BinaryIO | Any, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise ValueError(f"it ends {size - len(data)} bytes early")
    return data


def _fill(storage: _Storage, data: bytes, is_big: bool) -> None:
    if len(data) != storage.size * storage.dtype.itemsize:
        raise ValueError(f"storage {storage.key} has {len(data)} bytes, expected {storage.size} numbers")
    if storage.dtype == np.bool_:
        storage.data = np.frombuffer(data, np.uint8) != 0  # a bool of another byte than 0 and 1 is none
        return
    numbers = np.frombuffer(data, np.uint16 if storage.dtype.itemsize == 2 else storage.dtype)  # bfloat16 has no order
    storage.data = (numbers.byteswap() if is_big != (sys.byteorder == "big") else numbers).view(storage.dtype)
