"""The networks that the command line knows: those that go from words to classes, and those that need an embedding."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import jraph

from experiments.citation.config import Recipe
from experiments.common.training import dropping
from tgnn import models
from tgnn.graphs import EdgeList
from tgnn.nn.basic import dropout, fold, init_linear, linear

NUM_LAYERS = 2


class Model(NamedTuple):
    """A network without its parameters."""

    init: Callable[[jax.Array], Any]  # rng -> params
    apply: Callable[..., jax.Array]  # params, layout, words, rng=None -> logits [n_node, num_classes]


# From any features to any: `init(rng, dims)`, `apply(params, layout, x)`.
DIRECT = {
    "gcn": (models.init_gcn, models.gcn),
    "gat": (models.init_gat, models.gat),
    "gatv2": (models.init_gatv2, models.gatv2),
    "transformer": (models.init_transformer_conv, models.transformer_conv),
    "monet": (models.init_monet, models.monet),
    "graph_sage": (models.init_graph_sage, models.graph_sage),
    "gin": (models.init_gin, models.gin),
    "basic_gnn": (models.init_basic_gnn, models.basic_gnn),
    "gated_gcn": (models.init_gated_gcn, models.gated_gcn),
}


def build(name: str, recipe: Recipe, layout: EdgeList, num_words: int, num_classes: int) -> Model:
    """The network of a recipe; the layout is measured on the host where a network needs that."""
    if name in EMBEDDED:
        return between(EMBEDDED[name](recipe, layout), recipe, num_words, num_classes)
    init, apply = DIRECT[name]
    choices = {choice: getattr(recipe, choice) for choice in ("num_heads", "num_output_heads", "num_kernels")}
    options = {choice: value for choice, value in choices.items() if value is not None}
    dims = (num_words, recipe.hidden_dim, num_classes)
    reduction = {} if recipe.reduction is None else {"reduction": recipe.reduction}

    def dropped(params, layout, words, *, rng=None):
        return apply(params, layout, words, **dropping(recipe.dropout_rate, rng), **reduction)

    return Model(lambda rng: init(rng, dims, **options), dropped)


def between(network: Model, recipe: Recipe, num_words: int, num_classes: int) -> Model:
    """Words to features of the network's size, the network, and its features to classes."""

    def init(rng):
        rngs, dim = jax.random.split(rng, 3), recipe.hidden_dim
        return [init_linear(rngs[0], num_words, dim), network.init(rngs[1]), init_linear(rngs[2], dim, num_classes)]

    def apply(params, layout, words, *, rng=None):
        embed, inner, output = params
        rate = dropping(recipe.dropout_rate, rng)["dropout_rate"]
        x = linear(embed, dropout(fold(rng, 0), words, rate))
        x = network.apply(inner, layout, x, dropout_rate=rate, rng=fold(rng, 1))
        return linear(output, dropout(fold(rng, 2), x, rate))

    return Model(init, apply)


def sizes(recipe: Recipe) -> dict:
    """What every Graph Transformer asks for."""
    return {"num_layers": NUM_LAYERS, "model_dim": recipe.hidden_dim, "num_heads": recipe.num_heads}


def graph_transformer(recipe: Recipe, layout: EdgeList) -> Model:
    """Attention to neighbours, in blocks with norms and perceptrons."""
    return Model(partial(models.init_graph_transformer, **sizes(recipe)), models.graph_transformer)


def gps(recipe: Recipe, layout: EdgeList) -> Model:
    """GINE beside attention of every paper to every paper."""
    return Model(partial(models.init_gps, **sizes(recipe)), models.gps)


def exphormer(recipe: Recipe, layout: EdgeList) -> Model:
    """Attention to neighbours, to random others, and to a virtual paper."""
    graph = models.interactions(layout)

    def apply(params, layout, x, **options):
        return models.exphormer(params, graph, x, **options)

    return Model(partial(models.init_exphormer, **sizes(recipe)), apply)


def graphormer(recipe: Recipe, layout: EdgeList) -> Model:
    """Attention of every paper to every paper, told how far they are apart."""
    around = models.surroundings(layout, path_length=0)

    def apply(params, layout, x, **options):
        return models.graphormer(params, around, x, **options)[0]

    return Model(partial(models.init_graphormer, path_length=0, **sizes(recipe)), apply)


def graph_network(recipe: Recipe, layout: EdgeList) -> Model:
    """Perceptrons of edges, of papers and of the whole, each of which sees the others."""
    dim = recipe.hidden_dim

    def init(rng):
        dims = [((1, 1, dim)[i : i + 2], (dim, dim), (1, 1, dim)[i : i + 2]) for i in range(NUM_LAYERS)]
        rngs = jax.random.split(rng, NUM_LAYERS)
        return [models.init_graph_network(r, *each) for r, each in zip(rngs, dims, strict=True)]

    def apply(params, layout, x, **options):
        nothing = jnp.zeros((layout.n_edge, 1)), jnp.zeros((1, 1))
        number = jnp.array([layout.n_receivers]), jnp.array([layout.n_edge])
        graph = jraph.GraphsTuple(x, nothing[0], layout.receivers, layout.senders, nothing[1], *number)
        for block in params:
            graph = models.graph_network(block, graph, reduction="mean", **options)
        return graph.nodes

    return Model(init, apply)


# Between an embedding of the words and a linear map to the classes: `EMBEDDED[name](recipe, layout)`.
EMBEDDED: dict[str, Callable[[Recipe, EdgeList], Model]] = {
    "graph_network": graph_network,
    "graph_transformer": graph_transformer,
    "graphormer": graphormer,
    "gps": gps,
    "exphormer": exphormer,
}
