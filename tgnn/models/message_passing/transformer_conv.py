"""The Transformer's attention on a sparse graph, with a linear skip connection in place of the block's residual one."""

from collections.abc import Callable, Sequence
from typing import Any

import jax

from tgnn.attention.api import attend
from tgnn.models.cards import Choice
from tgnn.models.layers import attention_options, concatenate_heads, init_edge, layer_sizes, run_attention_layers
from tgnn.nn.basic import init_linear, linear
from tgnn.typing import Array, Params


def init_transformer_conv(
    rng: Array, dims: Sequence[int], *, num_heads: int = 4, num_output_heads: int = 1, edge_dim: int | None = None
) -> list[Params]:
    """Initialises layers `{"query", "key", "value", "skip"}`, perhaps `"edge"`; arguments as for `init_gat`."""
    sizes = layer_sizes(dims, num_heads, num_output_heads)
    rngs = jax.random.split(rng, len(sizes))
    return [_init_layer(r, *size) | init_edge(r, edge_dim, size[1:3]) for r, size in zip(rngs, sizes, strict=True)]


def _init_layer(rng: Array, in_dim: int, heads: int, head_dim: int, last: bool) -> Params:
    query_rng, key_rng, value_rng, skip_rng = jax.random.split(rng, 4)
    return {
        "query": init_linear(query_rng, in_dim, (heads, head_dim)),
        "key": init_linear(key_rng, in_dim, (heads, head_dim)),
        "value": init_linear(value_rng, in_dim, (heads, head_dim)),
        "skip": init_linear(skip_rng, in_dim, head_dim if last else (heads, head_dim)),
    }


def transformer_conv(
    params: list[Params],
    layout: Any,
    x: Array,
    *,
    edges: Array | None = None,
    activation: Callable[[Array], Array] = jax.nn.relu,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> Array:
    """Attends to neighbours with dot products and adds a linear map of the node itself.

    Args:
        params: what `init_transformer_conv` made.
        layout: edges between the nodes; a node sees itself through the skip connection.
        x: `[n, dims[0]]`.
        edges: `[*edge_shape, edge_dim]` in the caller's order, where `init_transformer_conv` was given `edge_dim`; a
            linear map of them is added to keys and values.
        activation: between the layers.
        dropout_rate: of each layer's input and of the attention weights.
        rng: key of the dropout; None switches it off.

    Returns:
        `[n, dims[-1]]`. A node without in-edges gets its skip connection.

    Raises:
        ValueError: if only one of the parameters and the call has edges.

    Reference: Shi et al., Masked Label Prediction: Unified Message Passing Model for Semi-Supervised Classification,
        arXiv:2009.03509, eqs. 3 to 5, without their gate.
    """
    options = {"activation": activation, "dropout_rate": dropout_rate, "rng": rng}
    return run_attention_layers(transformer_conv_layer, params, layout, x, edges, **options)


def transformer_conv_layer(
    params: Params,
    layout: Any,
    x: Array,
    rng: Array | None = None,
    *,
    edges: Array | None = None,
    dropout_rate: float = 0.0,
) -> Array:
    """One layer: `[n, in_dim] -> [n, heads * head_dim]`, or `[n, head_dim]` for the last one."""
    query, key, value = (linear(params[name], x) for name in ("query", "key", "value"))
    options = attention_options(params, edges, dropout_rate, rng)
    output = attend(layout, query, key, value, edge_value=options["edges"], **options)
    skip = linear(params["skip"], x)
    return concatenate_heads(output + skip) if skip.ndim == 3 else output.mean(axis=1) + skip


CHOICES = (Choice("Transformer on neighbours", "neighbours", "dot product", "softmax", "arXiv:2009.03509"),)
