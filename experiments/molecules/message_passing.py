"""A message-passing network: `h_i = norm(h_i + mlp([h_i, reduction of relu(linear([h_i, h_j, e_ij]))]))`.

As the MPNN (sum) and MPNN (max) that PNA was compared with: Corso et al., Principal Neighbourhood Aggregation for Graph
Nets, arXiv:2004.05718. Ours has a layer norm in place of their batch norm, and no gated recurrent unit.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from tgnn import EdgeList, aggregate
from tgnn.attention.aggregation import principal_neighbourhood
from tgnn.nn.basic import dropout, fold, init_layer_norm, init_linear, init_mlp, layer_norm, linear, mlp
from tgnn.typing import Array, Params

MEAN_LOG_DEGREE = 1.13  # of the atoms of ZINC: the unit of PNA's scalers
WIDTH_OF_PNA = 12  # reductions times scalers


def init_message_passing(rng: Array, dims: Sequence[int], reduction: str) -> list[Params]:
    """Initialises layers `{"receiver", "sender", "edge", "mlp", "norm"}` for nodes and edges of `dims[0]` features."""

    def layer(rng: Array, dim: int) -> Params:
        rngs = jax.random.split(rng, 4)
        width = dim * (1 + (WIDTH_OF_PNA if reduction == "pna" else 1))
        return {
            "receiver": init_linear(rngs[0], dim, dim),
            "sender": init_linear(rngs[1], dim, dim, use_bias=False),
            "edge": init_linear(rngs[2], dim, dim, use_bias=False),
            "mlp": init_mlp(rngs[3], (width, dim, dim)),
            "norm": init_layer_norm(dim),
        }

    return [layer(r, dim) for r, dim in zip(jax.random.split(rng, len(dims) - 1), dims[1:], strict=True)]


def message_passing(
    params: list[Params],
    layout: EdgeList,
    x: Array,
    *,
    edges: Array,
    reduction: str = "sum",
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> Array:
    """`[n, dim] -> [n, dim]`; edges `[n_edge, dim]` in the caller's order; reductions of `tgnn.aggregate`, or "pna"."""
    # Messages are nodes of their own here, each with one edge to the node that receives it.
    incoming = EdgeList(jnp.arange(layout.n_edge), layout.receivers, layout.n_receivers, layout.n_edge, layout.mask)
    for i, layer in enumerate(params):
        ends = layout.from_receivers(linear(layer["receiver"], x)) + layout.from_senders(linear(layer["sender"], x))
        messages = jax.nn.relu(ends + linear(layer["edge"], edges))
        if reduction == "pna":
            reduced = principal_neighbourhood(incoming, messages, MEAN_LOG_DEGREE)
        else:
            reduced = aggregate(incoming, messages, reduction)
        new = mlp(layer["mlp"], jnp.concatenate([x, reduced], axis=-1))
        x = layer_norm(layer["norm"], x + dropout(fold(rng, i), new, dropout_rate))
    return x
