"""`make gpu`: everything that needs an accelerator, in one command of some minutes, and one JSON of what it found.

Each stage is a process of its own with a limit: equality (what is chosen on the device computes what the definition
does on a CPU), speed (`experiments.speed --preset gpu`, beside PyG and torch where they are installed) and training (a
language model and a graph network). A stage that fails or runs out of time is in the file too.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

PATH = re.compile(r"(?:/[\w.+-]+)+/([\w.+-]+)")  # of this machine, of which the name is kept
PACKAGES = "jax", "jaxlib", "flax", "optax", "torch", "torch_geometric"


def stages(folder: Path) -> dict[str, tuple[int, list[str]]]:
    """Each with its limit in seconds and its arguments of Python."""
    quiet = ["-q", "-p", "no:cacheprovider", "-p", "no:benchmark", "-W", "ignore::DeprecationWarning"]
    train = {name: ["--run-dir", str(folder / name)] for name in ("citation", "language")}
    parallel = ["-n", "8"] if find_spec("xdist") else []
    return {
        "equality": (150, ["-m", "pytest", *quiet, "tests/attention/test_devices.py", *parallel]),
        "speed": (240, ["-m", "experiments.speed", "--preset", "gpu", "--threads", str(os.cpu_count() or 1)]),
        # Many seeds at once, and nanoGPT's setting for an accelerator.
        "citation": (
            60,
            ["-m", "experiments.citation", "--preset", "full", "--model", "gat", "--seeds", "25", *train["citation"]],
        ),
        "language": (180, ["-m", "experiments.language", "--preset", "full", *train["language"]]),
    }


def main() -> int:
    """Exit status 1 where a stage failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=Path("docs/accelerator.json"))
    parser.add_argument("--only", nargs="*", help="these stages; what the file says of others stays")
    parser.add_argument("--seconds", type=float, default=470, help="the most that all stages take together")
    options = parser.parse_args()
    ends = time.perf_counter() + options.seconds
    found = json.loads(options.json.read_text())["stages"] if options.only and options.json.exists() else {}
    with tempfile.TemporaryDirectory(prefix="tgnn-accelerator-") as name:
        folder = Path(name)
        for stage, (limit, arguments) in stages(folder).items():
            if options.only and stage not in options.only:
                continue
            path = folder / f"{stage}.json"
            if stage != "equality":
                arguments = [*arguments, "--json", str(path)]
            found[stage] = run(stage, min(limit, ends - time.perf_counter()), arguments)
            if path.exists():
                found[stage]["record"] = json.loads(path.read_text())
            keep(options.json, found)
    return int(any(x["exit_status"] for x in found.values()))


def run(stage: str, limit: float, arguments: list[str]) -> dict:
    """Runs a stage: seconds, exit status (124 where it ran out of time), and the end of what it printed."""
    print(f"== {stage}", flush=True)
    more = {"JAX_PLATFORMS": "", "XLA_FLAGS": os.environ.get("XLA_FLAGS", "")}  # tests would choose the CPU
    more["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # torch wants memory too
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as words:
        try:
            command = [sys.executable, "-u", *arguments]
            status = subprocess.run(
                command, env=os.environ | more, stdout=words, stderr=words, timeout=limit
            ).returncode
        except subprocess.TimeoutExpired:
            status = 124
        words.seek(0)
        end = PATH.sub(r"\1", words.read())[-3000:]
    seconds = time.perf_counter() - started
    print(f"{end}\n== {stage}: {seconds:.0f} s, exit status {status}", flush=True)
    return {"seconds": round(seconds, 1), "exit_status": status, "end": end}


def keep(path: Path, found: dict) -> None:
    """Writes what is known so far."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"versions": versions(), "stages": found}, indent=1) + "\n")


def versions() -> dict[str, str]:
    """Of what the figures depend on."""
    known = {}
    for name in PACKAGES:
        try:
            known[name] = version(name)
        except PackageNotFoundError:
            pass
    return known


if __name__ == "__main__":
    sys.exit(main())
