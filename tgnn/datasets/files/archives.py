"""Reading archives in memory: nothing is extracted to disk, nothing is unpickled, sizes are capped.

A file's size is asked before it is read, what it unpacks to is counted while it is unpacked, and what it claims to hold
(a tar member with holes, an array's shape) must be there.
"""

import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from tgnn.datasets.files.lines import BOM

# What zipfile, tarfile and NumPy raise on a file that was changed: an unknown compression, an encrypted member, a
# length or a shape that cannot be. The file itself has been read by then, so that none of these says it is missing.
CHANGED = (
    ValueError,
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OSError,
    OverflowError,
    MemoryError,
)
MAX_BYTES = 1 << 28  # uncompressed; the largest archive here unpacks to 16 MB
AGAIN = "which no file here does; delete it and get it again"


def read_bytes(path: Path, max_bytes: int = MAX_BYTES, remedy: str = AGAIN) -> bytes:
    """The content of a file, whose size is asked first.

    Raises:
        ValueError: it is larger than max_bytes.
    """
    _check_size(path, path.stat().st_size, max_bytes, remedy)
    with path.open("rb") as file:
        data = file.read(max_bytes + 1)
    _check_size(path, len(data), max_bytes, remedy)  # some files have a size of 0 and go on for ever
    return data


def read_gzip(path: Path, max_bytes: int = MAX_BYTES, remedy: str = AGAIN) -> bytes:
    """The content of a gzip file.

    Raises:
        ValueError: it is truncated, not gzip, or unpacks to more than max_bytes.
    """
    packed = read_bytes(path, max_bytes, remedy)
    try:
        with gzip.open(io.BytesIO(packed)) as file:
            data = file.read(max_bytes + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is truncated or not a gzip file ({error}); delete it and get it again") from error
    _check_size(path, len(data), max_bytes, remedy)
    return data


def read_text(path: Path, max_bytes: int = MAX_BYTES, remedy: str = AGAIN) -> str:
    """A UTF-8 text file, plain or gzipped (by its name), without the byte order mark that some editors put first.

    Raises:
        ValueError: as `read_gzip`, or it is not UTF-8.
    """
    data = (read_gzip if path.suffix == ".gz" else read_bytes)(path, max_bytes, remedy)
    return decode_text(str(path), data)


def decode_text(name: str, data: bytes) -> str:
    """UTF-8 without a byte order mark.

    Raises:
        ValueError: it is not UTF-8.
    """
    try:
        return data.decode("utf-8").removeprefix(BOM)
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is not UTF-8 text ({error}); convert it, or get it again") from error


def read_tar(path: Path, max_bytes: int = MAX_BYTES) -> dict[str, bytes]:
    """The regular files of a .tar or .tar.gz by member name.

    Raises:
        ValueError: a member is a link, a device or a file with holes, would lie outside the archive's folder, or the
            archive is damaged or unpacks to more than max_bytes.
    """
    # a gzip stream may unpack to anything: unpack under the cap first, then read the tar
    data = (read_gzip if path.suffix in (".gz", ".tgz") else read_bytes)(path, max_bytes)
    files, size = {}, 0
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for member in archive:
                _check_member(path, member)
                size += member.size
                _check_size(path, size, max_bytes)
                content = archive.extractfile(member)  # None for a folder
                if content is not None:
                    files[member.name] = content.read()
    except _Refused:
        raise
    except CHANGED as error:
        raise ValueError(f"{path} is truncated or not a tar archive ({error}); delete it and get it again") from error
    return files


def read_zip(path: Path, member: str, max_bytes: int = MAX_BYTES) -> bytes:
    """One member of a zip file.

    Raises:
        ValueError: the archive is damaged, has no such member, or the member unpacks to more than max_bytes.
    """
    packed = read_bytes(path, max_bytes)
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive, archive.open(member) as file:
            data = file.read(max_bytes + 1)
    except CHANGED as error:
        raise ValueError(f"{path} is truncated or not a zip file ({error}); delete it and get it again") from error
    except KeyError:
        raise ValueError(f"{path} has no member {member!r}; delete it and get it again") from None
    _check_size(path, len(data), max_bytes)
    return data


def read_npz(path: Path, names: Sequence[str] | None = None, max_bytes: int = MAX_BYTES) -> dict[str, np.ndarray]:
    """The arrays `names` (default: all) of an npz file; object arrays, which are pickles, are refused.

    Raises:
        ValueError: the file is damaged, lacks an array, holds a pickle, or unpacks to more than max_bytes.
    """
    packed = read_bytes(path, max_bytes)
    _check_size(path, _unpacked_size(path, packed), max_bytes)
    try:
        with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
            missing = sorted(set(names or ()) - set(arrays.files))
            found = {name: arrays[name] for name in names or arrays.files if name not in missing}
    except CHANGED as error:
        raise ValueError(f"{path} is damaged or holds pickles ({error}); get the published file") from error
    if missing:
        raise ValueError(f"{path} has no array {missing}; get the published file")
    for array in found.values():
        _check_size(path, array.size, max_bytes)  # items of no bytes, "<U0", may be any number
    return found


class _Refused(ValueError):
    """What this module says of a file, which it does not wrap again."""


def _unpacked_size(path: Path, packed: bytes) -> int:
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            return sum(info.file_size for info in archive.infolist())
    except CHANGED as error:
        raise ValueError(f"{path} is truncated or not an npz file ({error}); delete it and get it again") from error


def _check_size(path: Path, size: int, max_bytes: int, remedy: str = AGAIN) -> None:
    if size > max_bytes:
        raise _Refused(f"{path} unpacks to more than {max_bytes} bytes, {remedy}")


def _check_member(path: Path, member: tarfile.TarInfo) -> None:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or not (member.isfile() or member.isdir()) or member.issparse():
        raise _Refused(
            f"{path} has the member {member.name!r}, which is a link, has holes, or leaves the archive's folder; "
            "delete it and get it again"
        )
