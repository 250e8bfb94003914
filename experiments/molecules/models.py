"""One signature for every network: an embedding of atoms and bonds, layers, a sum over the atoms, a perceptron."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from experiments.common.packing.graphs import Batch
from experiments.common.training import dropping
from experiments.molecules.config import Config
from experiments.molecules.data import NUM_BONDS
from experiments.molecules.message_passing import init_message_passing, message_passing
from tgnn import aggregate, models
from tgnn.nn.basic import embedding, fold, init_embedding, init_linear, init_mlp, linear, mlp
from tgnn.nn.graph_positions import flip_signs
from tgnn.typing import Array, Params

ATOMS_OF_A_MOLECULE = 20.0  # about; keeps the sum over them near 1


class Layers(NamedTuple):
    """The middle of a network."""

    init: Callable[[Array], Any]  # rng -> params
    apply: Callable[..., Array]  # params, batch, atoms, bonds, dropout_rate=, rng= -> atoms


def layers(name: str, config: Config) -> Layers:
    """The layers of a model: `[n_atom, model_dim]` and `[n_bond, model_dim]` to `[n_atom, model_dim]`."""
    dims = (config.model_dim,) * (config.num_layers + 1)
    sizes = {"num_layers": config.num_layers, "model_dim": config.model_dim, "num_heads": config.num_heads}
    if name.startswith("mpnn_"):
        reduction = name.removeprefix("mpnn_")
        init = partial(init_message_passing, dims=dims, reduction=reduction)
        return Layers(init, with_bonds(partial(message_passing, reduction=reduction)))
    if name == "gin":
        return Layers(partial(models.init_gin, dims=dims), without_bonds(models.gin))
    if name == "gated_gcn":
        init = partial(models.init_gated_gcn, dims=dims, edge_dim=config.model_dim)
        return Layers(init, with_bonds(models.gated_gcn))
    sizes["edge_dim"] = config.model_dim
    if name == "gps":
        return Layers(partial(models.init_gps, **sizes), gps)
    return Layers(partial(models.init_graph_transformer, **sizes), with_bonds(models.graph_transformer))


def with_bonds(model: Callable[..., Array]) -> Callable[..., Array]:
    return lambda params, batch, atoms, bonds, **options: model(params, batch.layout, atoms, edges=bonds, **options)


def without_bonds(model: Callable[..., Array]) -> Callable[..., Array]:
    return lambda params, batch, atoms, bonds, **options: model(params, batch.layout, atoms, **options)


def gps(params: Params, batch: Batch, atoms: Array, bonds: Array, **options: Any) -> Array:
    """GPS, whose attention is between all atoms of a molecule."""
    return models.gps(params, batch.layout, atoms, edges=bonds, attention_layout=batch.pairs, **options)


class Network(NamedTuple):
    """A network without its parameters."""

    init: Callable[[Array], Params]  # rng -> params
    apply: Callable[..., Array]  # params, batch, rng=None -> standardised predictions [n_graph]


def build(name: str, config: Config, sizes: Sequence[int], encoding_dim: int) -> Network:
    """A network for atoms of `sizes` columns and encodings of `encoding_dim` numbers."""
    middle, dim = layers(name, config), config.model_dim

    def init(rng: Array) -> Params:
        rngs = jax.random.split(rng, 5)
        column_rngs = jax.random.split(rngs[0], len(sizes))
        columns = [init_embedding(r, size, dim) for r, size in zip(column_rngs, sizes, strict=True)]
        parts = {"atoms": columns, "bonds": init_embedding(rngs[1], NUM_BONDS, dim), "layers": middle.init(rngs[2])}
        parts["head"] = init_mlp(rngs[3], (dim, dim // 2, 1))
        return parts | ({"encoding": init_linear(rngs[4], encoding_dim, dim)} if encoding_dim else {})

    def apply(params: Params, batch: Batch, *, rng: Array | None = None) -> Array:
        atoms = embed_atoms(params, batch, len(sizes), fold(rng, 0) if name == "graph_transformer" else None)
        bonds = embedding(params["bonds"], batch.edges)
        atoms = middle.apply(params["layers"], batch, atoms, bonds, **dropping(config.dropout_rate, fold(rng, 1)))
        pooled = aggregate(batch.readout, atoms)[: batch.n_graph] / ATOMS_OF_A_MOLECULE  # without the padding's graph
        return mlp(params["head"], pooled)[:, 0]

    return Network(init, apply)


def embed_atoms(params: Params, batch: Batch, num_columns: int, rng: Array | None) -> Array:
    """The sum of an embedding for each column and a linear map of the encodings, whose signs `rng` flips."""
    columns, encoding = batch.nodes[:, :num_columns].astype(jnp.int32), batch.nodes[:, num_columns:]
    parts = [embedding(table, columns[:, i]) for i, table in enumerate(params["atoms"])]
    atoms = jnp.stack(parts).sum(axis=0)
    if "encoding" not in params:
        return atoms
    return atoms + linear(params["encoding"], encoding if rng is None else flip_signs(rng, encoding, owners(batch)))


def owners(batch: Batch) -> Array:
    """The graph of each node, -1 for padding: `[n_node]`."""
    graphs = batch.readout.receivers  # one edge a node, in the order of the nodes
    return jnp.where(jnp.append(batch.mask, False)[graphs], graphs, -1)
