"""GAT: the score of an edge is a sum of one number from each of its ends."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tgnn.attention.api import attend
from tgnn.attention.scores import Additive
from tgnn.models.cards import Choice
from tgnn.models.layers import add_bias, attention_options, glorot, init_edge, layer_sizes, run_attention_layers
from tgnn.nn.basic import init_linear, linear
from tgnn.typing import Array, Params


def init_gat(
    rng: Array, dims: Sequence[int], *, num_heads: int = 8, num_output_heads: int = 1, edge_dim: int | None = None
) -> list[Params]:
    """Initialises one layer between each two successive sizes of `dims`; hidden sizes are those of one head.

    Args:
        rng: a key.
        dims: input features, features of a head of each hidden layer, outputs; the paper's Cora: `(1433, 8, 7)`.
        num_heads: heads of the hidden layers, which are concatenated.
        num_output_heads: heads of the last layer, which are averaged.
        edge_dim: features of an edge; None if they have none.

    Returns:
        A list of `{"linear", "receiver_vector", "sender_vector", "bias"}`, and `"edge"` where edges have features; the
        last bias has no axis of heads.
    """
    sizes = layer_sizes(dims, num_heads, num_output_heads)
    rngs = jax.random.split(rng, len(sizes))
    return [_init_layer(r, *size) | init_edge(r, edge_dim, size[1]) for r, size in zip(rngs, sizes, strict=True)]


def _init_layer(rng: Array, in_dim: int, heads: int, head_dim: int, last: bool) -> Params:
    linear_rng, receiver_rng, sender_rng = jax.random.split(rng, 3)
    return {
        "linear": init_linear(linear_rng, in_dim, (heads, head_dim), use_bias=False),
        "receiver_vector": glorot(receiver_rng, (heads, head_dim)),
        "sender_vector": glorot(sender_rng, (heads, head_dim)),
        "bias": jnp.zeros(head_dim if last else (heads, head_dim)),
    }


def gat(
    params: list[Params],
    layout: Any,
    x: Array,
    *,
    edges: Array | None = None,
    activation: Callable[[Array], Array] = jax.nn.elu,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> Array:
    """Attends to neighbours with additive scores.

    Args:
        params: what `init_gat` made.
        layout: edges between the nodes; as in the paper, with self-loops (`tgnn.self_loops`).
        x: `[n, dims[0]]`.
        edges: `[*edge_shape, edge_dim]` in the caller's order, where `init_gat` was given `edge_dim`.
        activation: between the layers.
        dropout_rate: of each layer's input and of the attention weights (the paper's: 0.6).
        rng: key of the dropout; None switches it off.

    Returns:
        `[n, dims[-1]]`. A node without in-edges gets the bias.

    Raises:
        ValueError: if only one of the parameters and the call has edges.

    Reference: Veličković et al., Graph Attention Networks, arXiv:1710.10903, eqs. 3 to 6. Edges are not in the paper: a
        linear map adds one number of each edge and head to the score, which PyG factorises into a map and a vector.
    """
    options = {"activation": activation, "dropout_rate": dropout_rate, "rng": rng}
    return run_attention_layers(gat_layer, params, layout, x, edges, **options)


def gat_layer(
    params: Params,
    layout: Any,
    x: Array,
    rng: Array | None = None,
    *,
    edges: Array | None = None,
    dropout_rate: float = 0.0,
) -> Array:
    """One layer: `[n, in_dim] -> [n, heads * head_dim]`, or `[n, head_dim]` for the last one."""
    value = linear(params["linear"], x)
    score = Additive(params["receiver_vector"], params["sender_vector"])
    options = attention_options(params, edges, dropout_rate, rng)
    return add_bias(params["bias"], attend(layout, value, value, value, score=score, **options))


CHOICES = (Choice("GAT", "neighbours and itself", "`Additive`", "softmax", "arXiv:1710.10903"),)
