"""Finding data files, downloading them, and proving that they are the files that were meant.

A file is looked for under its fixed relative name, say `tinyshakespeare/input.txt`, first in `data_dir` (default: the
environment variable TGNN_DATA_DIR), then in the user's cache (`$XDG_CACHE_HOME/tgnn` or `~/.cache/tgnn`). Only then is
it downloaded, into the cache. TGNN_DATA_DIR itself is never written to. Without a home folder there is no cache, and
what lies in the data folder is found all the same.
"""

import contextlib
import hashlib
import http.client
import os
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from tgnn.datasets.files.checksums import SHA256
from tgnn.datasets.files.transfer import MAX_BYTES, MAX_SECONDS, download

_ELSEWHERE = "set XDG_CACHE_HOME to a folder that can be written, or put the file into the folder of TGNN_DATA_DIR"


def cache_dir() -> Path:
    """The user's cache folder; it need not exist. A relative XDG_CACHE_HOME counts as unset, as its standard has it.

    Raises:
        FileNotFoundError: XDG_CACHE_HOME is unset and the user has no home folder.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if base.is_absolute():
        return base / "tgnn"
    try:
        return Path.home() / ".cache" / "tgnn"
    except RuntimeError:
        raise FileNotFoundError(f"there is no home folder, and so no cache; {_ELSEWHERE}") from None


def local_path(name: str, path: str | Path) -> Path:
    """A path on this machine.

    Raises:
        ValueError: it is an address such as s3://bucket/name, which would be taken for a folder called "s3:".
    """
    if "://" in str(path) or str(path).startswith(("s3:/", "gs:/", "http:/", "https:/", "hdfs:/")):
        raise ValueError(
            f"{name} is {str(path)!r}, expected a path on this machine; copy the files, or mount the store"
        )
    return Path(path)


def search_dirs(data_dir: str | Path | None = None) -> list[Path]:
    """The folders to search, in order: data_dir or TGNN_DATA_DIR if given, then the cache if there is one.

    Raises:
        ValueError: data_dir or TGNN_DATA_DIR is not a folder.
    """
    name = "data_dir" if data_dir is not None else "TGNN_DATA_DIR"
    given = data_dir if data_dir is not None else os.environ.get("TGNN_DATA_DIR")
    folders = []
    if given:
        folders.append(local_path(name, given))
        if not folders[0].is_dir():
            raise ValueError(f"{name} is {str(given)!r}, expected a folder that exists; correct it, or leave it unset")
    with contextlib.suppress(FileNotFoundError):
        folders.append(cache_dir())
    return folders


def find(path: str, data_dir: str | Path | None = None, sha256: str | None = None) -> Path | None:
    """The file named `path` in the search folders, verified, or None.

    Args:
        path: relative name with forward slashes.
        data_dir: folder to search before the cache; default TGNN_DATA_DIR.
        sha256: expected digest; default the pinned one. A file without a pinned digest is not verified.

    Raises:
        ValueError: the file is there, but is not the file that was pinned.
    """
    expected = sha256 or SHA256.get(path)
    for folder in search_dirs(data_dir):
        candidate = folder / path
        if os.path.isfile(candidate):  # False too for what lies in a folder that may not be read
            if expected is not None:
                with candidate.open("rb") as file:
                    got = hashlib.file_digest(file, "sha256").hexdigest()
                remedy = "delete it, and put or download it again"
                _check_digest(candidate, candidate.stat().st_size, got, expected, remedy)
            return candidate
    return None


def require(path: str | Sequence[str], remedy: str, data_dir: str | Path | None = None) -> Path:
    """The first file that is there of those named `path`, verified, for files that cannot be downloaded as they are.

    Raises:
        FileNotFoundError: none is; the message ends in `remedy`.
    """
    paths = [path] if isinstance(path, str) else path
    for each in paths:
        found = find(each, data_dir)
        if found is not None:
            return found
    raise FileNotFoundError(f"{paths[0]} is not in {_places(data_dir)}; {remedy}")


def fetch(url: str, path: str, sha256: str, data_dir: str | Path | None = None, timeout: float = 30.0) -> Path:
    """The file named `path`, from the search folders or else from `url`, verified in either case.

    The body is verified before anything is written, then written beside its target and renamed: under its name the
    cache never holds a partial file, also when the process dies or two of them download at once. What a process that
    was killed while writing has left under a hidden name, a later download of the same file removes.

    Args:
        url: http(s) or file address.
        path: relative name with forward slashes.
        sha256: expected digest in hexadecimal.
        data_dir: folder to search before the cache; default TGNN_DATA_DIR.
        timeout: seconds without any byte before giving up; the whole file may take `MAX_SECONDS`.

    Raises:
        FileNotFoundError: it is nowhere, and the download failed.
        OSError: the cache cannot be written.
        ValueError: what was found or downloaded has another digest.
    """
    found = find(path, data_dir, sha256)
    if found is not None:
        return found
    target = cache_dir() / path
    with _writing(target):
        _make_room(target)  # before minutes are spent on a download that could not be kept
    try:
        data = download(url, timeout, max_bytes=MAX_BYTES, max_seconds=MAX_SECONDS)
    except (OSError, http.client.HTTPException) as error:
        raise FileNotFoundError(
            f"{path} is not in {_places(data_dir)}, and {url} could not be read ({error}); "
            f"go online, or save that address as {path} in the folder that TGNN_DATA_DIR names"
        ) from error
    remedy = "nothing was saved; try again, or fetch it by hand"
    _check_digest(url, len(data), hashlib.sha256(data).hexdigest(), sha256, remedy)
    with _writing(target):
        _write(target, data)
    return target


def check_digest(name: str, data: bytes, sha256: str) -> None:
    """What was read is what was pinned, for files that come another way: out of an archive, or of a package.

    Raises:
        ValueError: it is not.
    """
    _check_digest(name, len(data), hashlib.sha256(data).hexdigest(), sha256, "get it again")


def _places(data_dir: str | Path | None) -> str:
    return " or ".join(map(str, search_dirs(data_dir))) or "any folder"


def _check_digest(name, size: int, got: str, expected: str, remedy: str) -> None:
    if got != expected:
        raise ValueError(
            f"{name} is truncated or not the expected file: {size} bytes with sha256 {got}, "
            f"expected {expected}; {remedy}"
        )


@contextlib.contextmanager
def _writing(target: Path):
    try:
        yield
    except OSError as error:
        raise type(error)(f"{target} could not be written ({error}); {_ELSEWHERE}") from error


def _make_room(target: Path) -> None:
    """A folder that can be written, without what processes that were killed have left."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f".{target.name}.*"):
        with contextlib.suppress(FileNotFoundError):  # removed by its own process, just now
            if time.time() - left.stat().st_mtime > MAX_SECONDS:
                left.unlink()
    if not os.access(target.parent, os.W_OK):
        raise PermissionError(f"{target.parent} is read-only")


def _write(target: Path, data: bytes) -> None:
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
