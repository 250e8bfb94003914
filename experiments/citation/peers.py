"""How long does an epoch of GAT on Cora take here, and in PyTorch Geometric, in one process on one machine?

    python -m experiments.citation.peers [--epochs N] [--repeats N] [--threads N] [--json FILE]

The same training on both sides: dropout, Adam with its L2 term, then validation loss and accuracy for early stopping.
PyG gets the words as a dense matrix, as its own example does. Needs the extra `bench`.
"""

# pyright: reportMissingImports=false
# The peers are installed where they are measured.

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.citation import data
from experiments.citation.config import GAT
from experiments.citation.models import build
from experiments.citation.train import fit
from experiments.common import results
from experiments.common.failures import check_file, failures, mistakes
from experiments.common.terminal import any_terminal
from tgnn.datasets import planetoid

Run = Callable[[], Any]  # trains for the given number of epochs


def ours(num_epochs: int, data_dir: Path | None) -> Run:
    """All epochs are one compiled loop."""
    graph = data.load("cora", self_loops=True, data_dir=data_dir)
    model = build("gat", GAT, graph.task.layout, graph.task.words.shape[1], graph.num_classes)

    @jax.jit
    def train(task):
        state = fit(jax.random.key(0), task, model, GAT, num_epochs)
        return state.best.params, state.epoch

    def run() -> None:
        _, done = jax.device_get(train(graph.task))
        if done != num_epochs:
            raise ValueError(f"training stopped after {done} epochs, but {num_epochs} are to be timed; ask for fewer")

    return run


def theirs(num_epochs: int, data_dir: Path | None) -> Run:
    """GATConv, after `examples/gat.py` of PyG, on the public split."""
    from experiments.citation.gat_in_torch import Tensors, Training

    graph = planetoid.load("cora", data_dir)
    training = Training(Tensors.of(graph), graph.num_classes, GAT)

    def run() -> None:
        for _ in range(num_epochs):
            training.epoch()

    return run


def compare(num_epochs: int, repeats: int, data_dir: Path | None = None) -> dict[str, list[float]]:
    """Wall and processor seconds of an epoch on both sides, in turns, after one run of each to warm up."""
    runs = {"tgnn": ours(num_epochs, data_dir), "pyg": theirs(num_epochs, data_dir)}
    for run in runs.values():
        run()
    metrics: dict[str, list[float]] = {f"{side}_{clock}": [] for side in runs for clock in ("seconds", "cpu_seconds")}
    for _ in range(repeats):
        for side, run in runs.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            metrics[f"{side}_seconds"].append((time.perf_counter() - wall) / num_epochs)
            metrics[f"{side}_cpu_seconds"].append((time.process_time() - cpu) / num_epochs)
    for clock in ("seconds", "cpu_seconds"):
        pairs = zip(metrics[f"tgnn_{clock}"], metrics[f"pyg_{clock}"], strict=True)
        metrics[f"ratio_{clock}"] = [a / b for a, b in pairs]
    return metrics


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, help="of torch; on a busy machine its waiting threads cost time: try 1")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--json", type=Path, default=Path("runs/citation/peers.json"))
    any_terminal()
    options = parser.parse_args(argv)
    if options.threads:
        torch.set_num_threads(options.threads)
    with mistakes("citation.peers", ValueError):
        check_file("--json", options.json)
    started = time.perf_counter()
    with failures("citation.peers", "nothing is kept of it: run it again"):
        metrics = compare(options.epochs, options.repeats, options.data_dir)
    config = {"epochs": options.epochs, "repeats": options.repeats, "torch_threads": torch.get_num_threads()}
    record = results.describe("citation.peers", config, metrics, time.perf_counter() - started)
    for name, values in metrics.items():
        print(f"{name}: median {np.median(values):.4g}, {min(values):.4g} to {max(values):.4g}")
    print(f"{options.epochs} epochs, torch on {config['torch_threads']} threads; {results.write(options.json, record)}")


if __name__ == "__main__":
    main()
