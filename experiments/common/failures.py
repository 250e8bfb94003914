"""What can go wrong outside the experiment, in one sentence that says how to go on, instead of a traceback."""

import errno
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from tgnn.train.interrupts import terminate

INTERRUPTED = 130  # the exit status of a process that Ctrl-C ends
CANNOT_WRITE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.EIO}
# Libraries in C++ raise errors of their own kinds, with the system's words in them.
WORDS = ("No space left on device", "Disk quota exceeded", "Read-only file system", "Permission denied")


class Mistake(ValueError):
    """A mistake on the command line that only the run itself can see, such as --resume of another run."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, after what was done has been saved; the message says where, and how to go on."""


@contextmanager
def mistakes(name: str, *kinds: type[Exception]) -> Iterator[None]:
    """Errors of these kinds inside end the process with exit status 2 and one line instead of a traceback."""
    try:
        yield
    except kinds as error:
        # The system's own say nothing of a remedy; those of the data sets do, and have no file name.
        if isinstance(error, FileNotFoundError) and error.filename is not None:
            raise
        stop(name, str(error), 2)


@contextmanager
def failures(name: str, remedy: str) -> Iterator[None]:
    """Ctrl-C and places that cannot be written end the process with one line: what happened, and the remedy.

    SIGTERM, the polite way to kill, is taken for Ctrl-C: what is done is saved.
    """
    try:
        with terminating_politely():
            yield
    except KeyboardInterrupt as interrupt:
        words = str(interrupt) or "interrupted"
        stop(name, words if "--resume" in words else f"{words}; {remedy}", INTERRUPTED)
    except Exception as error:
        reason = cannot_write(error)
        if reason is None:
            raise
        stop(name, f"{reason}; {remedy}", 1)


@contextmanager
def terminating_politely() -> Iterator[None]:
    """Turns SIGTERM into Ctrl-C, which `fit` holds back until a step is done; only the main thread may."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def stop(name: str, words: str, status: int) -> NoReturn:
    """Ends the process with a line on the error stream."""
    print(f"python -m experiments.{name}: {words}", file=sys.stderr)
    raise SystemExit(status) from None


def cannot_write(error: BaseException | None) -> str | None:
    """What the system says, if an error or one of its causes is that a file cannot be written; else None."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in CANNOT_WRITE:
            return f"{error.filename or 'the run folder'} cannot be written ({error.strerror})"
        if found := next((words for words in WORDS if words in str(error)), None):
            return f"a file cannot be written ({found})"
        error = error.__cause__ or error.__context__
    return None


def check_writable(option: str, folder: Path) -> None:
    """Makes a folder if it is missing and writes into it what is removed at once.

    Raises:
        ValueError: nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".tgnn-") as file:
            file.write(bytes(4096))  # a full disk may still have room for an empty file
            file.flush()
    except OSError as error:
        raise ValueError(
            f"{option} needs a place where files can be written, but {str(folder)!r} is none ({error.strerror}); "
            "choose another"
        ) from error


def check_file(option: str, path: Path) -> None:
    """The same for the place of a file, before any work is done for it."""
    if path.is_dir():
        raise ValueError(f"{option} must be a file, but {str(path)!r} is a folder; add a name")
    check_writable(option, path.parent)
