"""LightGCN: embeddings that are smoothed along the edges of users and items; nothing but the embeddings is learned."""

import jax.numpy as jnp
import numpy as np

from tgnn.attention.aggregation import symmetric_weights
from tgnn.compiled import compiled
from tgnn.errors import check_dropout, check_size
from tgnn.graphs import EdgeList, Layout
from tgnn.models.cards import Choice
from tgnn.models.layers import layout_of
from tgnn.nn.basic import dropout, fold
from tgnn.nn.draws import normal
from tgnn.typing import Array, ArrayLike, Graph, Params


def init_lightgcn(rng: Array, num_nodes: int, model_dim: int = 64, *, scale: float = 0.1) -> Params:
    """An embedding for every user and item: `{"embedding": [num_nodes, model_dim]}`, normal with deviation `scale`.

    Args:
        rng: a key.
        num_nodes: users and items together.
        model_dim: features of each; the paper's 64.
        scale: 0.1 as in the authors' PyTorch code; their paper says Xavier's.
    """
    shape = check_size("num_nodes", num_nodes), check_size("model_dim", model_dim)
    return {"embedding": scale * normal(rng, shape)}


def lightgcn(
    params: Params,
    graph: Graph,
    *,
    num_layers: int = 3,
    edge_weight: Array | None = None,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> Array:
    """The mean of the embeddings and of what 1, 2, ... steps along the edges make of them.

    No linear map and no activation: a step averages over neighbours with weights `1 / sqrt(degree_i degree_j)`.

    Args:
        params: what `init_lightgcn` made.
        graph: users and items in one set of nodes, each choice an edge in both directions (`both_directions`); without
            self-loops, as in the paper: the mean over the layers does their work.
        num_layers: steps; the paper's 3. 0 is matrix factorisation.
        edge_weight: `[*edge_shape]` in the caller's order, such as ratings; None: 1 each.
        dropout_rate: of the weights of the edges, in each step; the paper's 0.
        rng: key of the dropout.

    Returns:
        `[num_nodes, model_dim]`: a user's score of an item is the inner product of theirs. A node without edges keeps
        its embedding, divided by `num_layers + 1`.

    Raises:
        ValueError: the embeddings are not those of the graph's nodes, or there is a rate above 0 without a key.

    Reference: He et al., LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation,
        arXiv:2002.02126, equations 3 to 8, with the uniform weights of layers of its section 3.1.2.
    """
    x, num_layers = jnp.asarray(params["embedding"]), check_size("num_layers", num_layers)
    rate = check_dropout(dropout_rate, rng)
    return propagate(layout_of(graph, x), x, num_layers, edge_weight, rate, rng)


@compiled
def propagate(
    layout: Layout, x: Array, num_layers: int, edge_weight: Array | None, rate: float, rng: Array | None
) -> Array:
    """`lightgcn` after its checks, of any features: `[n, dim] -> [n, dim]`."""
    weights = symmetric_weights(layout, edge_weight)  # [*edge_shape, 1]
    total, value = x, x
    for i in range(num_layers):
        kept = dropout(fold(rng, i), weights, rate)
        value = layout.aggregate(kept, value[:, None])[:, 0].astype(x.dtype)
        total = total + value
    return total / (num_layers + 1)


def both_directions(users: ArrayLike, items: ArrayLike, *, num_users: int, num_items: int) -> EdgeList:
    """The graph of LightGCN: users first, then items, each choice as an edge to the item and as one to the user.

    Args:
        users: int [n] in [0, num_users).
        items: int [n] in [0, num_items).
        num_users: number of users.
        num_items: number of items.

    Returns:
        An `EdgeList` of `2 * n` edges between `num_users + num_items` nodes; the choices in their order, then reversed.

    Raises:
        ValueError: an index is out of range; see `EdgeList.from_edges`.

    >>> both_directions([0, 1], [2, 0], num_users=2, num_items=3).receivers.tolist()
    [4, 2, 0, 1]
    """
    once = EdgeList.from_edges(items, users, n_receivers=num_users, n_senders=num_items)
    chosen, by = once.pairs()
    senders, receivers = np.append(by, chosen + num_users), np.append(chosen + num_users, by)
    return EdgeList.from_edges(senders, receivers, n_receivers=num_users + num_items)


CHOICES = (
    Choice(
        "LightGCN",
        "users and items: `both_directions`",
        "by degrees: `symmetric_weights`",
        "`aggregate`: sum, then the mean over the layers",
        "arXiv:2002.02126",
    ),
)
