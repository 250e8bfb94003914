"""Graph networks as language models: the Transformer's block with a layer of a GNN in the place of its attention.

One recipe for all: embedding, positions, residual connections, pre-norms, the map of every node and the output are the
Transformer's; only the layer between tokens is another. The layers are those of `tgnn.models` as they are, so each
keeps its own parts too (the residual connection in Gated GCN, the perceptron in GIN).

Nothing here sees the future. GCN weighs an edge by the degrees of both ends, and MoNet's own coordinates are these
degrees: both are in-degrees, so that a sender counts those that it reads, never those that will read it.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp

from experiments.common.training import dropping
from experiments.language.config import Config
from experiments.language.signature import LanguageModel, stateless
from tgnn import models, patterns
from tgnn.graphs import Layout
from tgnn.nn.block import block_of, init_block
from tgnn.nn.positions import sinusoidal
from tgnn.nn.transformer import init_language_model, language_model
from tgnn.typing import Array, Params

DISTANCE_DIM = 16  # sines and cosines of how far an edge reaches
RELATIVE = "relative"
LEARNED_OR_NONE, LEARNED_OR_RELATIVE = ("learned", "none"), ("learned", RELATIVE)
GRAPHS: dict[str, Callable[[Config], Layout]] = {
    "window": lambda config: patterns.window(config.context, config.window),
    "causal": lambda config: patterns.causal(config.context),
}


class Network(NamedTuple):
    """A graph network of `tgnn.models`."""

    init: Callable[..., list[Params]]  # (rng, dim, heads, edge_dim or None) -> its layers, of which the first is used
    apply: Callable[..., Array]  # (layers, graph, x, ...) -> x
    positions: tuple[str, ...]  # those that it takes


def _attending(init: Callable[..., list[Params]]) -> Callable[..., list[Params]]:
    """Heads of a hidden layer, which are concatenated; those of a last one would be averaged."""

    def init_layers(rng, dim, heads, edge_dim):
        return init(rng, (dim, dim // heads, 1), num_heads=heads, edge_dim=edge_dim)

    return init_layers


def _init_monet(rng: Array, dim: int, heads: int, edge_dim: int | None) -> list[Params]:
    return models.init_monet(rng, (dim, dim), num_kernels=heads, edge_dim=edge_dim or 2)


NETWORKS = {
    "gcn": Network(lambda rng, dim, *_: models.init_gcn(rng, (dim, dim)), models.gcn, LEARNED_OR_NONE),
    "gat": Network(_attending(models.init_gat), models.gat, LEARNED_OR_RELATIVE),
    "gatv2": Network(_attending(models.init_gatv2), models.gatv2, LEARNED_OR_RELATIVE),
    "monet": Network(_init_monet, partial(models.monet, reduction="mean"), LEARNED_OR_RELATIVE),
    "gin": Network(lambda rng, dim, *_: models.init_gin(rng, (dim, dim)), models.gin, LEARNED_OR_NONE),
    "gated_gcn": Network(
        lambda rng, dim, _, edge_dim: models.init_gated_gcn(rng, (dim, dim), edge_dim=edge_dim),
        models.gated_gcn,
        LEARNED_OR_RELATIVE,
    ),
}


def graph_network(network: Network, graph: Callable[[Config], Layout], config: Config, vocab: int) -> LanguageModel:
    """A language model whose blocks have a layer of the network where the Transformer has attention."""
    layout = graph(config)
    relative = config.positions == RELATIVE
    edges = {"edges": distances(layout)} if relative else {}

    def init_part(rng, sizes, *, cross=False):
        block = init_block(rng, sizes, cross=cross)
        layer = network.init(rng, sizes.model_dim, sizes.num_heads, DISTANCE_DIM if relative else None)[0]
        norms = {name: part for name, part in block["attention"].items() if name.startswith("norm")}
        return block | {"attention": norms | {"layer": layer}}

    def pass_messages(params, graph, x, **drop):
        return network.apply([params["layer"]], graph, x, **edges, **drop)

    def logits(params, tokens, *, rng=None):
        options: dict[str, Any] = dropping(config.dropout_rate, rng) | {"encoding": None}
        return language_model(params, layout, tokens, block=block_of(pass_messages), **options)

    init = partial(init_language_model, config=config.transformer(vocab), init=init_part)
    return stateless(init, logits, layout.count_edges() / max(layout.n_receivers, 1))


def distances(layout: Layout) -> Array:
    """How far each edge reaches, as sines and cosines: `[*edge_shape, DISTANCE_DIM]`."""
    far = jnp.broadcast_to(layout.receiver_index - layout.sender_index, layout.edge_shape)
    return layout.zero_dead_edges(sinusoidal(far, DISTANCE_DIM))


def all_networks() -> Iterator[tuple[str, Callable[[Config, int], LanguageModel], tuple[str, ...]]]:
    """Name, factory and positions of each network on each graph."""
    for name, network in NETWORKS.items():
        for place, graph in GRAPHS.items():
            yield f"{name}_{place}", partial(graph_network, network, graph), network.positions
