"""Pre-training as a task: tell the elements of hidden atoms and the orders of hidden bonds."""

import jax
import jax.numpy as jnp
import numpy as np

from experiments.common.packing.graphs import Batch, in_order, room, union
from experiments.common.training import Task
from experiments.molecules.models import owners
from experiments.pretraining import model
from experiments.pretraining.config import Config
from experiments.pretraining.data import NUM_BONDS, tokens
from tgnn.datasets.graphs import Graphs
from tgnn.train.batches import batch_indices
from tgnn.train.losses import accuracy
from tgnn.train.masking import Hidden, hidden_loss, hide_attributes
from tgnn.train.optimizer import make_optimizer
from tgnn.train.schedules import warmup_cosine
from tgnn.typing import Array, Params


def make_task(body: model.Body, config: Config, train: Graphs, held_out: Graphs, *, pairs: bool) -> Task:
    """`pairs` lists all pairs of atoms of a molecule, for attention between them."""
    batch_size = min(config.pretraining_batch, len(train))
    space, scored = room(train, batch_size), in_order(held_out, batch_size, pairs=pairs)

    def init(rng: Array) -> Params:
        rngs = jax.random.split(rng)
        return {"body": body.init(rngs[0]), "questions": model.init_questions(rngs[1], config.model_dim)}

    def answers(params: Params, batch: Batch, hidden: Hidden, rng: Array | None) -> tuple[Array, Array]:
        x = body.apply(params["body"], batch, hidden.nodes, hidden.edges, rng=rng)
        return model.answer_questions(params["questions"], batch, x)

    def loss(params: Params, batch: Batch, rng: Array) -> tuple[Array, dict]:
        mask_rng, dropout_rng = jax.random.split(rng)
        hidden = hide(mask_rng, batch, config.mask_rate)
        elements, orders = answers(params, batch, hidden, dropout_rng)
        return hidden_loss(hidden, elements, batch.nodes[:, 0], orders, batch.edges[:, 1]), {}

    @jax.jit
    def right(params: Params, batch: Batch, rng: Array) -> tuple[Array, ...]:
        hidden = hide(rng, batch, config.mask_rate)
        elements, orders = answers(params, batch, hidden, None)
        asked = (hidden.node_mask.sum(), hidden.edge_mask.sum())
        shares = (
            accuracy(elements, batch.nodes[:, 0], hidden.node_mask),
            accuracy(orders, batch.edges[:, 1], hidden.edge_mask),
        )
        return *shares, *asked

    def score(params: Params) -> dict[str, float]:
        """Of the held-out molecules, always the same atoms."""
        rows = [right(params, batch, jax.random.fold_in(jax.random.key(0), i)) for i, batch in enumerate(scored)]
        elements, orders, atoms, bonds = (np.array(column, np.float64) for column in zip(*rows, strict=True))
        return {
            "element_accuracy": float((elements * atoms).sum() / max(atoms.sum(), 1)),
            "bond_accuracy": float((orders * bonds).sum() / max(bonds.sum(), 1)),
        }

    def batches(seed: int):
        return lambda step: union(
            train, batch_indices(step, len(train), batch_size, seed=seed), room=space, pairs=pairs
        )

    steps = config.pretraining_steps
    schedule = warmup_cosine(config.pretraining_rate, int(config.warmup_share * steps), steps)
    return Task(
        init=init,
        loss=loss,
        optimizer=make_optimizer(schedule, weight_decay=config.weight_decay),
        batches=batches,
        num_steps=steps,
        score=score,
    )


def hide(rng: Array, batch: Batch, rate: float) -> Hidden:
    """Some atoms of each molecule, the bonds that touch them, and what the data set never shows."""
    hidden = hide_attributes(
        rng,
        batch.layout,
        batch.nodes,
        batch.edges[:, 0],
        node_token=tokens(),
        edge_token=NUM_BONDS,
        rate=rate,
        graph_of_node=owners(batch),
        num_graphs=batch.n_graph,
    )
    unknown = jnp.asarray(batch.edges)[:, 0] == NUM_BONDS
    return hidden._replace(edge_mask=hidden.edge_mask | unknown)
