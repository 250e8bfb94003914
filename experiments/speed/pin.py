"""One pinned thread for everybody: must run before JAX or torch is imported, since both count processors then."""

import os
import sys

THREADS = "TGNN_SPEED_THREADS"


def pin(argv: list[str] | None = None) -> int:
    """Binds this process to the processors that `--threads` asks for (default 1); returns their number.

    XLA sizes its thread pool by the processors it may use, OpenMP by its environment variable.
    """
    argv = sys.argv[1:] if argv is None else argv
    threads = 1
    for i, word in enumerate(argv):
        name, _, value = word.partition("=")
        if name == "--threads":
            value = value or (argv[i + 1] if i + 1 < len(argv) else "")
            threads = int(value) if value.isdigit() and int(value) > 0 else 1
    if hasattr(os, "sched_setaffinity"):
        # The last processors: interrupts and other programs tend to start at the first.
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)
    return threads
