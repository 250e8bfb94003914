"""Scores: how much an edge matters before the softmax. Each is a pytree whose parameters are its leaves.

A score is two maps on nodes and one on edges, `pair(receiver(query), sender(key), edge)`. Whatever can be computed once
per node stands in the node maps, so that an edge gathers as little as possible. To write your own, subclass `Score`,
register it with `tgnn.pytrees.register` and define `pair`; every layout and every execution can then
evaluate, recompute and differentiate it. A score that is an inner product of mapped nodes subclasses `InnerProduct` and
defines the maps only: it runs as fast as the dot product.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from tgnn.attention.live import on_live
from tgnn.graphs.layout import Layout, register_export
from tgnn.pytrees import register
from tgnn.softmax import wide_dtype
from tgnn.typing import Array, Params


class Score:
    """A logit for each edge and head."""

    is_inner_product: ClassVar[bool] = False  # of mapped nodes: contractions and vendors' kernels can take it
    is_kernel: ClassVar[bool] = False  # the logarithm of an inner product of mapped nodes' features, see kernels.py
    is_mapped: ClassVar[bool] = False  # whether `receiver` or `sender` is more than the identity
    ignores_zeros: ClassVar[bool] = False  # zeros behind a row and its parameters change no logit; smooth at rows of 0
    own_logits: ClassVar[str | None] = None  # the method by which a score makes all logits itself, instead of by `pair`

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Notes what a score defines, and gives it a name in exports."""
        super().__init_subclass__(**kwargs)
        defined = set(cls.__dict__)
        cls.is_mapped = cls.is_mapped or bool({"receiver", "sender"} & defined)
        own = bool({"pair", "logits", "__call__"} & defined)
        if "is_kernel" not in defined:
            cls.is_kernel = cls.is_kernel and not own
        if "ignores_zeros" not in defined:
            cls.ignores_zeros = cls.ignores_zeros and not own
        if "is_inner_product" not in defined:
            cls.is_inner_product = cls.is_inner_product and not own
            cls.own_logits = next((name for name in ("logits", "__call__") if name in defined), cls.own_logits)
        if "__call__" in defined:  # its name until 0.1
            cls.logits = cls.__dict__["__call__"]
        register_export(cls)

    def receiver(self, query: Array) -> Array:
        """What an edge needs of its receiver: [n_receivers, heads, head_dim] -> [n_receivers, heads, ...]."""
        return query

    def sender(self, key: Array) -> Array:
        """What an edge needs of its sender: [n_senders, heads, head_dim] -> [n_senders, heads, ...]."""
        return key

    def pair(self, receiver: Array, sender: Array, edge: Array | None = None) -> Array:
        """The logits of edges: broadcastable [..., heads, ...] each -> [..., heads]."""
        raise ValueError(
            f"{type(self).__name__} does not define pair(receiver, sender, edge); define it, [..., heads, ...] each -> "
            "[..., heads], or subclass InnerProduct, which has one"
        )

    def default_scale(self, head_dim: int) -> float:
        """The scale that `attend` uses where none is given."""
        return 1.0

    def edge_tails(self, query: Array) -> tuple[tuple[int, ...], ...]:
        """The shapes that features of one edge may have, for queries [n_receivers, heads, ...]; none: any shape."""
        return ()

    def map_nodes(self, query: Array, key: Array) -> tuple[Array, Array]:
        """What edges see of their ends, from which a row that no edge reads cannot reach the score's parameters."""
        return on_nodes(type(self).receiver, self, query), on_nodes(type(self).sender, self, key)

    def logits(self, layout: Layout, receiver: Array, sender: Array, edges: Array | None = None) -> Array:
        """Logits [*edge_shape, heads] of mapped nodes, before scale and bias."""
        inputs = layout.from_receivers(receiver), layout.from_senders(sender), edges
        if self.ignores_zeros:
            return self.pair(*(x if x is None else layout.zero_dead_edges(x) for x in inputs))
        return on_live(type(self).pair, layout.live, self, *inputs)


def on_nodes(node_map: Callable[[Score, Array], Array], score: Score, x: Array) -> Array:
    """`node_map(score, x)`, with derivatives through finite numbers only.

    A row of NaN or inf that no edge reads has gradient 0, and 0 * NaN would still be NaN in the sum over nodes which is
    the gradient of the map's parameters. On a live edge such a row keeps its value, and is loud in the output.
    """
    arrays, join = split(score)
    if join is None or not arrays:  # no parameters to protect
        return node_map(score, quiet(x))
    return guarded(NodeMap(node_map, join), arrays, x)


@jax.custom_jvp
def quiet(x: Array) -> Array:
    """The identity, whose derivative is 0 where x is not finite: 0 * NaN of a row that no edge reads is not seen."""
    return x


@quiet.defjvp
def _(primals, tangents):
    (x,), (to_x,) = primals, tangents
    return quiet(x), jnp.where(jnp.isfinite(x), to_x, jnp.zeros((), to_x.dtype))


class Join(NamedTuple):
    """A pytree without its arrays: hashable, so that it may be static."""

    treedef: Any
    numbers: tuple[bool | int | float | None, ...]  # the leaves that are Python numbers; None for an array

    def __call__(self, arrays: Iterable[Array]) -> Any:
        """The pytree with these arrays."""
        arrays = iter(arrays)
        return self.treedef.unflatten([next(arrays) if x is None else x for x in self.numbers])


def split(tree: Params) -> tuple[list[Array], Join | None]:
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

    def __call__(self, arrays: list[Array], x: Array) -> Array:
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


class InnerProduct(Score):
    """The inner product of mapped nodes: `<receiver(query)_i, sender(key)_j>`, or `<..., sender(key)_j + edge_ij>`.

    Define `receiver` and `sender`, [n, heads, head_dim] -> [n, heads, dim]: `attend` maps the nodes and then runs the
    dot product's executions, so that an own score costs what the dot product does.

    >>> class Cosine(InnerProduct):
    ...     def receiver(self, query):
    ...         return query / jnp.linalg.norm(query, axis=-1, keepdims=True)
    ...     sender = receiver
    >>> Cosine = jax.tree_util.register_dataclass(dataclass(frozen=True)(Cosine))
    >>> x = jnp.array([[3.0, 4.0], [6.0, 8.0]])[:, None]
    >>> from tgnn import Complete, attention_weights
    >>> attention_weights(Complete(2), x, x, score=Cosine())[:, :, 0].tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """

    is_inner_product = True
    ignores_zeros = True

    def pair(self, receiver: Array, sender: Array, edge: Array | None = None) -> Array:
        wide = wide_dtype(receiver.dtype, sender.dtype)
        sender = sender.astype(wide) if edge is None else sender.astype(wide) + edge.astype(wide)
        return (receiver.astype(wide) * sender).sum(-1)

    def edge_tails(self, query: Array) -> tuple[tuple[int, ...], ...]:
        return (jax.eval_shape(self.receiver, query).shape[1:],)

    def logits(self, layout: Layout, receiver: Array, sender: Array, edges: Array | None = None) -> Array:
        if not self.is_inner_product:  # a subclass with a pair of its own
            return super().logits(layout, receiver, sender, edges)
        logits = layout.score(receiver, sender)  # a contraction where the layout has one
        if edges is None:
            return logits
        wide = logits.dtype  # of query and key together: an edge of narrow rows beside a wide key is computed in it too
        rows = layout.from_receivers(receiver.astype(wide)), layout.zero_dead_edges(edges).astype(wide)
        return logits + self.pair(*rows)


@register
@dataclass(frozen=True)
class DotProduct(InnerProduct):
    """`<query_i, key_j>`, or `<query_i, key_j + edge_ij>` where edge features [..., heads, head_dim] are given.

    Scale: head_dim ** -0.5. Reference: Vaswani et al., Attention Is All You Need, arXiv:1706.03762, equation 1; edge
    features as in Shaw et al., Self-Attention with Relative Position Representations, arXiv:1803.02155, equation 4.
    """

    def default_scale(self, head_dim: int) -> float:
        return head_dim**-0.5 if head_dim else 1.0


dot_product: DotProduct = DotProduct()


@jax.custom_jvp
def head_dot(x: Array, vector: Array) -> Array:
    """[n, heads, dim], [heads, dim] -> [n, heads]: one inner product for each node and head."""
    wide = wide_dtype(x.dtype, vector.dtype)
    return (x.astype(wide) * vector[None].astype(wide)).sum(-1)


@head_dot.defjvp
def _(primals, tangents):
    (x, vector), (to_x, to_vector) = primals, tangents
    n, heads, dim = x.shape
    # The gradient of the vector is a sum over all nodes: as a matrix product it takes half the time on CPU.
    blocks = (to_vector[:, :, None] * jnp.eye(heads, dtype=to_vector.dtype)[:, None, :]).reshape(heads * dim, heads)
    wide = wide_dtype(x.dtype, vector.dtype)
    by_vector = jnp.matmul(x.reshape(n, heads * dim).astype(wide), blocks.astype(wide), precision="highest")
    return head_dot(x, vector), head_dot(to_x, vector) + by_vector


@register
@dataclass(frozen=True)
class Additive(Score):
    """GAT: `leaky_relu(<a_receiver, query_i> + <a_sender, key_j> + edge_ij)`. Two numbers per edge are gathered.

    Args:
      receiver_vector: [heads, head_dim].
      sender_vector: [heads, head_dim].
      slope: slope of the negative half, static.
      bias: [heads], added to the sum of both; default none, as in the paper. The authors' code has one.

    Edge features, where given, are [..., heads]: already projected. Reference: Veličković et al., Graph Attention
    Networks, arXiv:1710.10903, equation 3.
    """

    receiver_vector: Array
    sender_vector: Array
    slope: float = jax.tree.static(default=0.2)  # pyright: ignore
    bias: Array | None = None

    ignores_zeros = True

    def receiver(self, query: Array) -> Array:
        dot = head_dot(query, self.receiver_vector)
        return dot if self.bias is None else dot + self.bias.astype(dot.dtype)[None]

    def sender(self, key: Array) -> Array:
        return head_dot(key, self.sender_vector)

    def edge_tails(self, query: Array) -> tuple[tuple[int, ...], ...]:
        return (query.shape[1:2],)

    def pair(self, receiver: Array, sender: Array, edge: Array | None = None) -> Array:
        total = (
            receiver + sender
            if edge is None
            else receiver + sender + edge.astype(wide_dtype(receiver.dtype, edge.dtype))
        )
        return jax.nn.leaky_relu(total, self.slope)


@register
@dataclass(frozen=True)
class AdditiveV2(Score):
    """GATv2: `<a, leaky_relu(query_i + key_j + edge_ij)>`.

    Args:
      vector: [heads, head_dim].
      slope: slope of the negative half, static.

    Edge features, where given, are [..., heads, head_dim]. Reference: Brody, Alon, Yahav, How Attentive are Graph
    Attention Networks?, arXiv:2105.14491, equation 7.
    """

    vector: Array
    slope: float = jax.tree.static(default=0.2)  # pyright: ignore

    ignores_zeros = True

    def edge_tails(self, query: Array) -> tuple[tuple[int, ...], ...]:
        return (query.shape[1:],)

    def pair(self, receiver: Array, sender: Array, edge: Array | None = None) -> Array:
        wide = wide_dtype(receiver.dtype, sender.dtype, self.vector.dtype)
        total = receiver.astype(wide) + sender.astype(wide)
        total = total if edge is None else total + edge.astype(wide)
        active = jax.nn.leaky_relu(total, self.slope)
        return (active * self.vector.astype(wide).reshape((1,) * (active.ndim - 2) + self.vector.shape)).sum(-1)


@register
@dataclass(frozen=True)
class Gaussian(Score):
    """MoNet: `-1/2 sum_d ((u_ij - mean)_d / width_d) ** 2` for pseudo-coordinates `u_ij`; one head per kernel.

    Args:
      mean: [heads, dim].
      width: [heads, dim], the standard deviation of each kernel.

    Pseudo-coordinates are the edge features [..., dim] or [..., heads, dim]; without them, `key_j - query_i`.
    `attend` normalises the kernels over the neighbours; MoNet's own sum is `aggregate(jnp.exp(logits), value)`.
    Reference: Monti et al., Geometric deep learning on graphs using mixture model CNNs, arXiv:1611.08402, equation 11.
    """

    mean: Array
    width: Array

    def edge_tails(self, query: Array) -> tuple[tuple[int, ...], ...]:
        return self.mean.shape[1:], (query.shape[1], *self.mean.shape[1:])

    def pair(self, receiver: Array, sender: Array, edge: Array | None = None) -> Array:
        wide = wide_dtype(*(x.dtype for x in (receiver, sender, self.mean, self.width, edge) if x is not None))
        if edge is None:
            coordinates = sender.astype(wide) - receiver.astype(wide)
        else:
            coordinates = edge.astype(wide)
            if coordinates.ndim < receiver.ndim:
                coordinates = coordinates[..., None, :]
        lead = (1,) * (coordinates.ndim - 2)
        mean, width = (x.astype(wide).reshape(lead + x.shape) for x in (self.mean, self.width))
        steps = (coordinates - mean) / width
        return -0.5 * (steps**2).sum(-1)
