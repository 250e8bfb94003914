"""Networks that give each user and item a vector, and the filter that gives scores without learning anything."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from experiments.recommend.config import Config
from experiments.recommend.data import Choices
from tgnn import Additive, EdgeList, attend, models
from tgnn.attention.aggregation import symmetric_weights
from tgnn.models.heads import glorot
from tgnn.nn.basic import init_mlp, mlp
from tgnn.sampling import Hops, run_hops, take
from tgnn.typing import Array, Params


class Network(NamedTuple):
    """A network without its parameters, which hold an "embedding" [num_users + num_items, model_dim]."""

    init: Callable[[Array], Params]  # rng -> params
    apply: Callable[[Params, Any], Array]  # params, graph -> [num_users + num_items, model_dim]
    sampled: bool = False  # whether the graph is `Hops`, and rows of the output are those of its seeds


def build(name: str, config: Config, num_nodes: int) -> Network:
    """A network by name. Matrix factorisation is LightGCN of no layers: what differs is the graph alone."""
    if name == "pinsage":
        return Network(partial(init_pinsage, num_nodes=num_nodes, config=config), pinsage, sampled=True)
    init = partial(models.init_lightgcn, num_nodes=num_nodes, model_dim=config.model_dim)
    if name == "attention":
        return Network(partial(init_attention, num_nodes=num_nodes, config=config), attention)
    return Network(init, partial(models.lightgcn, num_layers=0 if name == "mf" else config.num_layers))


def init_attention(rng: Array, num_nodes: int, config: Config) -> Params:
    """The embeddings of LightGCN, and for each layer two vectors, `[1, model_dim]` each."""
    rng, *rngs = jax.random.split(rng, 2 * config.num_layers + 1)
    vectors = [glorot(r, (1, config.model_dim)) for r in rngs]
    layers = [{"receiver": a, "sender": b} for a, b in zip(vectors[::2], vectors[1::2], strict=True)]
    return models.init_lightgcn(rng, num_nodes, config.model_dim) | {"layers": layers}


def attention(params: Params, graph: EdgeList) -> Array:
    """LightGCN whose weights are GAT's scores, normalised by a softmax, instead of the degrees."""
    total = x = params["embedding"]
    for layer in params["layers"]:
        value = x[:, None]  # [num_nodes, 1, model_dim]
        x = attend(graph, value, value, value, score=Additive(layer["receiver"], layer["sender"]))[:, 0]
        total = total + x
    return total / (len(params["layers"]) + 1)


def init_pinsage(rng: Array, num_nodes: int, config: Config) -> Params:
    """An embedding of each node, PinSage's layers, and the two dense ones at its end."""
    rngs, dim = jax.random.split(rng, 3), config.model_dim
    layers = models.init_pinsage(rngs[1], (dim,) * (config.num_layers + 1))
    ends = {"layers": layers, "mlp": init_mlp(rngs[2], (dim, dim, dim))}
    return models.init_lightgcn(rngs[0], num_nodes, dim) | ends


def pinsage(params: Params, hops: Hops) -> Array:
    """Embeddings in place of pictures and texts, then the paper's algorithms 1 and 2: [rows of seeds, model_dim]."""
    x = take(params["embedding"], hops.nodes)
    x = run_hops(models.pinsage, params["layers"], hops, x, per_hop=[{"edge_weight": w} for w in hops.weights])
    return mlp(params["mlp"], x)


class Filter(NamedTuple):
    """The choices as edges from items to users and from users to items, with their weights by degrees."""

    to_users: EdgeList
    to_items: EdgeList
    weights: Array


def make_filter(choices: Choices) -> Filter:
    """The two halves of the graph, whose edges are in one order."""
    to_users, sizes = choices.seen, {"n_receivers": choices.num_items, "n_senders": choices.num_users}
    to_items = EdgeList.from_edges(choices.train.users, choices.train.items, **sizes)
    return Filter(to_users, to_items, symmetric_weights(to_users))


def two_steps(users: Array, graph: Filter) -> Array:
    """What users have chosen, a step to all who chose it, and a step to what these chose: [block, num_items].

    Nothing is learned. It is the linear filter of Shen et al., How Powerful is Graph Convolution for Recommendation?,
    arXiv:2108.07567, section 4: a row of choices times the normalised matrix, transposed and as it is.
    """
    one_hot = jax.nn.one_hot(users, graph.to_items.n_senders, axis=0)[:, None]  # [num_users, 1, block]
    chosen = graph.to_items.aggregate(jnp.ones_like(graph.weights), one_hot)  # [num_items, 1, block]
    similar = graph.to_users.aggregate(graph.weights, chosen)
    return graph.to_items.aggregate(graph.weights, similar)[:, 0].T


def inner_products(users: Array, x_users: Array, x_items: Array) -> Array:
    """The scores of all items for a block of users: [block, num_items]."""
    return x_users[users] @ x_items.T
