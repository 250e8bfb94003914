"""A network on choices as a task: trained pair by pair, scored by the first items of every user."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.common.figures import learning_curves
from experiments.common.training import Task, num_parameters
from experiments.recommend.config import Config
from experiments.recommend.data import Choices
from experiments.recommend.drawing import draw, make_pool
from experiments.recommend.models import Network, inner_products
from experiments.recommend.sampling import make_sampler
from tgnn.graphs.host import pair_key
from tgnn.links import rank_unseen, sample_senders
from tgnn.metrics import ndcg_of_hits, recall_of_hits
from tgnn.train.batches import batch_indices
from tgnn.train.losses import bpr_loss
from tgnn.typing import Array, Params


def make_task(network: Network, config: Config, choices: Choices) -> Task:
    """Trained on BPR over the whole graph, or over neighbours of those users and items that the batch compares."""
    graph: Any = choices.graph
    not_chosen = choices.not_chosen
    everybody = np.arange(choices.num_users + choices.num_items)
    sample = make_sampler(choices, config) if network.sampled else None
    if sample is not None:  # to score
        graph = sample(everybody, seed=0, step=0)
        everybody = graph.seeds
    pool = make_pool(choices) if config.on_device else None
    batch_size, size = min(config.batch_size, len(choices.train.users)), num_parameters(network.init)
    vectors, measure = jax.jit(network.apply), ranker(choices, config)

    def loss(params: Params, batch: tuple, rng: Array) -> tuple[Array, dict]:
        # int32 [3, batch_size] twice: users, chosen and other items, all as nodes; and the rows of their vectors
        nodes, rows, graph = batch
        if config.on_device:
            nodes = rows = draw(rng, nodes, batch_size, choices.num_users, choices.num_items)
        user, chosen, other = network.apply(params, graph)[rows]
        ranked = bpr_loss((user * chosen).sum(-1), (user * other).sum(-1))
        squares = jnp.square(params["embedding"][nodes]).sum() / nodes.shape[1]
        return ranked + (config.l2 or 0.0) / 2 * squares, {"bpr": ranked}

    def nodes_of(seed: int, step: int) -> np.ndarray:
        pairs = choices.train[batch_indices(step, len(choices.train.users), batch_size, seed=seed)]
        other = sample_senders(not_chosen, pairs.users, seed=seed, step=step)[:, 0]
        items = np.stack([pairs.items, other]) + choices.num_users
        return np.concatenate([pairs.users[None], items]).astype(np.int32)

    def batches(seed: int):
        if pool is not None:
            return lambda step: (pool, pool, graph)
        if sample is None:
            return lambda step: (nodes := nodes_of(seed, step), nodes, graph)
        draw_hops = sample
        # One shape, but for steps that need more.
        sizes = draw_hops(nodes_of(0, 0).ravel(), seed=0, step=0).sizes

        def batch_at(step: int):
            nodes = nodes_of(seed, step)
            hops = draw_hops(nodes.ravel(), seed=seed, step=step, sizes=sizes)
            return nodes, hops.seeds.reshape(nodes.shape), hops

        return batch_at

    def score(params: Params) -> dict[str, float]:
        x = vectors(params, graph)[everybody]
        return measure(inner_products, x[: choices.num_users], x[choices.num_users :])

    names = measured_names(choices, config)

    def figures(params: Params, folder: Path) -> list[Path]:
        return [learning_curves(folder, names, f"{choices.part} pairs")]

    return Task(
        init=network.init,
        loss=loss,
        optimizer=optax.adam(config.learning_rate),
        batches=batches,
        num_steps=config.num_steps,
        score=lambda params: score(params) | {"parameters": size},
        evaluate=score,
        evaluate_every=config.evaluate_every,
        figures=figures,
        log_every=10,
    )


def measured_names(choices: Choices, config: Config) -> tuple[str, str]:
    """What is measured."""
    return f"{choices.part}_recall@{config.top}", f"{choices.part}_ndcg@{config.top}"


def ranker(choices: Choices, config: Config) -> Callable[..., dict[str, float]]:
    """A function from scores to recall and NDCG: of all items that a user has not in train, as published."""
    count = np.bincount(choices.scored.users, minlength=choices.num_users)
    users, seen = np.flatnonzero(count), choices.seen
    wanted = np.sort(pair_key(choices.scored.items, choices.scored.users, choices.num_items))
    names = measured_names(choices, config)

    def measure(score: Callable[..., Array], *args) -> dict[str, float]:
        first = rank_unseen(score, seen, config.top, *args, receivers=users, block=config.block)
        keys = np.where(first >= 0, pair_key(first, users[:, None], choices.num_items), -1)  # [n_user, top]
        hits = wanted[np.minimum(np.searchsorted(wanted, keys), len(wanted) - 1)] == keys
        values = recall_of_hits(hits, count[users]), ndcg_of_hits(hits, count[users])
        return {name: float(value) for name, value in zip(names, values, strict=True)}

    return measure
