"""Small runs of experiments that save all the time, started, killed and resumed; and the bits that they end with."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from tgnn.train import checkpoint

# What the command line does, but with a checkpoint after every second step, and more steps than a test needs.
PROGRAM = """
import dataclasses, importlib, sys
from experiments.common import training
name, *arguments = sys.argv[1:]
run, config = (importlib.import_module(f"experiments.{name}.{part}") for part in ("run", "config"))
config.PRESETS["smoke"] = dataclasses.replace(config.PRESETS["smoke"], num_steps=40)
fit = training.fit
training.fit = lambda *args, **named: fit(*args, **{**named, "save_every": 2, "log_every": 1})
run.main(arguments)
"""
RUNS = {
    "language": ("language", "--model", "lstm"),  # which carries a state from batch to batch
    "molecules": ("molecules", "--model", "mpnn_sum", "--dataset", "zinc"),
}
TIMING = ("seconds", "bytes")  # parts of the names of metrics that no two runs share


def start(name: str, folder: Path, resume: bool) -> subprocess.Popen:
    """A process that trains, or goes on training, in a folder."""
    options = ["--preset", "smoke", "--run-dir", str(folder), *(["--resume"] if resume else [])]
    command = [sys.executable, "-c", PROGRAM, *RUNS[name], *options]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen) -> None:
    """Waits for its end, which must be a good one."""
    _, error = process.communicate()
    if process.returncode:
        raise AssertionError(f"a run ended with status {process.returncode}:\n{error[-3000:]}")


def run_folder(folder: Path) -> Path:
    """That of the one seed, once it is there."""
    return next(iter(folder.glob("smoke-*-seed0")), folder / "none")


def wait_for(process: subprocess.Popen, is_there, seconds: float = 600.0) -> bool:
    """Whether something came about before the process ended; looks a thousand times a second."""
    ends = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < ends:
        if is_there():
            return True
        time.sleep(0.001)
    return False


def is_saving(folder: Path) -> bool:
    """Whether a checkpoint is being written."""
    saves = run_folder(folder) / "checkpoints"
    return saves.is_dir() and any(name.startswith(".partial-") for name in os.listdir(saves))


def has_begun(folder: Path, process: subprocess.Popen) -> bool:
    """Whether it has begun its first save; what one before it left of a save is gone then."""
    lock = run_folder(folder) / "checkpoints" / ".lock"
    return lock.exists() and f"process {process.pid} " in lock.read_text(encoding="utf-8")


def end_of(folder: Path) -> dict[str, Any]:
    """What a run leaves: every array of its last checkpoint, bit by bit, and its metrics but for times."""
    saves = run_folder(folder) / "checkpoints"
    step, _ = checkpoint.find(saves)
    with ocp.StandardCheckpointer() as checkpointer:
        arrays = checkpointer.restore(saves / str(step) / "arrays")
    is_key = lambda x: jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)  # noqa: E731
    bits = {name: np.asarray(jax.random.key_data(x) if is_key(x) else x).tobytes() for name, x in arrays.items()}
    (results,) = [path for path in folder.glob("smoke*.json") if "seed" not in path.name]
    metrics = json.loads(results.read_text(encoding="utf-8"))["metrics"]
    kept = {name: found["values"] for name, found in metrics.items() if not any(word in name for word in TIMING)}
    return {"step": step, **bits, **kept}


def differences(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """The names of what is not the same."""
    return sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
