"""The folder of a run: a local one that can be written, used by one process at a time."""

import errno
import logging
import os
import re
import shutil
import socket
from functools import partial
from pathlib import Path

_LOG = logging.getLogger(__name__)
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # two letters or more: C:/ is a drive


def local_path(name: str, path: str | os.PathLike[str]) -> Path:
    """An absolute local path, or a ValueError: an address of remote storage would become a folder named `s3:`.

    >>> local_path("run_dir", "gs://bucket/run")
    Traceback (most recent call last):
    ValueError: run_dir must be local, got gs://bucket/run; mount the storage, or copy the finished run there
    """
    try:
        text = os.fspath(path)
    except TypeError:
        raise ValueError(f"{name} must be a path, got {path!r}; pass a string or a pathlib.Path") from None
    text = os.fsdecode(text)
    if _REMOTE.match(text):
        raise ValueError(f"{name} must be local, got {text}; mount the storage, or copy the finished run there")
    return Path(text).expanduser().resolve()


class Lock:
    """Keeps a folder for one process, or refuses; a context manager.

    The system holds the lock and drops it when the process ends, however it ends, so none is ever stale.

    Args:
        folder: made if missing; gets a file, which stays.
        name: of the file, where several locks stand in one folder.

    Raises:
        ValueError: another process holds it, or the folder cannot be written.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with Lock(folder), Lock(folder):
    ...     pass
    Traceback (most recent call last):
    ValueError: ... is in use by process ... on ...; wait until it ends, or choose another folder
    """

    def __init__(self, folder: Path, name: str = ".lock"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = (folder / name).open("a+", encoding="utf-8")
        except OSError as error:
            raise ValueError(f"{folder} cannot be written ({error.strerror}); choose another folder") from None
        if not _lock(self._file.fileno()):
            self._file.seek(0)
            holder = self._file.read().strip() or "another process"
            self._file.close()
            what = folder if name == ".lock" else folder / name
            raise ValueError(f"{what} is in use by {holder}; wait until it ends, or choose another folder")
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        self._file.flush()

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()  # which unlocks


def check_space(folder: Path, size: int) -> None:
    """A ValueError where fewer bytes than `size` are free: better before training than after it."""
    free = shutil.disk_usage(folder).free
    if free < size:
        raise ValueError(
            f"{folder} has {free / 1e6:.1f} MB left, but one checkpoint takes {size / 1e6:.1f} MB; "
            "free space, or choose another folder"
        )


def set_aside(path: Path) -> Path:
    """Renames a file or folder, so that nothing is written over it: to NAME.old-1, or the next free number."""
    number = 1
    while (aside := path.with_name(f"{path.name}.old-{number}")).exists():
        number += 1
    path.rename(aside)
    _LOG.warning("%s was there already; it is now %s", path, aside.name)
    return aside


def _lock(descriptor: int) -> bool:
    """Whether an exclusive lock on an open file could be had at once; True too where files cannot be locked at all."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        lock = partial(msvcrt.locking, descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore
    else:
        lock = partial(fcntl.flock, descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        lock()
    except OSError as error:
        return error.errno not in (errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK, errno.EDEADLK)
    return True
