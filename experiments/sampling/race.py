"""Batches of sampled neighbours a second, ours and PyG's in turn, after both were seen to give what they should."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from experiments.common import command
from experiments.sampling.config import Config
from experiments.sampling.graph import Edges, in_edges, make_edges
from experiments.sampling.peer import Peer, Sample, load_peer
from tgnn.sampling import Hops, sample_neighbors


def race(config: Config) -> tuple[dict[str, Any], str]:
    """Metrics of every round, and the name of the other side."""
    edges, found = make_edges(config), {}
    started = time.perf_counter()
    graph = in_edges(edges, config)
    found["tgnn_setup_seconds"] = time.perf_counter() - started

    def ours(seeds: np.ndarray) -> Iterator[Hops]:
        for step, some in enumerate(seeds.reshape(-1, config.batch_size)):
            yield sample_neighbors(graph, some, config.fanouts, seed=0, step=step)

    sides: dict[str, tuple[Callable, Callable]] = {"tgnn": (ours, read)}
    started = time.perf_counter()
    peer: Peer | None = load_peer(edges, config)
    if peer is not None:
        found["pyg_setup_seconds"] = time.perf_counter() - started
        sides["pyg"] = peer.batches, peer.read
    degrees, rng = graph.degrees(), np.random.default_rng(0)
    draw = lambda: rng.choice(config.num_nodes, (config.batches, config.batch_size), replace=False)  # noqa: E731
    first = draw().ravel()
    for name, (batches, read_batch) in sides.items():  # warm from here on
        seeds = first[: config.batch_size]
        sample = read_batch(next(iter(batches(seeds))))
        check(name, sample, edges, degrees, seeds, config)
        found[f"{name}_edges"] = float(len(sample.numbers))
    rounds = [draw().ravel() for _ in range(config.rounds)]
    for name in sides:
        found |= {f"{name}_batches_per_second": [], f"{name}_batches_per_cpu_second": []}
    for seeds in rounds:
        for name, (batches, _) in sides.items():
            started, cpu = time.perf_counter(), time.process_time()
            count = sum(1 for _ in batches(seeds))
            found[f"{name}_batches_per_second"].append(count / (time.perf_counter() - started))
            found[f"{name}_batches_per_cpu_second"].append(count / (time.process_time() - cpu))
    if peer is not None:
        for kind in ("second", "cpu_second"):
            ours_, theirs = (found[f"{side}_batches_per_{kind}"] for side in sides)
            found[f"ratio_per_{kind}"] = [a / b for a, b in zip(ours_, theirs, strict=True)]
    return found, "none" if peer is None else peer.name


def read(hops: Hops) -> Sample:
    """All edges of a sample, layer after layer; an edge may be drawn in both, since each layer draws anew."""
    parts = []
    for layout, numbers in zip(hops.layouts, hops.edges, strict=True):
        live = np.asarray(layout.live)
        ends = (hops.nodes[np.asarray(x)[live]] for x in (layout.senders, layout.receivers))
        parts.append((*ends, np.asarray(numbers)[live]))
    return Sample(*(np.concatenate(x) for x in zip(*parts, strict=True)))


def check(name: str, sample: Sample, edges: Edges, degrees: np.ndarray, seeds: np.ndarray, config: Config) -> None:
    """Each edge is one of the graph, and every seed hears as many neighbours as were asked for, or as it has.

    Raises:
        command.Mistake: not so.
    """
    right = (edges.senders[sample.numbers] == sample.senders) & (edges.receivers[sample.numbers] == sample.receivers)
    heard = np.bincount(sample.receivers, minlength=len(degrees))
    draws = len(config.fanouts) if name == "tgnn" else 1  # ours draws for a seed in every layer
    wanted = draws * np.minimum(degrees, config.fanouts[0])
    if len(set(config.fanouts)) == 1 and (heard[seeds] != wanted[seeds]).any():
        right = np.array([False])
    if not right.all() or not len(right):
        raise command.Mistake(f"what {name} sampled is not of the graph, or not as much as was asked for")
