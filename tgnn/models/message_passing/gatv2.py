"""GATv2: GAT with the nonlinearity before the attention vector: which sender is best depends on the receiver."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tgnn.attention.api import attend
from tgnn.attention.scores import AdditiveV2
from tgnn.graphs import Layout
from tgnn.models.attention_layers import run_attention_layers
from tgnn.models.cards import Choice
from tgnn.models.edge_features import init_edge
from tgnn.models.heads import add_bias, glorot, layer_sizes
from tgnn.models.layers import Nodes, ends, ends_dims
from tgnn.nn.basic import init_linear, linear
from tgnn.typing import Array, Graph, Params


def init_gatv2(
    rng: Array, dims: Sequence[int], *, num_heads: int = 8, num_output_heads: int = 1, edge_dim: int | None = None
) -> list[Params]:
    """Initialises layers `{"receiver", "sender", "vector", "bias"}`, perhaps `"edge"`; arguments as for `init_gat`."""
    sizes = layer_sizes(dims, num_heads, num_output_heads)
    rngs = jax.random.split(rng, len(sizes))
    return [_init_layer(r, *size) | init_edge(r, edge_dim, size[1:3]) for r, size in zip(rngs, sizes, strict=True)]


def _init_layer(rng: Array, in_dim: int | tuple[int, int], heads: int, head_dim: int, last: bool) -> Params:
    receiver_rng, sender_rng, vector_rng = jax.random.split(rng, 3)
    sender_dim, receiver_dim = ends_dims(in_dim)
    return {
        "receiver": init_linear(receiver_rng, receiver_dim, (heads, head_dim)),
        "sender": init_linear(sender_rng, sender_dim, (heads, head_dim)),
        "vector": glorot(vector_rng, (heads, head_dim)),
        "bias": jnp.zeros(head_dim if last else (heads, head_dim)),
    }


def gatv2(
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
    """Attends to neighbours with `<vector, leaky_relu(receiver_i + sender_j + edge_ij)>`; the message is `sender_j`.

    Args:
        params: what `init_gatv2` made.
        graph: edges between the nodes, with self-loops (`tgnn.self_loops`) if a node shall see itself.
        x: `[n, dims[0]]`; of a bipartite graph a pair `(x_senders, x_receivers)`, for one layer.
        edges: `[*edge_shape, edge_dim]` in the caller's order, where `init_gatv2` was given `edge_dim`;
            integers count as real numbers.
        activation: between the layers.
        dropout_rate: of each layer's input and of the attention weights.
        rng: key of the dropout.
        implementation: see `tgnn.attend`.

    Returns:
        `[n, dims[-1]]`. A node without in-edges gets the bias.

    Raises:
        ValueError: if only one of the parameters and the call has edges, x are not the nodes of the graph, or there
            is a rate above 0 without a key.

    Reference: Brody, Alon and Yahav, How Attentive are Graph Attention Networks?, arXiv:2105.14491, eq. 7; both ends
        have weights of their own, and edges may have features, as in PyG's GATv2Conv.

    >>> import jax, tgnn
    >>> params = tgnn.models.init_gatv2(jax.random.key(0), (4, 8, 2))
    >>> edges = tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=3)
    >>> graph = tgnn.self_loops(edges)
    >>> tgnn.models.gatv2(params, graph, jax.numpy.ones((3, 4))).shape
    (3, 2)
    """
    options = {"activation": activation, "dropout_rate": dropout_rate, "rng": rng, "implementation": implementation}
    return run_attention_layers(gatv2_layer, params, graph, x, edges, **options)


def gatv2_layer(params: Params, layout: Layout, x: Nodes, options: dict[str, Any]) -> Array:
    """One layer: `[n, in_dim] -> [n, heads * head_dim]`, or `[n, head_dim]` for the last one."""
    senders, receivers = ends(x)
    query, key = linear(params["receiver"], receivers), linear(params["sender"], senders)  # [n, heads, head_dim]
    output = attend(layout, query, key, key, score=AdditiveV2(params["vector"]), **options)
    return add_bias(params["bias"], output)


CHOICES = (Choice("GATv2", "neighbours and itself", "`AdditiveV2`", "softmax", "arXiv:2105.14491"),)
