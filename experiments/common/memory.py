"""Freed memory stays with the process: a step on a CPU does not ask the system for the same pages again."""

import ctypes
import sys

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # as in malloc.h of the GNU C library
MOST = 2**31 - 1  # bytes; an int


def keep_memory() -> bool:
    """Lets the GNU C library keep what is freed, up to 2 GiB; elsewhere nothing happens.

    It gives every array over 32 MB back to the system when it is freed, and the system zeroes the pages when they are
    touched again: a fifth of a small language model's training step, and more on a virtual machine. The environment
    variables MALLOC_TRIM_THRESHOLD_ and MALLOC_MMAP_THRESHOLD_ say the same before a process starts.

    Returns:
        Whether the library took both numbers.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all([mallopt(name, MOST) for name in (TRIM_THRESHOLD, MMAP_THRESHOLD)])
