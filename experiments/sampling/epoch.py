"""An epoch of GraphSAGE on samples: every node is a seed once, and the graph itself never meets the device."""

import resource
import sys
import time
from functools import partial
from typing import Any

import jax
import numpy as np
import optax

from experiments.sampling.config import Config
from experiments.sampling.graph import in_edges, make_edges, make_nodes
from tgnn import models
from tgnn.sampling import Hops, prefetch, run_hops, sample_neighbors, take
from tgnn.train.batches import batch_indices
from tgnn.train.losses import cross_entropy
from tgnn.typing import Array, Params


def epoch(config: Config, seed: int) -> dict[str, Any]:
    """Seconds, losses at both ends, compiled programs and the most memory of the process, its start included."""
    started = time.perf_counter()
    graph = in_edges(make_edges(config), config)  # the edges as they were made are forgotten
    features, labels = make_nodes(config)
    made = time.perf_counter()
    optimizer = optax.adam(config.learning_rate)
    params = models.init_graph_sage(
        jax.random.key(seed), (config.feature_dim, *[config.hidden_dim] * (len(config.fanouts) - 1), config.num_classes)
    )
    state, sizes = optimizer.init(params), sampled(config, graph, seed, 0).sizes

    def batch(i: int) -> tuple[Hops, np.ndarray, np.ndarray]:
        hops = sampled(config, graph, seed, i, sizes)
        return hops, take(features, hops.nodes), labels[seeds_of(config, seed, i)]

    @partial(jax.jit, donate_argnums=(0, 1))
    def step(params: Params, state: Any, hops: Hops, x: Array, wanted: Array) -> tuple:
        loss = lambda p: cross_entropy(run_hops(models.graph_sage, p, hops, x)[hops.seeds], wanted)  # noqa: E731
        value, gradient = jax.value_and_grad(loss)(params)
        updates, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), state, value

    steps, losses, shapes = config.num_nodes // config.batch_size, [], set()
    for i, (hops, x, wanted) in enumerate(prefetch(batch, range(steps))):
        params, state, value = step(params, state, hops, x, wanted)
        losses.append(float(value))
        shapes.add(hops.sizes)
        if (i + 1) % 100 == 0:
            print(f"step {i + 1} of {steps}: loss {np.mean(losses[-100:]):.4f}, {peak_gigabytes():.2f} GB", flush=True)
    few = max(1, steps // 20)
    return {
        "epoch_seconds": time.perf_counter() - made,
        "setup_seconds": made - started,
        "peak_gigabytes": peak_gigabytes(),
        "loss_first": float(np.mean(losses[:few])),
        "loss_last": float(np.mean(losses[-few:])),
        "steps": steps,
        "shapes": len(shapes),
    }


def seeds_of(config: Config, seed: int, step: int) -> np.ndarray:
    """The nodes of a step."""
    return batch_indices(step, config.num_nodes, config.batch_size, seed=seed)


def sampled(config: Config, graph, seed: int, step: int, sizes=None) -> Hops:
    """Their neighbourhoods."""
    return sample_neighbors(graph, seeds_of(config, seed, step), config.fanouts, seed=seed, step=step, sizes=sizes)


def peak_gigabytes() -> float:
    """The most memory that this process has held, in units of 10 ** 9 bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
