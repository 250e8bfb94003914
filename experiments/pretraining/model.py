"""One body, an embedding of atoms and bonds with layers, and two kinds of heads: what is hidden, and what is asked."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from experiments.common.packing.graphs import Batch
from experiments.common.training import dropping
from experiments.molecules.models import ATOMS_OF_A_MOLECULE, layers
from experiments.pretraining.config import Config
from experiments.pretraining.data import NUM_BONDS, SIZES
from tgnn import aggregate
from tgnn.nn.basic import (
    dropout,
    embedding,
    fold,
    init_embedding,
    init_layer_norm,
    init_linear,
    init_mlp,
    layer_norm,
    linear,
    mlp,
)
from tgnn.typing import Array, Params


class Body(NamedTuple):
    """What is pre-trained, without its parameters."""

    init: Callable[[Array], Params]  # rng -> params
    apply: Callable[..., Array]  # params, batch, atoms [n, 5], bonds [n_edge], rng=None -> [n, model_dim]


def build_body(name: str, config: Config) -> Body:
    """A model of `tgnn.models` on embedded columns and orders; each table has a row for the token."""
    middle: Any = layers(name, config)  # type: ignore

    def init(rng: Array) -> Params:
        rngs = jax.random.split(rng, len(SIZES) + 2)
        columns = [init_embedding(r, size + 1, config.model_dim) for r, size in zip(rngs[2:], SIZES, strict=True)]
        bonds = init_embedding(rngs[0], NUM_BONDS + 1, config.model_dim)
        norm = init_layer_norm(config.model_dim)
        return {"columns": columns, "bonds": bonds, "layers": middle.init(rngs[1]), "norm": norm}

    def apply(params: Params, batch: Batch, atoms: Array, bonds: Array, *, rng: Array | None = None) -> Array:
        x = sum(embedding(table, atoms[:, i]) for i, table in enumerate(params["columns"]))
        edges = embedding(params["bonds"], bonds)
        x = middle.apply(params["layers"], batch, x, edges, **dropping(config.dropout_rate, rng))
        return layer_norm(params["norm"], x)  # else a head meets larger numbers after pre-training than before it

    return Body(init, apply)


def init_questions(rng: Array, dim: int) -> Params:
    """The heads of pre-training."""
    rngs = jax.random.split(rng)
    return {"element": init_linear(rngs[0], dim, SIZES[0]), "bond": init_linear(rngs[1], dim, NUM_BONDS)}


def answer_questions(params: Params, batch: Batch, x: Array) -> tuple[Array, Array]:
    """Logits of each atom's element `[n, 119]` and of each bond's order `[n_edge, 5]`, from the sum of its ends."""
    ends = batch.layout.from_senders(x) + batch.layout.from_receivers(x)
    return linear(params["element"], x), linear(params["bond"], ends)


def init_reading(rng: Array, dim: int, outputs: int) -> Params:
    """The head of fine-tuning."""
    return init_mlp(rng, (dim, dim, outputs))


def read(params: Params, batch: Batch, x: Array, *, dropout_rate: float = 0.0, rng: Array | None = None) -> Array:
    """What is said of each molecule, from the sum over its atoms: `[n_graph, outputs]`."""
    pooled = aggregate(batch.readout, x)[: batch.n_graph] / ATOMS_OF_A_MOLECULE  # without the padding's graph
    return mlp(params, dropout(fold(rng, 0), pooled, dropping(dropout_rate, rng)["dropout_rate"]))


def broadcast(params: Params, networks: int) -> Params:
    """The same weights for several networks, along a new leading axis."""
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (networks, *leaf.shape)), params)
