"""Exphormer: one sparse attention over the given edges, those of an expander and those with virtual nodes."""

from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.attention.api import attend
from tgnn.errors import check_size
from tgnn.graphs import EdgeList
from tgnn.graphs.interop import edge_slots
from tgnn.graphs.layout import is_traced
from tgnn.models.cards import Choice
from tgnn.models.graph_transformers.graph_transformer import EdgeProduct, init_update, update
from tgnn.models.layers import own_order, split_heads, stack_layers
from tgnn.nn.basic import embedding, init_embedding, init_linear, linear
from tgnn.nn.block import run_blocks
from tgnn.patterns import expander
from tgnn.typing import Array, Params

GIVEN, EXPANDER, FROM_VIRTUAL, TO_VIRTUAL = range(4)


class Interactions(NamedTuple):
    """The graph that Exphormer attends along: n nodes, and then the virtual nodes of each graph.

    Attributes:
        layout: given edges first, in their caller's order; a pair that is of two kinds has two edges.
        kinds: int32 [n_edge] in the caller's order: `GIVEN`, `EXPANDER`, `FROM_VIRTUAL`, `TO_VIRTUAL`; -1 = padding.
    """

    layout: Any
    kinds: Array | np.ndarray


def interactions(
    layout: Any,
    *,
    segments: Array | None = None,
    num_graphs: int | None = None,
    degree: int = 4,
    num_virtual: int = 1,
    seed: int = 0,
    pad_to: int | None = None,
) -> Interactions:
    """Adds expander edges and virtual nodes to the graphs of a batch. Host side.

    Args:
        layout: an `EdgeList` with the given edges of n nodes.
        segments: ints `[n]`, the graph of each node, -1 for padding; default one graph.
        num_graphs: how many graphs get virtual nodes; default as many as there are.
        degree: of the expander, even; 0 for none. See `tgnn.patterns.expander`.
        num_virtual: virtual nodes of each graph, joined to all of its nodes in both directions.
        seed: of the expanders: they depend on it and on the number of nodes alone, so that a graph has the same one in
            every batch.
        pad_to: number of edge slots, for batches of one shape; default what is needed.
    """
    n = layout.n_receivers
    owner = np.zeros(n, np.int32) if segments is None else np.asarray(segments)
    num_graphs = int(owner.max(initial=-1)) + 1 if num_graphs is None else check_size("num_graphs", num_graphs)
    members = [np.flatnonzero(owner == graph) for graph in range(num_graphs)]
    own = np.flatnonzero((owner >= 0) & (owner < num_graphs))
    hubs = (n + owner[own][:, None] * num_virtual + np.arange(num_virtual)[None]).ravel()
    spokes = np.repeat(own, num_virtual)
    senders, receivers, live = edge_slots(layout)
    random = [nodes[_expander(len(nodes), degree, seed)] for nodes in members if len(nodes) > 1 and degree]
    random = np.concatenate([np.zeros((2, 0), int), *random], axis=1)
    parts = [(senders, receivers), random, (hubs, spokes), (spokes, hubs)]
    ends = [np.concatenate([part[side] for part in parts]) for side in (0, 1)]
    kinds = np.repeat(np.arange(4, dtype=np.int32), [len(part[0]) for part in parts])
    mask = np.append(live, np.ones(len(kinds) - len(senders), bool))
    total = n + num_graphs * num_virtual
    joined = EdgeList.from_edges(*ends, n_receivers=total, mask=mask, pad_to=pad_to)
    kinds = np.pad(np.where(mask, kinds, -1), (0, joined.n_edge - len(kinds)), constant_values=-1)
    return Interactions(joined, kinds)


@lru_cache
def _expander(n: int, degree: int, seed: int) -> np.ndarray:
    """Senders and receivers `[2, n_edge]` of an expander of n nodes."""
    table = expander(n, degree, seed)
    live = np.asarray(table.live)
    return np.stack([np.asarray(table.senders)[live], np.nonzero(live)[0]])


def init_exphormer(
    rng: Array,
    *,
    num_layers: int,
    model_dim: int,
    num_heads: int,
    hidden_dim: int | None = None,
    num_virtual: int = 1,
) -> Params:
    """Initialises `{"virtual": [num_virtual, model_dim], "kinds", "layers"}`, layers stacked along a leading axis.

    Args:
        rng: a key.
        num_layers: layers.
        model_dim: features of a node and of an edge, throughout.
        num_heads: a divisor of `model_dim`.
        hidden_dim: of the perceptrons; default `2 * model_dim`.
        num_virtual: as for `interactions`.
    """
    virtual_rng, kinds_rng, layers_rng = jax.random.split(rng, 3)
    sizes = {"model_dim": model_dim, "heads": split_heads(model_dim, num_heads)}
    init = partial(_init_layer, hidden_dim=hidden_dim or 2 * model_dim, **sizes)
    return {
        "virtual": init_embedding(virtual_rng, num_virtual, model_dim)["table"],
        "kinds": init_embedding(kinds_rng, 4, model_dim),
        "layers": stack_layers(init, layers_rng, num_layers),
    }


def _init_layer(rng: Array, *, model_dim: int, heads: tuple[int, int], hidden_dim: int) -> Params:
    *rngs, nodes_rng = jax.random.split(rng, 5)
    names = ("query", "key", "value", "edge")
    params = {name: init_linear(r, model_dim, heads, use_bias=False) for name, r in zip(names, rngs, strict=True)}
    return params | {"nodes": init_update(nodes_rng, heads, model_dim, hidden_dim)}


def exphormer(
    params: Params,
    graph: Interactions,
    x: Array,
    *,
    edges: Array | None = None,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> Array:
    """Attends to neighbours, to random others and to virtual nodes at once; the kind of an edge weighs its score.

    Args:
        params: what `init_exphormer` made.
        graph: what `interactions` joined, with the same `num_virtual`.
        x: `[n, model_dim]`: embedded features of the nodes, plus an embedding of `laplacian_eigenvectors`.
        edges: `[n_given, model_dim]` in the given layout's caller's order: embedded features, added to those of the
            kind; or None.
        dropout_rate: of what the heads say and of the perceptrons' hidden features.
        rng: key of the dropout; None switches it off.

    Returns:
        `[n, model_dim]`. Cost: linear in nodes and edges.

    Raises:
        ValueError: if the graph's virtual nodes are not a multiple of the parameters', or, outside jit, `edges` has not
            one row for each given edge.

    Reference: Shirzad et al., Exphormer: Sparse Transformers for Graphs, arXiv:2303.06147, eqs. 1 to 3 and section 3.1.
        This is the attention by itself, with the norms and the perceptron of the Graph Transformer; theirs stands in
        GPS beside a local branch. Edges from and to virtual nodes are two kinds.
    """
    n, (num_virtual, model_dim) = x.shape[0], params["virtual"].shape
    rows = graph.layout.n_receivers - n
    copies, rest = divmod(rows, num_virtual) if num_virtual else (0, rows)
    if rest:
        raise ValueError(
            f"graph has {rows} virtual nodes, but params are for {num_virtual} in each graph; "
            "pass the same num_virtual to interactions and init_exphormer"
        )
    virtual = jnp.broadcast_to(params["virtual"].astype(x.dtype)[None], (copies, num_virtual, model_dim))
    x = jnp.concatenate([x, virtual.reshape(rows, model_dim)])
    features = embedding(params["kinds"], graph.kinds).astype(x.dtype)
    if edges is not None:
        _check_given(graph, edges)
        features = features + jnp.pad(edges, ((0, features.shape[0] - edges.shape[0]), (0, 0)))
    layout, features = own_order(graph.layout, x, features)

    def apply(x, block):
        layer, _, layer_rng = block
        query, key, value = (linear(layer[name], x) for name in ("query", "key", "value"))
        edge = linear(layer["edge"], features)
        heads = attend(layout, query, key, value, score=EdgeProduct(), edges=edge)
        return update(layer["nodes"], x, heads, dropout_rate=dropout_rate, rng=layer_rng), None

    return run_blocks(apply, params["layers"], x, rng=rng)[0][:n]


def _check_given(graph: Interactions, edges: Array) -> None:
    """Rows of `edges` beyond the given edges would be added to the expander's."""
    if is_traced(graph.kinds):
        return
    others = np.flatnonzero(np.asarray(graph.kinds) > GIVEN)
    if len(others) and len(edges) != others[0]:
        raise ValueError(f"edges must have {others[0]} rows, one for each given edge, got {len(edges)}")


CHOICES = (
    Choice(
        "Exphormer",
        "neighbours, `expander` and virtual nodes",
        "`EdgeProduct`: dot product whose terms the edge weighs, by its kind",
        "softmax",
        "arXiv:2303.06147",
    ),
)
