"""GAT: the score of an edge is a sum of one number from each of its ends."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tgnn.attention.scores import Additive
from tgnn.graphs import Layout
from tgnn.models.attention_layers import run_attention_layers
from tgnn.models.cards import Choice
from tgnn.models.edge_features import init_edge
from tgnn.models.heads import add_bias, glorot, layer_sizes
from tgnn.models.layers import Nodes, ends, ends_dims
from tgnn.nn.basic import init_linear, linear
from tgnn.nn.per_head import PerHead, attend_per_head, gated
from tgnn.typing import Array, Graph, Params


def init_gat(
    rng: Array, dims: Sequence[int], *, num_heads: int = 8, num_output_heads: int = 1, edge_dim: int | None = None
) -> list[Params]:
    """Initialises one layer between each two successive sizes of `dims`; hidden sizes are those of one head.

    Args:
        rng: a key.
        dims: input features, features of a head of each hidden layer, outputs; the paper's Cora: `(1433, 8, 7)`. Of a
            bipartite graph `((senders, receivers), outputs)`.
        num_heads: heads of the hidden layers, which are concatenated.
        num_output_heads: heads of the last layer, which are averaged.
        edge_dim: features of an edge; None if they have none.

    Returns:
        A list of `{"linear", "receiver_vector", "sender_vector", "bias"}`, `"edge"` where edges have features, and
        `"receiver"`, the receivers' own linear map, where they have sizes of their own; the last bias has no axis of
        heads.
    """
    sizes = layer_sizes(dims, num_heads, num_output_heads)
    rngs = jax.random.split(rng, len(sizes))
    return [_init_layer(r, *size) | init_edge(r, edge_dim, size[1]) for r, size in zip(rngs, sizes, strict=True)]


def _init_layer(rng: Array, in_dim: int | tuple[int, int], heads: int, head_dim: int, last: bool) -> Params:
    linear_rng, receiver_rng, sender_rng = jax.random.split(rng, 3)
    sender_dim, receiver_dim = ends_dims(in_dim)
    params = {
        "linear": init_linear(linear_rng, sender_dim, (heads, head_dim), use_bias=False),
        "receiver_vector": glorot(receiver_rng, (heads, head_dim)),
        "sender_vector": glorot(sender_rng, (heads, head_dim)),
        "bias": jnp.zeros(head_dim if last else (heads, head_dim)),
    }
    if isinstance(in_dim, int):
        return params
    # a key of its own, as for edges
    other = init_linear(jax.random.fold_in(rng, 8), receiver_dim, (heads, head_dim), use_bias=False)
    return params | {"receiver": other}


def gat(
    params: list[Params],
    graph: Graph,
    x: Nodes,
    *,
    edges: Array | None = None,
    activation: Callable[[Array], Array] = jax.nn.elu,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
) -> Array:
    """Attends to neighbours with additive scores.

    Args:
        params: what `init_gat` made.
        graph: edges between the nodes; as in the paper, with self-loops (`tgnn.self_loops`).
        x: `[n, dims[0]]`; of a bipartite graph a pair `(x_senders, x_receivers)`, for one layer.
        edges: `[*edge_shape, edge_dim]` in the caller's order, where `init_gat` was given `edge_dim`;
            integers count as real numbers.
        activation: between the layers.
        dropout_rate: of each layer's input and of the attention weights (the paper's: 0.6).
        rng: key of the dropout.
        implementation: see `tgnn.attend`.

    Returns:
        `[n, dims[-1]]`. A node without in-edges gets the bias.

    Raises:
        ValueError: if only one of the parameters and the call has edges, x are not the nodes of the graph, or there
            is a rate above 0 without a key.

    Reference: Veličković et al., Graph Attention Networks, arXiv:1710.10903, eqs. 3 to 6. Edges are not in the paper: a
        linear map adds one number of each edge and head to the score, which PyG factorises into a map and a vector.

    >>> import jax, tgnn
    >>> params = tgnn.models.init_gat(jax.random.key(0), (4, 8, 2))
    >>> edges = tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=3)
    >>> graph = tgnn.self_loops(edges)
    >>> tgnn.models.gat(params, graph, jax.numpy.ones((3, 4))).shape
    (3, 2)
    """
    options = {"activation": activation, "dropout_rate": dropout_rate, "rng": rng, "implementation": implementation}
    return run_attention_layers(gat_layer, params, graph, x, edges, **options)


def gat_layer(params: Params, layout: Layout | PerHead, x: Nodes, options: dict[str, Any]) -> Array:
    """One layer: `[n, in_dim] -> [n, heads * head_dim]`, or `[n, head_dim]` for the last one.

    Parameters may hold two parts more: a `"score_bias"` `[heads]`, and a `"gate"` `[heads]`, which multiplies the
    output of each head, with its bias where it has one of its own.
    """
    senders, receivers = ends(x)
    value = linear(params["linear"], senders)  # [n_senders, heads, head_dim]
    query = value if receivers is senders else linear(params.get("receiver", params["linear"]), receivers)
    score = Additive(params["receiver_vector"], params["sender_vector"], bias=params.get("score_bias"))
    output = gated(params, attend_per_head(layout, query, value, value, score=score, **options))
    bias = params["bias"]  # [heads, head_dim], or [head_dim] where heads are averaged
    return add_bias(gated(params, bias[None])[0] if bias.ndim == 2 else bias, output)


CHOICES = (Choice("GAT", "neighbours and itself", "`Additive`", "softmax", "arXiv:1710.10903"),)
