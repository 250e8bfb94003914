"""The Transformer's attention on a sparse graph, with a linear skip connection in place of the block's residual one."""

from collections.abc import Callable, Sequence
from typing import Any

import jax

from tgnn.attention.api import attend
from tgnn.graphs import Layout
from tgnn.models.attention_layers import run_attention_layers
from tgnn.models.cards import Choice
from tgnn.models.edge_features import init_edge
from tgnn.models.heads import concatenate_heads, layer_sizes
from tgnn.models.layers import Nodes, ends, ends_dims
from tgnn.nn.basic import init_linear, linear
from tgnn.typing import Array, Graph, Params


def init_transformer_conv(
    rng: Array, dims: Sequence[int], *, num_heads: int = 4, num_output_heads: int = 1, edge_dim: int | None = None
) -> list[Params]:
    """Initialises layers `{"query", "key", "value", "skip"}`, perhaps `"edge"`; arguments as for `init_gat`."""
    sizes = layer_sizes(dims, num_heads, num_output_heads)
    rngs = jax.random.split(rng, len(sizes))
    return [_init_layer(r, *size) | init_edge(r, edge_dim, size[1:3]) for r, size in zip(rngs, sizes, strict=True)]


def _init_layer(rng: Array, in_dim: int | tuple[int, int], heads: int, head_dim: int, last: bool) -> Params:
    query_rng, key_rng, value_rng, skip_rng = jax.random.split(rng, 4)
    sender_dim, receiver_dim = ends_dims(in_dim)
    return {
        "query": init_linear(query_rng, receiver_dim, (heads, head_dim)),
        "key": init_linear(key_rng, sender_dim, (heads, head_dim)),
        "value": init_linear(value_rng, sender_dim, (heads, head_dim)),
        "skip": init_linear(skip_rng, receiver_dim, head_dim if last else (heads, head_dim)),
    }


def transformer_conv(
    params: list[Params],
    graph: Graph,
    x: Nodes,
    *,
    edges: Array | None = None,
    activation: Callable[[Array], Array] = jax.nn.relu,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
) -> Array:
    """Attends to neighbours with dot products and adds a linear map of the node itself.

    Args:
        params: what `init_transformer_conv` made.
        graph: edges between the nodes; a node sees itself through the skip connection.
        x: `[n, dims[0]]`; of a bipartite graph a pair `(x_senders, x_receivers)`, for one layer.
        edges: `[*edge_shape, edge_dim]` in the caller's order, where `init_transformer_conv` was given `edge_dim`; a
            linear map of them is added to keys and values; integers count as real numbers.
        activation: between the layers.
        dropout_rate: of each layer's input and of the attention weights.
        rng: key of the dropout.
        implementation: see `tgnn.attend`.

    Returns:
        `[n, dims[-1]]`. A node without in-edges gets its skip connection.

    Raises:
        ValueError: if only one of the parameters and the call has edges, x are not the nodes of the graph, or there
            is a rate above 0 without a key.

    Reference: Shi et al., Masked Label Prediction: Unified Message Passing Model for Semi-Supervised Classification,
        arXiv:2009.03509, eqs. 3 to 5, without their gate.

    >>> import jax, tgnn
    >>> params = tgnn.models.init_transformer_conv(jax.random.key(0), (4, 8, 2))
    >>> graph = tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=3)
    >>> tgnn.models.transformer_conv(params, graph, jax.numpy.ones((3, 4))).shape
    (3, 2)
    """
    options = {"activation": activation, "dropout_rate": dropout_rate, "rng": rng, "implementation": implementation}
    return run_attention_layers(transformer_conv_layer, params, graph, x, edges, **options)


def transformer_conv_layer(params: Params, layout: Layout, x: Nodes, options: dict[str, Any]) -> Array:
    """One layer: `[n, in_dim] -> [n, heads * head_dim]`, or `[n, head_dim]` for the last one."""
    senders, receivers = ends(x)
    query = linear(params["query"], receivers)  # [n, heads, head_dim]
    key, value = linear(params["key"], senders), linear(params["value"], senders)
    output = attend(layout, query, key, value, edge_value=options["edges"], **options)
    skip = linear(params["skip"], receivers)
    return concatenate_heads(output + skip) if skip.ndim == 3 else output.mean(axis=1) + skip


CHOICES = (Choice("Transformer on neighbours", "neighbours", "dot product", "softmax", "arXiv:2009.03509"),)
