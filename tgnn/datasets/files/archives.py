"""Reading archives in memory: nothing is extracted to disk, nothing is unpickled, sizes are capped."""

import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

# What zipfile and NumPy raise on a zip file that was changed: an unknown compression, an encrypted member, a length or
# a shape that cannot be. The file itself has been read by then, so that none of these says that it is missing.
_CHANGED = (
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OSError,
    MemoryError,
)
MAX_BYTES = 1 << 28  # uncompressed; the largest archive here unpacks to 16 MB


def read_gzip(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """The content of a gzip file.

    Raises:
        ValueError: it is truncated, not gzip, or unpacks to more than max_bytes.
    """
    try:
        with gzip.open(path) as file:
            data = file.read(max_bytes + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is truncated or not a gzip file ({error}); delete it and get it again") from error
    _check_size(path, len(data), max_bytes)
    return data


def read_text(path: Path, max_bytes: int = MAX_BYTES) -> str:
    """A UTF-8 text file, plain or gzipped (by its name).

    Raises:
        ValueError: as `read_gzip`, or it is not UTF-8.
    """
    data = read_gzip(path, max_bytes) if path.suffix == ".gz" else path.read_bytes()
    _check_size(path, len(data), max_bytes)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text ({error}); convert it, or get it again") from error


def read_tar(path: Path, max_bytes: int = MAX_BYTES) -> dict[str, bytes]:
    """The regular files of a .tar or .tar.gz by member name.

    Raises:
        ValueError: a member is a link or a device, would lie outside the archive's folder, or the archive is damaged.
    """
    # a gzip stream may unpack to anything: unpack under the cap first, then read the tar
    data = read_gzip(path, max_bytes) if path.suffix in (".gz", ".tgz") else path.read_bytes()
    files = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for member in archive:
                _check_member(path, member)
                content = archive.extractfile(member)  # None for a folder
                if content is not None:
                    files[member.name] = content.read()
    except tarfile.TarError as error:
        raise ValueError(f"{path} is truncated or not a tar archive ({error}); delete it and get it again") from error
    return files


def read_zip(path: Path, member: str, max_bytes: int = MAX_BYTES) -> bytes:
    """One member of a zip file.

    Raises:
        ValueError: the archive is damaged, has no such member, or the member unpacks to more than max_bytes.
    """
    packed = path.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive, archive.open(member) as file:
            data = file.read(max_bytes + 1)
    except _CHANGED as error:
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
    packed = path.read_bytes()
    _check_size(path, _unpacked_size(path, packed), max_bytes)
    try:
        with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
            missing = sorted(set(names or ()) - set(arrays.files))
            found = {name: arrays[name] for name in names or arrays.files if name not in missing}
    except _CHANGED as error:
        raise ValueError(f"{path} is damaged or holds pickles ({error}); get the published file") from error
    if missing:
        raise ValueError(f"{path} has no array {missing}; get the published file")
    return found


def _unpacked_size(path: Path, packed: bytes) -> int:
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            return sum(info.file_size for info in archive.infolist())
    except _CHANGED as error:
        raise ValueError(f"{path} is truncated or not an npz file ({error}); delete it and get it again") from error


def _check_size(path: Path, size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise ValueError(
            f"{path} unpacks to more than {max_bytes} bytes, which no file here does; delete it and get it again"
        )


def _check_member(path: Path, member: tarfile.TarInfo) -> None:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or not (member.isfile() or member.isdir()):
        raise ValueError(
            f"{path} has the member {member.name!r}, which is a link or leaves the archive's folder; "
            "delete it and get it again"
        )
