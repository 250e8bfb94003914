"""Pre-training a graph network without labels: some attributes of nodes and edges are hidden, and it says which.

Of each graph a share of the nodes is drawn, whose attributes are replaced by a token, and so are those of the edges
that touch them. A network is trained to tell the hidden attributes from what is left: the edges themselves and the
attributes around. Which are hidden depends on the key alone, and the loss counts nothing else.

Reference: Hu et al., Strategies for Pre-training Graph Neural Networks, arXiv:1905.12265, section 3.1.2 (attribute
    masking).
"""

from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.errors import as_index, check_size
from tgnn.graphs.interop import as_layout
from tgnn.graphs.layout import is_traced
from tgnn.train.losses import cross_entropy
from tgnn.typing import Array, DTypeLike, Graph


class Hidden(NamedTuple):
    """What a network is shown, and what it is asked.

    Attributes:
        nodes: as given, the token in the rows of `node_mask`.
        edges: as given, the token in the rows of `edge_mask`; None where there are none.
        node_mask: bool [n], which nodes are hidden.
        edge_mask: bool [*edge_shape] in the caller's order, which edges are.
    """

    nodes: Array
    edges: Array | None
    node_mask: Array
    edge_mask: Array


def hide_attributes(
    rng: Array,
    graph: Graph,
    nodes: Array,
    edges: Array | None = None,
    *,
    node_token: Any,
    edge_token: Any = None,
    rate: float = 0.15,
    graph_of_node: Array | None = None,
    num_graphs: int = 1,
) -> Hidden:
    """Hides the attributes of some nodes of each graph, and of all edges that touch them.

    For a batch that is a function of the step, pass `jax.random.fold_in(jax.random.key(seed), step)`.

    Args:
        rng: a key, which alone decides what is hidden.
        graph: edges between the nodes; a batch is a disjoint union.
        nodes: `[n, ...]` attributes, of any type.
        edges: `[*edge_shape, ...]` attributes in the caller's order, or None.
        node_token: what stands for hidden attributes, broadcast to a row of `nodes`: a class that no node has.
        edge_token: likewise of `edges`.
        rate: share of the nodes of each graph that are hidden, rounded down, plus one; 0 hides none.
        graph_of_node: ints `[n]`, the graph of each node; those outside of [0, num_graphs), such as -1, are padding,
            which is never drawn. Default: all are of one graph.
        num_graphs: graphs of the batch.

    Returns:
        The attributes with tokens, and which were hidden.

    Raises:
        ValueError: `rate` is outside of [0, 1], nodes or edges have another length than the graph, there are edges
            without a token, or the type of the attributes does not hold a token.

    >>> import tgnn
    >>> chain = tgnn.EdgeList.from_edges([0, 1, 1, 2], [1, 0, 2, 1], n_receivers=3)
    >>> atoms, bonds = jnp.array([6, 6, 8]), jnp.array([1, 1, 2, 2])
    >>> hidden = hide_attributes(jax.random.key(0), chain, atoms, bonds, node_token=0, edge_token=0)
    >>> int(hidden.node_mask.sum()), bool((hidden.nodes == jnp.where(hidden.node_mask, 0, atoms)).all())
    (1, True)
    """
    nodes = jnp.asarray(nodes)
    layout = as_layout(graph, nodes.shape[0] if nodes.ndim else None)
    if nodes.ndim == 0 or layout.n_senders != layout.n_receivers or nodes.shape[0] != layout.n_receivers:
        raise ValueError(
            f"nodes have shape {nodes.shape}, but the graph has {layout.n_senders} senders and {layout.n_receivers} "
            "receivers; pass one row for each node of a graph on one set of nodes"
        )
    if graph_of_node is None:
        graph_of_node = jnp.zeros(nodes.shape[:1], jnp.int32)
    node_mask = draw_nodes(rng, graph_of_node, num_graphs, rate)
    if node_mask.shape != nodes.shape[:1]:
        raise ValueError(f"graph_of_node has shape {node_mask.shape}, expected {nodes.shape[:1]}: one graph a node")
    ends = layout.from_senders(node_mask[:, None]) | layout.from_receivers(node_mask[:, None])
    edge_mask = layout.zero_dead_edges(jnp.broadcast_to(ends[..., 0], layout.edge_shape))
    shown = hide(nodes, node_mask, node_token)
    if edges is None:
        return Hidden(shown, None, node_mask, edge_mask)
    edges = jnp.asarray(edges)
    if edge_token is None or edges.shape[: edge_mask.ndim] != edge_mask.shape:
        raise ValueError(
            f"edges have shape {edges.shape} and edge_token is {edge_token}, expected leading axes {edge_mask.shape} "
            "in the caller's order and a token; pass both or neither"
        )
    return Hidden(shown, hide(edges, edge_mask, edge_token), node_mask, edge_mask)


def draw_nodes(rng: Array, graph_of_node: Array, num_graphs: int, rate: float) -> Array:
    """Of each graph of n nodes `floor(rate * n) + 1`, at most n, drawn without replacement: bool [n_node].

    Args:
        rng: a key.
        graph_of_node: ints `[n_node]`, in any order; those outside of [0, num_graphs) are never drawn.
        num_graphs: graphs.
        rate: in [0, 1]; 0 draws none.

    Raises:
        ValueError: `rate` is outside of [0, 1], or `graph_of_node` are not integers of one axis.
    """
    num_graphs = check_size("num_graphs", num_graphs)
    if not 0.0 <= rate <= 1.0:
        raise ValueError(f"rate must be in [0, 1], got {rate}; 0.15 is usual")
    owner = jnp.asarray(as_index("graph_of_node", graph_of_node))
    if owner.ndim != 1:
        raise ValueError(f"graph_of_node must have one axis, got shape {owner.shape}; pass one graph a node")
    return _draw(rng, owner, num_graphs, float(rate))


@partial(jax.jit, static_argnums=(2, 3))
def _draw(rng, owner, num_graphs, rate):
    live = (owner >= 0) & (owner < num_graphs)
    owner = jnp.where(live, owner, num_graphs)  # padding comes last
    order = jnp.lexsort((jax.random.uniform(rng, owner.shape), owner))  # graph by graph, at random within each
    sizes = jnp.bincount(owner, length=num_graphs + 1)
    first = jnp.cumsum(sizes) - sizes
    rank = jnp.zeros_like(owner).at[order].set(jnp.arange(owner.shape[0], dtype=owner.dtype))
    share = share_of(rate, sizes).astype(owner.dtype)
    drawn = share + 1 if rate else jnp.zeros_like(share)
    return live & (rank - first.astype(owner.dtype)[owner] < drawn[owner])


def share_of(rate: float, sizes: Array) -> Array:
    """`floor(rate * n)` of each n, int32, in whole numbers: as floats 0.15 * 20 is below 3, 0.15 * 999,999 is 150,000.

    >>> share_of(0.15, jnp.array([20, 999_999])).tolist()
    [3, 149999]
    """
    # A fraction whose numerator times denominator is below 2 ** 31, as are all products below.
    most = min((2**30 / rate) ** 0.5, 2**31 - 1) if rate else 1
    part = Fraction(rate).limit_denominator(int(most))
    whole, rest = jnp.divmod(sizes, part.denominator)
    return part.numerator * whole + part.numerator * rest // part.denominator


def hide(x: Array, mask: Array, token: Any) -> Array:
    """`x` with the token, broadcast to a row, where the mask is True; nothing of the hidden rows is left.

    Raises:
        ValueError: the type of x does not hold the token.

    >>> hide(jnp.array([[1, 2], [3, 4]]), jnp.array([False, True]), jnp.array([8, 9])).tolist()
    [[1, 2], [8, 9]]
    """
    row = x.shape[mask.ndim :]
    tokens = jnp.broadcast_to(jnp.asarray(check_token(token, x.dtype), x.dtype), row)
    mask, tokens = mask.reshape(mask.shape + (1,) * len(row)), tokens.reshape((1,) * mask.ndim + row)
    return jnp.where(mask, tokens, x)


def check_token(token: Any, dtype: DTypeLike) -> Any:
    """A token that is another number in this type is a ValueError; real ones are rounded."""
    if is_traced(token):
        return token
    token = np.asarray(token)
    if jnp.issubdtype(dtype, jnp.inexact) and jnp.issubdtype(token.dtype, jnp.inexact):
        return token
    with np.errstate(invalid="ignore", over="ignore"):
        cast = token.astype(dtype)
    if (cast != token).any():
        raise ValueError(f"token is {token}, which as {dtype} is {cast}; choose another one, or cast the attributes")
    return cast


def hidden_loss(
    hidden: Hidden,
    node_logits: Array,
    node_labels: Array,
    edge_logits: Array | None = None,
    edge_labels: Array | None = None,
) -> Array:
    """Mean cross-entropy of the hidden nodes' classes, plus that of the hidden edges', in nats.

    Args:
        hidden: what `hide_attributes` gave.
        node_logits: `[n, n_class]`.
        node_labels: ints `[n]` before anything was hidden; those that are no class do not count.
        edge_logits: `[*edge_shape, n_class]` in the caller's order, or None.
        edge_labels: ints `[*edge_shape]`.

    Returns:
        A scalar; 0 where nothing is hidden. Nothing else has a gradient.
    """
    loss = cross_entropy(node_logits, node_labels, hidden.node_mask)
    return loss if edge_logits is None else loss + cross_entropy(edge_logits, edge_labels, hidden.edge_mask)
