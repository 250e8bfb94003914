"""Scores: how much an edge matters before the softmax. Each is a pytree whose parameters are its leaves.

A score is two maps on nodes and one on edges, `pair(receiver(query), sender(key), edge)`. Whatever can be computed once
per node stands in the node maps, so that an edge gathers as little as possible. To write your own, subclass `Score`,
register it with `jax.tree_util.register_dataclass` and define `pair`; every layout and every chunked execution can then
evaluate, recompute and differentiate it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from tgnn.graphs.layout import Layout
from tgnn.softmax import wide_dtype
from tgnn.typing import Array


class Score:
    """A logit for each edge and head."""

    def receiver(self, query: Array) -> Array:
        """What an edge needs of its receiver: [n_receivers, heads, head_dim] -> [n_receivers, heads, ...]."""
        return query

    def sender(self, key: Array) -> Array:
        """What an edge needs of its sender: [n_senders, heads, head_dim] -> [n_senders, heads, ...]."""
        return key

    def pair(self, receiver: Array, sender: Array, edge: Array | None = None) -> Array:
        """The logits of edges: broadcastable [..., heads, ...] each -> [..., heads]."""
        raise TypeError(f"{type(self).__name__} does not define pair(receiver, sender, edge)")

    def default_scale(self, head_dim: int) -> float:
        """The scale that `attend` uses where none is given."""
        return 1.0

    def on_receivers(self, query: Array) -> Array:
        """`receiver(query)`, from which a row that no edge reads cannot reach the score's parameters."""
        return query if type(self).receiver is Score.receiver else on_nodes(type(self).receiver, self, query)

    def on_senders(self, key: Array) -> Array:
        """`sender(key)`, from which a row that no edge reads cannot reach the score's parameters."""
        return key if type(self).sender is Score.sender else on_nodes(type(self).sender, self, key)

    def __call__(self, layout: Layout, query: Array, key: Array, edges: Array | None = None) -> Array:
        """Logits [*edge_shape, heads], before scale and bias; `edges` are in the layout's own order."""
        receiver = layout.keep(layout.from_receivers(self.on_receivers(query)))
        sender = layout.keep(layout.from_senders(self.on_senders(key)))
        return self.pair(receiver, sender, None if edges is None else layout.keep(edges))


def on_nodes(node_map: Callable[[Score, Array], Array], score: Score, x: Array) -> Array:
    """`node_map(score, x)`, with derivatives through finite numbers only.

    A row of NaN or inf that no edge reads has gradient 0, and 0 * NaN would still be NaN in the sum over nodes which is
    the gradient of the map's parameters. On a live edge such a row keeps its value, and is loud in the output.
    """
    arrays, join = split(score)
    # A score that is no registered pytree has no parameters to protect.
    return node_map(score, x) if join is None else guarded(NodeMap(node_map, join), arrays, x)


class Join(NamedTuple):
    """A pytree without its arrays: hashable, so that it may be static."""

    treedef: Any
    numbers: tuple  # the leaves that are Python numbers; None for an array

    def __call__(self, arrays):
        """The pytree with these arrays."""
        arrays = iter(arrays)
        return self.treedef.unflatten([next(arrays) if x is None else x for x in self.numbers])


def split(tree) -> tuple[list, Join | None]:
    """The arrays of a pytree, and what puts others in their place; None if a leaf is neither array nor number."""
    leaves, treedef = jax.tree.flatten(tree)
    arrays = [x for x in leaves if hasattr(x, "dtype")]
    if any(not hasattr(x, "dtype") and not isinstance(x, (bool, int, float)) for x in leaves):
        return arrays, None
    return arrays, Join(treedef, tuple(None if hasattr(x, "dtype") else x for x in leaves))


class NodeMap(NamedTuple):
    """A node map of a score as a function of the score's arrays."""

    node_map: Callable[[Score, Array], Array]
    join: Join

    def __call__(self, arrays, x: Array) -> Array:
        return self.node_map(self.join(arrays), x)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def guarded(node_map: NodeMap, arrays: list[Array], x: Array) -> Array:
    """`node_map(arrays, x)`."""
    return node_map(arrays, x)


@guarded.defjvp
def _(node_map, primals, tangents):
    (arrays, x), (to_arrays, to_x) = primals, tangents
    safe = jnp.where(jnp.isfinite(x), x, jnp.zeros((), x.dtype))
    # `guarded` again, so that a derivative of higher order meets this rule too.
    return guarded(node_map, arrays, x), jax.jvp(node_map, (arrays, safe), (to_arrays, to_x))[1]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class DotProduct(Score):
    """`<query_i, key_j>`, or `<query_i, key_j + edge_ij>` where edge features [..., heads, head_dim] are given.

    Scale: head_dim ** -0.5. Reference: Vaswani et al., Attention Is All You Need, arXiv 1706.03762, equation 1; edge
    features as in Shaw et al., Self-Attention with Relative Position Representations, arXiv 1803.02155, equation 4.
    """

    def pair(self, receiver: Array, sender: Array, edge: Array | None = None) -> Array:
        wide = wide_dtype(receiver.dtype, sender.dtype)
        sender = sender.astype(wide) if edge is None else sender.astype(wide) + edge.astype(wide)
        return (receiver.astype(wide) * sender).sum(-1)

    def default_scale(self, head_dim: int) -> float:
        return head_dim**-0.5 if head_dim else 1.0

    def __call__(self, layout: Layout, query: Array, key: Array, edges: Array | None = None) -> Array:
        logits = layout.score(query, key)  # a contraction where the layout has one
        if edges is None:
            return logits
        return logits + self.pair(layout.from_receivers(query), layout.keep(edges))


dot_product = DotProduct()


@jax.custom_jvp
def head_dot(x: Array, vector: Array) -> Array:
    """[n, heads, dim], [heads, dim] -> [n, heads]: one inner product for each node and head."""
    return (x * vector[None].astype(x.dtype)).sum(-1, dtype=wide_dtype(x.dtype))


@head_dot.defjvp
def _(primals, tangents):
    (x, vector), (to_x, to_vector) = primals, tangents
    n, heads, dim = x.shape
    # The gradient of the vector is a sum over all nodes: as a matrix product it takes half the time on CPU.
    blocks = (to_vector[:, :, None] * jnp.eye(heads, dtype=to_vector.dtype)[:, None, :]).reshape(heads * dim, heads)
    wide = wide_dtype(x.dtype)
    by_vector = jnp.matmul(x.reshape(n, heads * dim).astype(wide), blocks.astype(wide), precision="highest")
    return head_dot(x, vector), head_dot(to_x, vector) + by_vector


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Additive(Score):
    """GAT: `leaky_relu(<a_receiver, query_i> + <a_sender, key_j> + edge_ij)`. Two numbers per edge are gathered.

    Args:
      receiver_vector: [heads, head_dim].
      sender_vector: [heads, head_dim].
      slope: slope of the negative half, static.

    Edge features, where given, are [..., heads]: already projected. Reference: Veličković et al., Graph Attention
    Networks, arXiv 1710.10903, equation 3.
    """

    receiver_vector: Array
    sender_vector: Array
    slope: float = jax.tree.static(default=0.2)  # pyright: ignore

    def receiver(self, query: Array) -> Array:
        return head_dot(query, self.receiver_vector)

    def sender(self, key: Array) -> Array:
        return head_dot(key, self.sender_vector)

    def pair(self, receiver: Array, sender: Array, edge: Array | None = None) -> Array:
        total = receiver + sender if edge is None else receiver + sender + edge.astype(receiver.dtype)
        return jax.nn.leaky_relu(total, self.slope)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class AdditiveV2(Score):
    """GATv2: `<a, leaky_relu(query_i + key_j + edge_ij)>`.

    Args:
      vector: [heads, head_dim].
      slope: slope of the negative half, static.

    Edge features, where given, are [..., heads, head_dim]. Reference: Brody, Alon, Yahav, How Attentive are Graph
    Attention Networks?, arXiv 2105.14491, equation 7.
    """

    vector: Array
    slope: float = jax.tree.static(default=0.2)  # pyright: ignore

    def pair(self, receiver: Array, sender: Array, edge: Array | None = None) -> Array:
        wide = wide_dtype(receiver.dtype, sender.dtype)
        total = receiver.astype(wide) + sender.astype(wide)
        total = total if edge is None else total + edge.astype(wide)
        active = jax.nn.leaky_relu(total, self.slope)
        return (active * self.vector.astype(wide).reshape((1,) * (active.ndim - 2) + self.vector.shape)).sum(-1)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Gaussian(Score):
    """MoNet: `-1/2 sum_d ((u_ij - mean)_d / width_d) ** 2` for pseudo-coordinates `u_ij`; one head per kernel.

    Args:
      mean: [heads, dim].
      width: [heads, dim], the standard deviation of each kernel.

    Pseudo-coordinates are the edge features [..., dim] or [..., heads, dim]; without them, `key_j - query_i`.
    `attend` normalises the kernels over the neighbours; MoNet's own sum is `aggregate(jnp.exp(logits), value)`.
    Reference: Monti et al., Geometric deep learning on graphs using mixture model CNNs, arXiv 1611.08402, equation 11.
    """

    mean: Array
    width: Array

    def pair(self, receiver: Array, sender: Array, edge: Array | None = None) -> Array:
        wide = wide_dtype(receiver.dtype, self.mean.dtype)
        if edge is None:
            coordinates = sender.astype(wide) - receiver.astype(wide)
        else:
            coordinates = edge.astype(wide)
            if coordinates.ndim < receiver.ndim:
                coordinates = coordinates[..., None, :]
        lead = (1,) * (coordinates.ndim - 2)
        steps = (coordinates - self.mean.reshape(lead + self.mean.shape)) / self.width.reshape(lead + self.width.shape)
        return -0.5 * (steps**2).sum(-1)
