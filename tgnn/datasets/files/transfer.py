"""One file from the network into memory, within a size and a time."""

import queue
import threading
import time
import urllib.error
import urllib.request

MAX_BYTES = 1 << 26  # the largest file that any loader downloads is 6 MB
MAX_SECONDS = 600  # for one file: a server that sends a byte now and then defeats a socket timeout


def download(url: str, timeout: float, max_bytes: int = MAX_BYTES, max_seconds: float = MAX_SECONDS) -> bytes:
    """The body of an address.

    It is read in a thread of its own, since the headers of an answer, which may trickle too, are read in a call that
    knows no end; a thread that is late is left behind, and does not keep the process alive.

    Args:
        url: http(s) or file address.
        timeout: seconds without any byte before giving up.
        max_bytes: the most that is read; asked of the headers first.
        max_seconds: for connecting, headers and body together.

    Raises:
        OSError: it cannot be read, or not within the time.
        ValueError: it is longer than max_bytes.
    """
    results: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()

    def read() -> None:
        try:
            results.put(_read(url, timeout, max_bytes, max_seconds))
        except urllib.error.HTTPError as error:
            error.close()  # it is the answer, too, and holds the connection
            results.put(OSError(str(error)))
        except Exception as error:
            results.put(error)

    threading.Thread(target=read, daemon=True).start()
    try:
        result = results.get(timeout=max(max_seconds, 1e-3))
    except queue.Empty:
        raise TimeoutError(f"not complete after {max_seconds} seconds") from None
    if isinstance(result, Exception):
        raise result
    return result


def _read(url: str, timeout: float, max_bytes: int, max_seconds: float) -> bytes:
    chunks, size, deadline = [], 0, time.monotonic() + max_seconds
    with urllib.request.urlopen(url, timeout=timeout) as response:
        length = response.headers.get("Content-Length") or ""
        _check_size(url, int(length) if length.isdigit() else 0, max_bytes)
        while chunk := response.read1(1 << 16):  # at most one wait for the network a turn
            chunks.append(chunk)
            size += len(chunk)
            _check_size(url, size, max_bytes)
            if time.monotonic() > deadline:
                raise TimeoutError(f"not complete after {max_seconds} seconds")
    return b"".join(chunks)


def _check_size(url: str, size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise ValueError(f"{url} is longer than {max_bytes} bytes, which no file here is; nothing was saved")
