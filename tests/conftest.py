"""Settings and fixtures of the whole suite."""

import gc
import os
import signal
from importlib.metadata import version
from pathlib import Path

# Before JAX is imported: the suite's numbers and timings are those of a CPU unless the caller names another platform.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Nearly all of the suite's time is compilation, and half of that is LLVM's optimiser: tests do without it. XLA's own
# passes, which decide operations and memory, stay on. `XLA_FLAGS= make test-all` (as in .ci/run) tests optimised code.
# The older emitters compile 2.5 times faster still; a later XLA refuses the flag.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    + (" --xla_cpu_use_fusion_emitters=false" if version("jaxlib").startswith("0.10.") else ""),
)

# The places in the source that operations come from are a fifth of the time until a program runs; nobody reads them.
os.environ.setdefault("JAX_TRACEBACK_IN_LOCATIONS_LIMIT", "0")

# Some tests change the folder, and a relative path would no longer lead to the data.
if os.environ.get("TGNN_DATA_DIR"):
    os.environ["TGNN_DATA_DIR"] = str(Path(os.environ["TGNN_DATA_DIR"]).resolve())

# No program comes from disk: some tests read the compiled program and its memory.
os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"

import hypothesis
import jax
import pytest

# A shell ignores Ctrl-C for what it runs in the background, and Python keeps it so: some tests send that signal.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Broadcasting between ranks is written out: [n, 1] + [n, m], never [m] + [n, m].
jax.config.update("jax_numpy_rank_promotion", "raise")

# The same examples on every machine, and no deadline: the first example of a shape pays for the compilation.
hypothesis.settings.register_profile("tgnn", derandomize=True, deadline=None)
hypothesis.settings.load_profile("tgnn")

# Tracing makes so many small objects that looking for cycles every 700 of them is a twentieth of the suite's time.
gc.set_threshold(50_000, 10, 10)

MAPS, MOST_MAPS = Path("/proc/self/maps"), Path("/proc/sys/vm/max_map_count")
finished = 0  # tests of this process


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown():
    """Forgets compiled programs before they fill the process's table of memory maps, after which LLVM crashes.

    A program takes about 18 maps, a slow test about 150, and Linux allows 65,530: some 400 slow tests in one process.
    Counting takes 20 ms, so every 50th test does.
    """
    global finished
    finished += 1
    if finished % 50 == 0 and MAPS.exists() and MOST_MAPS.exists():
        if len(MAPS.read_bytes().splitlines()) > int(MOST_MAPS.read_text()) / 2:
            jax.clear_caches()
            gc.collect()


@pytest.fixture
def data_dir():
    """A function from the name of a data set to its folder in TGNN_DATA_DIR; skips the test where it is missing."""

    def folder(name: str) -> Path:
        root = os.environ.get("TGNN_DATA_DIR")
        if not root:
            pytest.skip(f"needs the data set {name!r}: set TGNN_DATA_DIR to the folder that holds it")
        path = Path(root) / name
        if not path.is_dir():
            pytest.skip(f"needs the data set {name!r}: no folder {name!r} in TGNN_DATA_DIR")
        return path

    return folder
