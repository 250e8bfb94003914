"""Readouts of graphs beyond sums: attention, the top k nodes, sorted nodes, pairs; and layers read together."""

from collections.abc import Sequence

import jax.numpy as jnp

from tgnn.attention.api import attend
from tgnn.errors import as_index, check_size
from tgnn.graphs import Layout
from tgnn.nn.basic import check_ids
from tgnn.nn.draws import normal
from tgnn.typing import Array, ArrayLike, Params


def init_attention_pool(rng: Array, dim: int, *, num_heads: int = 1) -> Params:
    """Initialises `{"query": [num_heads, dim]}`: what each head looks for in a node.

    Args:
        rng: a key.
        dim: features of a node.
        num_heads: readouts side by side.
    """
    return {"query": normal(rng, (num_heads, dim)) * dim**-0.5}


def attention_pool(params: Params, layout: Layout, x: Array) -> Array:
    """One vector for each graph and head: its nodes, weighted by a softmax of how well they fit a learned query.

    Args:
        params: what `init_attention_pool` made.
        layout: from nodes to their graph, such as `tgnn.readout(graph)`.
        x: `[n, dim]`.

    Returns:
        `[n_graphs, heads, dim]`; zeros for a graph without nodes.

    Reference: Li et al., Gated Graph Sequence Neural Networks, arXiv:1511.05493, equation 7 (without its gate's
        activation); Lee et al., Set Transformer, arXiv:1810.00825, PMA with one seed a head (without projections).
    """
    query = jnp.broadcast_to(params["query"], (layout.n_receivers, *params["query"].shape)).astype(x.dtype)
    return attend(layout, query, x[:, None], x[:, None], scale=1.0)  # one key for all heads


def init_top_k_pool(rng: Array, dim: int) -> Params:
    """Initialises `{"direction": [dim]}`, along which nodes are ranked.

    Args:
        rng: a key.
        dim: features of a node.
    """
    return {"direction": normal(rng, (dim,))}


def top_k_pool(params: Params, x: Array, graph_ids: Array, ratio: float = 0.5) -> tuple[Array, Array]:
    """Keeps of each graph the share of nodes that lie farthest along a learned direction; also under jit.

    Args:
        params: what `init_top_k_pool` made.
        x: `[n, dim]`.
        graph_ids: int `[n]`, the graph of each node, -1 for padding.
        ratio: in (0, 1]: of n nodes, the smallest whole number of at least ratio * n is kept.

    Returns:
        `[n, dim]`: kept rows times tanh of their score, others 0; and bool `[n]`, which are kept. Mask the edges with
        it: `dataclasses.replace(layout, mask=layout.live & kept[layout.senders] & kept[layout.receivers])`, or cut the
        graph with `tgnn.induced` where values are known.

    Raises:
        ValueError: for a ratio outside (0, 1], or ids of another length.

    Reference: Gao and Ji, Graph U-Nets, arXiv:1905.05178, equation 2; tanh for the paper's sigmoid, as PyG has it.

    >>> params = {"direction": jnp.array([1.0])}
    >>> top_k_pool(params, jnp.array([[1.0], [3.0], [2.0]]), jnp.array([0, 0, 0]))[1].tolist()
    [False, True, True]
    """
    if not 0 < ratio <= 1:
        raise ValueError(f"ratio must be in (0, 1], got {ratio}; 0.5 keeps half of the nodes of each graph")
    graph_ids, n = check_graph_ids(graph_ids, x), x.shape[0]
    score = x @ params["direction"] / jnp.linalg.norm(params["direction"])  # [n]
    order = by_graph(score, graph_ids)
    ordered = graph_ids[order]
    rank = jnp.zeros(n, jnp.int32).at[order].set(place_in_graph(ordered))
    size = jnp.searchsorted(ordered, graph_ids, side="right") - jnp.searchsorted(ordered, graph_ids)
    kept = (graph_ids >= 0) & (rank < jnp.ceil(ratio * size))
    return jnp.where(kept[:, None], x * jnp.tanh(score)[:, None], 0), kept


def sort_pool(x: Array, graph_ids: Array, *, n_graphs: int, k: int) -> Array:
    """The k nodes of each graph with the largest last feature, largest first; also under jit.

    Args:
        x: `[n, dim]`.
        graph_ids: int `[n]`, the graph of each node, -1 for padding.
        n_graphs: how many graphs there are.
        k: rows of each graph; zeros where it has fewer nodes.

    Returns:
        `[n_graphs, k, dim]`.

    Reference: Zhang et al., An End-to-End Deep Learning Architecture for Graph Classification, AAAI 2018 (ties are
        broken by position here, by earlier features there).

    >>> sort_pool(jnp.array([[1.0], [3.0], [2.0]]), jnp.array([0, 0, 1]), n_graphs=2, k=2)[:, :, 0].tolist()
    [[3.0, 1.0], [2.0, 0.0]]
    """
    n_graphs, k = check_size("n_graphs", n_graphs), check_size("k", k)
    graph_ids = check_graph_ids(graph_ids, x)
    order = by_graph(x[:, -1], graph_ids)
    owner, place = graph_ids[order], place_in_graph(graph_ids[order])
    row = jnp.where((owner >= 0) & (place < k), owner, n_graphs)  # beyond the last: dropped
    return jnp.zeros((n_graphs, k, *x.shape[1:]), x.dtype).at[row, place].set(x[order], mode="drop")


def pair_features(x: Array, first: Array, second: Array) -> Array:
    """A symmetric description of pairs of nodes: sum, product and distance of their features.

    Args:
        x: `[n, dim]`.
        first: int `[pairs]`, and the others as `second`; of an id out of range the features are zeros.
        second: int `[pairs]`.

    Returns:
        `[pairs, 3 * dim]`.

    Raises:
        ValueError: for ids out of range, where they are known before jit.
    """
    rows = []
    for name, ids in (("first", first), ("second", second)):
        ids = jnp.asarray(as_index(name, ids))
        check_ids(ids, x.shape[0])
        inside = (ids >= 0) & (ids < x.shape[0])
        rows.append(jnp.where(inside[:, None], x[jnp.clip(ids, 0, x.shape[0] - 1)], 0))
    a, b = rows
    return jnp.concatenate([a + b, a * b, jnp.abs(a - b)], axis=-1)


def jumping_knowledge(layers: Sequence[Array], how: str = "concatenate") -> Array:
    """The outputs of several layers as one.

    Args:
        layers: `[n, dim]` each.
        how: "concatenate" -> `[n, layers * dim]`; "max", feature by feature -> `[n, dim]`.

    Raises:
        ValueError: for no layers, or another word.

    Reference: Xu et al., Representation Learning on Graphs with Jumping Knowledge Networks, arXiv:1806.03536, section 4
        (without its attention by an LSTM).
    """
    if not len(layers):
        raise ValueError("layers is empty; pass the output of one layer at least")
    if how == "concatenate":
        return jnp.concatenate(list(layers), axis=-1)
    if how == "max":
        return jnp.stack(list(layers)).max(0)
    raise ValueError(f'how must be "concatenate" or "max", got {how!r}')


def by_graph(score: Array, graph_ids: Array) -> Array:
    """An order of nodes: by graph, then by falling score, then by position; padding first."""
    return jnp.lexsort((-score, graph_ids))


def place_in_graph(sorted_ids: Array) -> Array:
    """0, 1, 2, ... within each run of equal ids."""
    return jnp.arange(sorted_ids.shape[0]) - jnp.searchsorted(sorted_ids, sorted_ids)


def check_graph_ids(graph_ids: ArrayLike, x: Array) -> Array:
    """Int [n], or a ValueError."""
    graph_ids = jnp.asarray(as_index("graph_ids", graph_ids))
    if graph_ids.shape != x.shape[:1]:
        raise ValueError(
            f"graph_ids must have shape {x.shape[:1]}, one for each row of x, got {graph_ids.shape}; -1 is padding"
        )
    return graph_ids
