"""Editing the graph of a network that others trained: edges of any layer or head, and heads themselves.

The verbs on edges give what every model here takes as `layout=`; the verbs on heads give other parameters.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.compiled import program
from tgnn.errors import check_indices, check_size
from tgnn.graphs import Dense, EdgeList, Layout
from tgnn.graphs.layout import is_traced
from tgnn.pretrained.layouts import Place, layer_of
from tgnn.typing import Array, Graph, Params

Edited: TypeAlias = Any
"""A graph, or a mapping from a `Place` to each."""


def replace(graph: Edited, edges: Edited, at: Place | Iterable[Place] = None) -> Edited:
    """Puts these edges in the place of those of a layer or a head.

    Args:
        graph: the network's own, such as `model.graph(n)`, or what a verb gave.
        edges: a graph, or a mapping with one for each place.
        at: a layer, or a head as the tuple `(layer, head)`, or a list of these; default everywhere. Not for a mapping
            of edges.

    Returns:
        What a model takes as its `layout`.

    Raises:
        ValueError: for places beside a mapping.

    >>> from tgnn.graphs import Causal, Complete
    >>> replace(Complete(5), Causal(5), at=(3, 1))
    {None: Complete(n_receivers=5, n_senders=5), (3, 1): Causal(n=5, n_senders=5, offset=0)}
    """
    return edit(graph, edges, at, lambda old, new: new)


def intersect(graph: Edited, edges: Edited, at: Place | Iterable[Place] = None) -> Edited:
    """Keeps of a layer's or head's edges those that are also among these; arguments as for `replace`."""
    return edit(graph, edges, at, lambda old, new: old & new)


def extend(graph: Edited, edges: Edited, at: Place | Iterable[Place] = None) -> Edited:
    """Adds edges to those of a layer or a head; arguments as for `replace`."""
    return edit(graph, edges, at, lambda old, new: old | new)


def knock_out(graph: Edited, edges: Edited, at: Place | Iterable[Place] = None) -> Edited:
    """Takes edges away from those of a layer or a head; arguments as for `replace`."""
    return edit(graph, edges, at, lambda old, new: old - new)


def edit(graph: Edited, edges: Edited, at: Any, change: Callable[[Any, Any], Graph]) -> Edited:
    """Changes the edges of some places; those of all others stay."""
    if isinstance(edges, Mapping):
        if at is not None:
            raise ValueError(f"edges name their own places, but at is {at}; leave it out")
        for place, own in edges.items():
            graph = edit(graph, own, place, change)
        return graph
    found = dict(graph) if isinstance(graph, Mapping) else {None: graph}
    if at is None:
        found = {place: change(old, edges) for place, old in found.items()}
        return found if isinstance(graph, Mapping) else found[None]
    for place in [at] if is_place(at) else list(at):
        inner = [x for x in found if isinstance(x, tuple) and x[0] == place]  # heads of this layer
        old = {x: found.get(x, found.get(layer_of(x), found.get(None))) for x in (place, *inner)}
        found |= {x: change(graph, edges) for x, graph in old.items()}
    return found


def is_place(x: Any) -> bool:
    """Whether this is one layer, or one `(layer, head)`: a pair in a tuple; several stand in a list."""
    return is_integer(x) or (isinstance(x, tuple) and len(x) == 2 and all(map(is_integer, x)))


def is_integer(x: Any) -> bool:
    """Whether this is an integer of Python or NumPy."""
    return isinstance(x, int | np.integer)


def strongest(weights: Array, k: int, graph: Layout | None = None) -> Any:
    """The k strongest edges into each receiver, of an attention's own weights.

    Args:
        weights: `[..., n_receivers, n_senders]`, such as `attention(...)[:, head]`, where 0 is no edge; or, with a
            graph, one number for each of its edges.
        k: how many of each receiver; all where there are fewer.
        graph: whose edges they are, such as that of a GAT; it must not be traced.

    Returns:
        A `Dense` of a graph for each text, or an `EdgeList`. Of equal ones the first.

    Raises:
        ValueError: for a k below 1, and weights of another shape than the graph's edges.

    >>> strongest(jnp.array([[0.2, 0.5, 0.3]]), 2).mask.tolist()
    [[False, True, True]]
    """
    k = check_size("k", k, minimum=1)
    if graph is None:
        _, best = jax.lax.top_k(weights, min(k, jnp.shape(weights)[-1]))
        chosen = jnp.put_along_axis(jnp.zeros(jnp.shape(weights), bool), best, True, axis=-1, inplace=False)
        return Dense(chosen & (jnp.asarray(weights) > 0))
    if np.shape(weights) != graph.edge_shape:
        raise ValueError(f"weights have shape {np.shape(weights)}, but the graph's edges {graph.edge_shape}")
    senders, receivers = graph.pairs()
    strength = np.asarray(weights)[graph.on_edges(graph.live)]
    order = np.lexsort((-strength, receivers))
    first = np.searchsorted(receivers[order], receivers[order])  # where the edges of this receiver begin
    kept = np.sort(order[np.arange(len(order)) - first < k])
    sizes = {"n_receivers": graph.n_receivers, "n_senders": graph.n_senders}
    return EdgeList.from_edges(senders[kept], receivers[kept], **sizes)


def parse_tree(heads: Array) -> EdgeList:
    """A parse as a graph of the words: each sees itself, its head and its dependents.

    Args:
        heads: ints `[n]`, the word on which each depends; itself or a negative number at the root.

    >>> parse_tree([1, -1, 1]).adjacency().astype(int).tolist()
    [[1, 1, 0], [1, 1, 1], [0, 1, 1]]
    """
    on = np.asarray(heads)
    words = np.arange(len(on))
    if on.ndim != 1 or not np.issubdtype(on.dtype, np.integer) or (on >= len(on)).any():
        raise ValueError(f"heads must be ints [n] below n, got {on.dtype} {on.shape}; -1 is the root's")
    real = (on >= 0) & (on != words)
    ends = np.concatenate([words, words[real], on[real]]), np.concatenate([words, on[real], words[real]])
    return EdgeList.from_edges(*ends, n_receivers=len(on))


def edge_effects(
    measure: Callable[[Layout], Array], graph: Layout, edges: Array | None = None, *, batch_size: int = 16
) -> Array:
    """How a number changes when one edge is knocked out, for every edge by itself.

    Args:
        measure: a graph -> a number, or an array; runs under jit, such as
            `lambda g: model(params, ids, layout={(3, 1): g}).hidden[-1, 0, 0, 7]`.
        graph: whose edges are knocked out.
        edges: ints, numbers of edges in the order of `graph.to_edges()`; default all.
        batch_size: how many knock-outs run at once.

    Returns:
        `[edges, ...]`: the number without the edge, less the number with all.

    Raises:
        ValueError: for an edge that does not exist.
    """
    base = graph.to_edges()
    numbers = jnp.arange(base.n_edge)
    if edges is not None:
        numbers = jnp.asarray(edges if is_traced(edges) else check_indices("edges", edges, base.n_edge))

    def of(kept):
        return measure(EdgeList(base.senders, base.receivers, base.n_receivers, base.n_senders, kept))

    def run(numbers):
        every = base.live  # what is masked has no effect
        whole = of(every)
        return jax.lax.map(lambda i: of(every.at[i].set(False)) - whole, numbers, batch_size=batch_size)

    return program(run)(numbers)


def all_gates(params: Params, model: Any) -> Any:
    """Open gates of a network: a tuple with ones `[heads]` for each layer; of an encoder–decoder three of them."""
    return model.all_gates(params)


def with_gates(params: Params, model: Any, gates: Any) -> tuple[Params, Any]:
    """The network whose heads' outputs are multiplied by numbers, in whatever runs it: `generate`, training.

    Args:
        params: what `load` gave.
        model: what `load` gave, any.
        gates: as the model's keyword of this name.

    Returns:
        The parameters, with gates among them, and the model. Layers that shared a block (ALBERT) share its arrays.

    Raises:
        ValueError: for other numbers of layers or heads.
    """
    return model.with_gates(params, gates)


def remove_heads(params: Params, model: Any, heads: Any) -> tuple[Params, Any]:
    """The network without some of its heads, whose weights are cut out: the same as gates of 0, and faster.

    Args:
        params: what `load` gave, or a verb.
        model: what `load` gave, any.
        heads: `(layer, head)` each, counted as in `params`; of an encoder–decoder three collections of them.

    Returns:
        The parameters and the model. The heads of a layer that are left are numbered anew. Layers that shared a block
        and now differ have one each. Grouped queries: see `tgnn.nn.per_head.keep_heads`.

    Raises:
        ValueError: for heads that do not exist, and the last head of a GAT's layer.
    """
    return model.without_heads(params, heads)
