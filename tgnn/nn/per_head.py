"""A graph of its own for every head of a layer, and heads that are taken out of its weights."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from tgnn.attention.api import attend
from tgnn.attention.dropout import Origin, in_whole
from tgnn.attention.recording import share
from tgnn.errors import check_size
from tgnn.pytrees import register
from tgnn.typing import Array, Graph, Params


@register
@dataclass(frozen=True)
class PerHead:
    """The edges of a layer, head by head; `per_head` makes one. Heads that share a graph attend in one call.

    Attributes:
        rest: the graph of the heads that are not named; None where the network has one of its own.
        graphs: those of the heads that are named.
        heads: for each of the graphs its heads.
    """

    rest: Graph | None
    graphs: tuple[Graph, ...]
    heads: tuple[tuple[int, ...], ...] = jax.tree.static()  # pyright: ignore

    def of(self, head: int) -> Graph | None:
        """The graph of one head."""
        named = zip(self.heads, self.graphs, strict=True)
        return next((graph for heads, graph in named if head in heads), self.rest)

    def map(self, function: Callable[[Any], Any]) -> "PerHead":
        """The same heads on other graphs."""
        return PerHead(function(self.rest), tuple(map(function, self.graphs)), self.heads)

    def groups(self, num_heads: int) -> list[tuple[tuple[int, ...], Any]]:
        """All heads of a layer, in groups that share a graph.

        Raises:
            ValueError: a head does not exist.
        """
        named = sorted(head for heads in self.heads for head in heads)
        if named and named[-1] >= num_heads:
            raise ValueError(f"layout names head {named[-1]}, but there are {num_heads}; use 0 ... {num_heads - 1}")
        rest = tuple(head for head in range(num_heads) if head not in named)
        pairs = [*zip(self.heads, self.graphs, strict=True), *([(rest, self.rest)] if rest else [])]
        return [(heads, graph) for heads, graph in pairs if heads]


def per_head(rest: Graph | None, graphs: Mapping[int, Graph]) -> PerHead:
    """The layer whose heads see the graphs that they are given here, the others `rest`.

    Args:
        rest: of all heads that are not named.
        graphs: from heads to graphs; heads that are given one and the same object attend together.

    Raises:
        ValueError: for a head that is no integer of at least 0.

    >>> from tgnn.graphs import Causal, Complete
    >>> past = Causal(5)
    >>> per_head(Complete(5), {0: past, 3: past}).heads
    ((0, 3),)
    """
    found: dict[int, tuple[Any, list[int]]] = {}
    for head, graph in graphs.items():
        found.setdefault(id(graph), (graph, []))[1].append(check_size("head", head))
    return PerHead(rest, tuple(graph for graph, _ in found.values()), tuple(tuple(h) for _, h in found.values()))


def attend_per_head(
    graph: Any,
    query: Array,
    key: Array,
    value: Array,
    *,
    score: Any,
    bias: Any = None,
    scale: float | Array | None = None,
    edges: Array | None = None,
    origin: Origin = (0, 0, 0),
    **options: Any,
) -> Array:
    """`tgnn.attend` on one graph, or, on a `PerHead`, once for each group of heads that share one.

    Args:
        graph: a graph, or a `PerHead`.
        query: see `tgnn.attend`, like all that follow.
        key: see `tgnn.attend`.
        value: see `tgnn.attend`.
        score: its parameters have a leading axis of heads, where heads have graphs of their own.
        bias: None, where heads have graphs of their own.
        scale: see `tgnn.attend`.
        edges: None, where heads have graphs of their own.
        origin: see `tgnn.attend`; each head drops the edges that it would in one call of all.
        **options: see `tgnn.attend`.

    Returns:
        `[n_receivers, heads, value_dim]`; of no heads without any edge.

    Raises:
        ValueError: for a head that does not exist, and for numbers of edges, which heads without a common graph lack.
    """
    num_heads = query.shape[1]
    if num_heads == 0:  # all were removed
        return jnp.zeros((query.shape[0], 0, value.shape[2]), value.dtype)
    if not isinstance(graph, PerHead):
        return attend(
            graph, query, key, value, score=score, bias=bias, scale=scale, edges=edges, origin=origin, **options
        )
    if bias is not None or edges is not None:
        raise ValueError("bias and edges belong to the edges of one graph, but heads have graphs of their own here")
    outputs, order = [], []
    for heads, edges_of_heads in graph.groups(num_heads):
        chosen = jnp.array(heads)
        senders = chosen // (num_heads // key.shape[1])  # grouped queries: the key head of each
        own = {"score": jax.tree.map(lambda x, chosen=chosen: x[chosen], score)}
        own["scale"] = scale if scale is None or jnp.ndim(scale) == 0 else jnp.asarray(scale)[chosen]
        own["origin"] = (*origin[:2], in_whole(chosen, origin[2]))
        with share(graph, heads):
            here = query[:, chosen], key[:, senders], value[:, senders]
            outputs.append(attend(edges_of_heads, *here, **own, **options))
        order += heads
    places = jnp.argsort(jnp.array(order))
    return jnp.concatenate(outputs, 1)[:, places]  # [n_receivers, heads, value_dim], in the order of the heads


def gated(params: Params, x: Array) -> Array:
    """The outputs of heads `[n, heads, dim]` times the numbers `"gate"` `[heads]` of the layer, if it has any."""
    return x * params["gate"].astype(x.dtype)[None, :, None] if "gate" in params else x


def remaining(num_heads: int, gone: Iterable[int]) -> list[int]:
    """The heads of a layer that are not removed.

    Raises:
        ValueError: one that is removed does not exist.
    """
    gone = set(gone)
    outside = sorted(head for head in gone if head not in range(num_heads))
    if outside:
        raise ValueError(f"heads {outside} are to be removed, but there are {num_heads}; use 0 ... {num_heads - 1}")
    return [head for head in range(num_heads) if head not in gone]


def keep_heads(params: Params, kept: list[int]) -> Params:
    """Multi-head attention whose weights are those of some of its heads only: all else is cut out of the arrays.

    Args:
        params: what `init_multi_head_attention` made, also those of stacked blocks.
        kept: ascending. A head of key and value goes when all queries that share it do. Where queries are left that
            share them unevenly, keys and values are repeated: the parameters of these may then be more than before.
    """
    heads, key_heads = (params[name]["kernel"].shape[-2] for name in ("query", "key"))
    count = Counter(head // (heads // key_heads) for head in kept)
    shared = math.gcd(*count.values())
    senders = [key for key in sorted(count) for _ in range(count[key] // shared)]
    own = {name: {part: take(x, kept, -2) for part, x in params[name].items()} for name in ("query",)}
    own |= {name: {part: take(x, senders, -2) for part, x in params[name].items()} for name in ("key", "value")}
    own["output"] = params["output"] | {"kernel": take(params["output"]["kernel"], kept, -3)}
    return params | own | ({"gate": take(params["gate"], kept, -1)} if "gate" in params else {})


def take(x: Array, indices: list[int], axis: int) -> Array:
    """Some entries of an axis, in this order; perhaps none."""
    return jnp.take(x, jnp.array(indices, jnp.int32), axis=axis)
