"""From the start of a process to the end of its first training step, imports included."""

import atexit
import dataclasses
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import jax
import numpy as np

from experiments.common.programs import SECONDS
from experiments.speed.cases import citation, language
from experiments.speed.cases.case import Case
from experiments.speed.cases.training import TOLERANCE
from experiments.speed.contestant import Contestant
from tgnn.datasets.sparse import normalize_rows
from tgnn.nn.transformer import init_language_model
from tgnn.planning.cost import Cost

ROOT = Path(__file__).parents[3]
PEERS = {"gat": ("PyG", "gat_in_pyg", "torch_geometric"), "gpt": ("torch", "gpt_in_torch", "torch")}


def cases(family, size, config, data_dir) -> list[Case]:
    """start-gat and start-gpt, each also with -tiny; ours also with the programs that an earlier start has kept."""
    model, _, small = size.partition("-")
    peer, program, package = PEERS[model]
    inputs, ours, theirs = {"gat": of_gat, "gpt": of_gpt}[model](small, data_dir)
    own = f"{model}_in_tgnn"
    sides = {
        peer: lambda: fresh(program, inputs, theirs, needs=package),
        "tgnn": lambda: fresh(own, inputs, ours),
        "tgnn, programs kept": lambda: fresh(own, inputs, ours, keep=True),
    }
    nothing = Cost(0, 0, 0, 0, 0)
    return [Case(f"{family}-{size}", peer, sides, nothing, nothing, TOLERANCE)]


def of_gat(small: str, data_dir: Path | None) -> tuple[dict, dict, dict]:
    """Cora, and weights in both orders."""
    graph = citation.load(small or "cora", data_dir)
    params = citation.first_weights(graph)
    indptr, indices, values, shape = normalize_rows(graph.features)
    seen = np.where(np.isin(np.arange(len(graph.labels)), graph.train), graph.labels, -1)
    rows = {"indptr": indptr, "indices": indices, "values": values, "shape": np.array(shape)}
    ends = {"senders": graph.senders, "receivers": graph.receivers}
    return rows | ends | {"labels": graph.labels, "train_labels": seen}, numbered(params), citation.to_torch(params)


def of_gpt(small: str, data_dir: Path | None) -> tuple[dict, dict, dict]:
    """A batch of random characters, and weights in both orders."""
    sizes = dataclasses.replace(language.SIZES[small or "small"], stacked=True)  # what the sizes default to
    params = init_language_model(jax.random.key(0), sizes.transformer(language.VOCAB))
    shape = sizes.batch_size, sizes.context + 1
    tokens = np.random.default_rng(0).integers(0, language.VOCAB, shape).astype(np.int32)
    numbers = np.array([language.VOCAB, sizes.num_layers, sizes.model_dim, sizes.num_heads])
    return {"tokens": tokens, "sizes": numbers}, numbered(params), language.to_torch(params)


def numbered(params) -> dict[str, np.ndarray]:
    """Leaves in their order."""
    return {str(i): np.asarray(x) for i, x in enumerate(jax.tree.leaves(params))}


def fresh(program: str, inputs: dict, weights: dict, *, needs: str = "tgnn", keep: bool = False) -> Contestant:
    """A process a call; with `keep` JAX keeps its programs in a folder, which the first start fills."""
    if importlib.util.find_spec(needs) is None:
        raise ModuleNotFoundError(f"No module named {needs!r}")
    folder = Path(tempfile.mkdtemp(prefix="tgnn-start-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name, arrays in (("inputs", inputs), ("weights", weights)):
        np.savez(folder / f"{name}.npz", **arrays)
    environment = {name: x for name, x in os.environ.items() if not name.startswith("JAX") or "CACHE" not in name}
    if keep:
        environment["JAX_COMPILATION_CACHE_DIR"] = str(folder / "programs")
        environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = str(SECONDS)
    command = [sys.executable, "-m", f"experiments.speed.starts.{program}"]

    def losses_of(*files: str) -> list[np.ndarray]:
        paths = [str(folder / f"{name}.npz") for name in files]
        done = subprocess.run([*command, *paths], cwd=ROOT, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{program} ended with status {done.returncode}: {done.stderr.strip()[-300:]}")
        return [np.array(done.stdout.split(), np.float32)]

    if keep:
        losses_of("inputs")
    return Contestant(
        None, lambda: losses_of("inputs"), list, proof=lambda: losses_of("inputs", "weights"), elsewhere=True
    )
