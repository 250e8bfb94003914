"""Finding data files, downloading them, and proving that they are the files that were meant.

A file is looked for under its fixed relative name, say `tinyshakespeare/input.txt`, first in `data_dir` (default: the
environment variable TGNN_DATA_DIR), then in the user's cache (`$XDG_CACHE_HOME/tgnn` or `~/.cache/tgnn`). Only then is
it downloaded, into the cache. TGNN_DATA_DIR itself is never written to.
"""

import contextlib
import hashlib
import http.client
import os
import time
import urllib.request
import uuid
from pathlib import Path

from tgnn.datasets.files.checksums import SHA256

MAX_BYTES = 1 << 26  # the largest file that any loader downloads is 6 MB
MAX_SECONDS = 600  # for one file: a server that sends a byte now and then defeats a socket timeout


def cache_dir() -> Path:
    """The user's cache folder; it need not exist."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tgnn"


def search_dirs(data_dir: str | Path | None = None) -> list[Path]:
    """The folders to search, in order: data_dir or TGNN_DATA_DIR if given, then the cache.

    Raises:
        ValueError: data_dir or TGNN_DATA_DIR is not a folder.
    """
    name = "data_dir" if data_dir is not None else "TGNN_DATA_DIR"
    given = data_dir if data_dir is not None else os.environ.get("TGNN_DATA_DIR")
    if not given:
        return [cache_dir()]
    if not Path(given).is_dir():
        raise ValueError(f"{name} is {str(given)!r}, expected a folder that exists; correct it, or leave it unset")
    return [Path(given), cache_dir()]


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
        if candidate.is_file():
            if expected is not None:
                _check_digest(candidate, candidate.read_bytes(), expected, "delete it, and put or download it again")
            return candidate
    return None


def require(path: str, remedy: str, data_dir: str | Path | None = None) -> Path:
    """The file named `path`, verified, for files that cannot be downloaded as they are.

    Raises:
        FileNotFoundError: it is nowhere; the message ends in `remedy`.
    """
    found = find(path, data_dir)
    if found is None:
        folders = " or ".join(map(str, search_dirs(data_dir)))
        raise FileNotFoundError(f"{path} is not in {folders}; {remedy}")
    return found


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
        timeout: seconds without any byte before giving up.

    Raises:
        FileNotFoundError: it is nowhere, and the download failed.
        ValueError: what was found or downloaded has another digest.
    """
    found = find(path, data_dir, sha256)
    if found is not None:
        return found
    target = cache_dir() / path
    try:
        data = _download(url, timeout)
    except (OSError, http.client.HTTPException) as error:
        folders = " or ".join(map(str, search_dirs(data_dir)))
        raise FileNotFoundError(
            f"{path} is not in {folders}, and {url} could not be read ({error}); "
            f"go online, or save that address as {path} in the folder that TGNN_DATA_DIR names"
        ) from error
    _check_digest(url, data, sha256, "nothing was saved; try again, or fetch it by hand")
    _write(target, data)
    return target


def _download(url: str, timeout: float) -> bytes:
    deadline = time.monotonic() + MAX_SECONDS
    chunks, size = [], 0
    with urllib.request.urlopen(url, timeout=timeout) as response:
        while chunk := response.read1(1 << 16):  # at most one wait for the network a turn
            chunks.append(chunk)
            size += len(chunk)
            if size > MAX_BYTES:
                raise ValueError(f"{url} is longer than {MAX_BYTES} bytes, which no file here is; nothing was saved")
            if time.monotonic() > deadline:
                raise TimeoutError(f"not complete after {MAX_SECONDS} seconds")
    return b"".join(chunks)


def _check_digest(name, data: bytes, expected: str, remedy: str) -> None:
    got = hashlib.sha256(data).hexdigest()
    if got != expected:
        raise ValueError(
            f"{name} is truncated or not the expected file: {len(data)} bytes with sha256 {got}, "
            f"expected {expected}; {remedy}"
        )


def _write(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f".{target.name}.*"):  # by processes that were killed
        with contextlib.suppress(FileNotFoundError):  # by its own process, just now
            if time.time() - left.stat().st_mtime > MAX_SECONDS:
                left.unlink()
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
