"""Features of edges: in the caller's order, as real numbers, of the size that the parameters are for."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from tgnn.errors import check_numbers, check_size
from tgnn.graphs.layout import Layout
from tgnn.nn.basic import init_linear
from tgnn.softmax import wide_dtype
from tgnn.typing import Array, Params


def features_of(layout: Layout, edges: Any) -> Array | None:
    """Features of edges as real numbers, one row for each edge of the layout, or a ValueError; None stays None."""
    return None if edges is None else layout.from_caller(as_real(edges))


def as_real(edges: Any) -> Array:
    """Weights or features of edges as they are, integers and bools as float32: they meet weights that are real."""
    edges = jnp.asarray(edges)
    return edges if jnp.issubdtype(edges.dtype, jnp.floating) else edges.astype(jnp.float32)


def to_edges(gather: Callable[[Array], Array], x: Array) -> Array:
    """`layout.from_senders` or `from_receivers` of x, whose derivative is summed in float32 or wider."""
    return gather(x.astype(wide_dtype(x.dtype))).astype(x.dtype)


def init_edge(rng: Array, edge_dim: int | None, out_dim: int | tuple[int, ...]) -> Params:
    """`{"edge": a linear map without bias}` of a layer made from `rng`, or nothing where edges have no features."""
    if edge_dim is None:
        return {}
    edge_dim = check_size("edge_dim", edge_dim, minimum=1)
    # a key of its own, so that the other parameters are those of a layer without edges
    return {"edge": init_linear(jax.random.fold_in(rng, 9), edge_dim, out_dim, use_bias=False)}


def check_edge_features(params: Params, edges: Array | None, *, stacked: bool = False) -> None:
    """`check_edge_dim` of the linear map `"edge"` of a layer, which is there exactly if edges have features."""
    check_edge_dim(params["edge"]["kernel"].shape[int(stacked)] if "edge" in params else None, edges)


def check_edge_dim(edge_dim: int | None, edges: Array | None) -> None:
    """A ValueError if features of edges are missing, too many, or not `edge_dim` numbers on the last axis."""
    check_numbers("edges", edges)
    if edge_dim is not None and edges is None:
        raise ValueError(f"edges is missing, but params were made with edge_dim={edge_dim}; pass edges too")
    if edge_dim is None and edges is not None:
        raise ValueError(
            f"edges has shape {jnp.shape(edges)}, but params were made without edge_dim; initialise them with "
            "edge_dim, or leave out edges"
        )
    shape = jnp.shape(edges) if edges is not None else (edge_dim,)
    if edge_dim is not None and (not shape or shape[-1] != edge_dim):
        raise ValueError(
            f"edges has shape {shape}, but params are for edge_dim {edge_dim}, numbers of an edge on the last axis; "
            "use edges[..., None] for one number, or initialise with the size of edges"
        )
