"""Starts the processes of one distributed run on this machine: `python -m experiments.launch 2 language --model lstm`.

Each is given `python -m experiments.NAME --distributed` with the same options, and is told where the others are. What
the first says is shown; of another that fails, what it said last. Ctrl-C and SIGTERM save and stop all of them.
"""

import contextlib
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from typing import IO

from tgnn.sharding.processes import VARIABLES

PATIENCE = 60.0  # seconds to end after one has failed, or after all were told to stop


def environments(number: int) -> list[dict[str, str]]:
    """What each process is told: where the first one is, how many there are, and which it is."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    return [dict(zip(VARIABLES, (address, str(number), str(i)), strict=True)) for i in range(number)]


def run(number: int, name: str, options: Sequence[str]) -> int:
    """Their exit status: that of the first one of all that failed, or 0."""
    command = [sys.executable, "-m", f"experiments.{name}", *options, "--distributed"]
    with contextlib.ExitStack() as files:
        said: list[IO | None] = [None]
        said += [files.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8")) for _ in range(number - 1)]
        processes = [
            subprocess.Popen(command, env={**os.environ, **told}, stdout=file, stderr=file)
            for told, file in zip(environments(number), said, strict=True)
        ]
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all of them
        told_to_stop = threading.Event()

        def stop(*_):
            told_to_stop.set()
            for process in processes:
                process.terminate()

        signal.signal(signal.SIGTERM, stop)
        failed = wait(processes, told_to_stop)
        if failed is not None and (file := said[failed]) is not None:
            file.seek(0)
            print(f"process {failed}:", *file.readlines()[-20:], sep="\n", file=sys.stderr)
        return 0 if failed is None else processes[failed].returncode


def wait(processes: Sequence[subprocess.Popen], told_to_stop: threading.Event) -> int | None:
    """Waits for all, and kills those that go on long after one has failed or all were told to stop.

    Returns which one failed first. Those that wait for others in a collective operation hear no signal.
    """
    failed, left, ends = None, set(range(len(processes))), math.inf
    while left:
        for i in sorted(left):
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = processes[i].wait(0.1)
                left.remove(i)
                failed = i if status and failed is None else failed
        if failed is not None or told_to_stop.is_set():
            ends = min(ends, time.monotonic() + PATIENCE)
        if time.monotonic() > ends:
            for i in left:
                processes[i].kill()
    return failed


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    given = list(sys.argv[1:] if argv is None else argv)
    if len(given) < 2 or not given[0].isdecimal() or int(given[0]) < 1:
        print(f"{__doc__}\nusage: python -m experiments.launch PROCESSES NAME [OPTIONS]", file=sys.stderr)
        return 2
    return run(int(given[0]), given[1], given[2:])


if __name__ == "__main__":
    sys.exit(main())
