"""Hops: the sampled neighbourhoods of a few nodes as bipartite layouts, one for each layer, and whom they speak of.

The nodes of every hop begin with those of the hop after it: the seeds stand first, then whom they hear, then whom
these hear, each group padded to its bucket. So the receivers' features of a layer are `x[:layout.n_receivers]`.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.errors import as_index, check_indices, check_size
from tgnn.graphs.edge_list import EdgeList
from tgnn.graphs.layout import is_traced
from tgnn.graphs.padding import bucket
from tgnn.sampling.in_edges import check_nodes
from tgnn.typing import Array, ArrayLike, Params


class Drawn(NamedTuple):
    """Edges into some nodes: the position of the receiver among them (ascending), and of each edge what it is."""

    row: np.ndarray
    senders: np.ndarray
    edges: np.ndarray
    weights: np.ndarray


class Hops(NamedTuple):
    """Sampled neighbourhoods, a pytree of static shapes.

    Attributes:
        layouts: one `EdgeList` for each layer, in the order in which they are applied: the last one's receivers are the
            seeds, and its senders are the receivers of the one before.
        nodes: int32 `[layouts[0].n_senders]`: the number of each node in the graph, -1 in the padding; each node
            stands once.
        edges: of each layout int32 `[n_edge]`: the number of each edge in the graph, -1 where there is none.
        weights: of each layout float32 `[n_edge]`: how much each edge counts, 0 in the padding.
        seeds: int32 `[n]`: in which row of the output each seed stands, as they were given.
    """

    layouts: tuple[EdgeList, ...]
    nodes: Array
    edges: tuple[Array, ...]
    weights: tuple[Array, ...]
    seeds: Array

    @property
    def sizes(self) -> tuple[int, ...]:
        """Rows of the seeds, then of each hop from the seeds outwards its edges and all nodes up to it."""
        outwards = self.layouts[::-1]
        first = outwards[0].n_receivers if outwards else len(self.nodes)
        return (first, *(size for x in outwards for size in (x.n_edge, x.n_senders)))


def take(x: Any, numbers: ArrayLike) -> Any:
    """Rows of x, zeros where a number is -1: the features of a sample. NumPy stays NumPy, also memory-mapped.

    Raises:
        ValueError: there is no such row. Under jit, where numbers are not known, it is zeros.

    >>> take(np.array([[1.0], [2.0]]), np.array([1, -1])).ravel().tolist()
    [2.0, 0.0]
    """
    xp: Any = np if isinstance(x, np.ndarray) else jnp
    number: Any = as_index("numbers", numbers)
    n = x.shape[0]
    if not is_traced(number):
        flat = np.ravel(number)
        check_indices("numbers", flat, n, flat != -1)
    if n == 0:
        return xp.zeros((*number.shape, *x.shape[1:]), x.dtype)
    alive = (number >= 0) & (number < n)
    rows = x[xp.where(alive, number, 0)]
    return xp.where(alive.reshape(*number.shape, *(1,) * (x.ndim - 1)), rows, xp.zeros((), x.dtype))


def run_hops(
    model: Callable[..., Array],
    params: list[Params],
    hops: Hops,
    x: Array,
    *,
    activation: Callable[[Array], Array] = jax.nn.relu,
    rng: Array | None = None,
    per_hop: Sequence[dict[str, Any]] | None = None,
    **options: Any,
) -> Array:
    """A graph network of `tgnn.models` on sampled neighbourhoods, a layer on each.

    Args:
        model: such as `models.graph_sage`, `gat`, `gin`: one that takes a pair `(x_senders, x_receivers)`.
        params: of as many layers as there are hops.
        hops: what a sampler made.
        x: `[len(hops.nodes), features]`: `take(features, hops.nodes)`.
        activation: between the layers.
        rng: key of the dropout, another one for each layer.
        per_hop: for each layout more arguments of the model, such as `{"edges": take(edges, hops.edges[i])}`.
        options: arguments of the model that all layers share.

    Returns:
        `[rows of the seeds, outputs]`; `output[hops.seeds]` has a row for each seed that was given.

    Raises:
        ValueError: for another number of layers or of arguments than of hops, or another x.
    """
    if len(params) != len(hops.layouts) or (per_hop is not None and len(per_hop) != len(params)):
        raise ValueError(
            f"hops has {len(hops.layouts)} layouts, but params has {len(params)} layers and per_hop "
            f"{'none' if per_hop is None else len(per_hop)}; give a fanout, and arguments, for each layer"
        )
    if x.shape[0] != len(hops.nodes):
        raise ValueError(f"x has {x.shape[0]} rows, expected {len(hops.nodes)}; pass take(features, hops.nodes)")
    for i, (layer, layout) in enumerate(zip(params, hops.layouts, strict=True)):
        x = activation(x) if i else x
        more = options | (per_hop[i] if per_hop else {}) | {"rng": None if rng is None else jax.random.fold_in(rng, i)}
        x = model([layer], layout, (x, x[: layout.n_receivers]), **more)
    return x


def build_hops(
    n_nodes: int,
    seeds: ArrayLike,
    fanouts: Sequence[int | None],
    draw: Callable[[np.ndarray, int | None], Drawn],
    sizes: Sequence[int] | None,
) -> Hops:
    """Draws hop by hop for all nodes that were met so far, numbers whom they hear, and pads to buckets."""
    fanouts = [None if k is None else check_size("fanouts", k) for k in fanouts]
    least = check_sizes(sizes, 1 + 2 * len(fanouts))
    seeds = check_nodes("seeds", seeds, n_nodes)
    once, position = first_appearance(seeds)
    place = np.zeros(n_nodes, np.int32)  # one more than each node's number, 0 for none; pages unread cost nothing
    nodes = padded(once, fit(len(once), least[0]))
    place[once] = np.arange(1, len(once) + 1)
    found = []
    for hop, k in enumerate(fanouts):
        receivers = np.flatnonzero(nodes >= 0)  # rows that are no padding
        drawn = draw(nodes[receivers], k)
        fresh = enroll(place, drawn.senders, len(nodes))
        grown = fit(len(nodes) + len(fresh), least[2 + 2 * hop])
        layout = EdgeList.from_edges(
            place[drawn.senders] - 1,
            receivers[drawn.row],
            n_receivers=len(nodes),
            n_senders=grown,
            pad_to=fit(len(drawn.row), least[1 + 2 * hop]),
        )
        nodes = np.concatenate([nodes, padded(fresh, grown - len(nodes))])
        found.append((layout, padded(drawn.edges, layout.n_edge), padded(drawn.weights, layout.n_edge, 0)))
    layouts, edges, weights = zip(*found[::-1], strict=True) if found else ((), (), ())
    return Hops(layouts, nodes, edges, weights, position.astype(np.int32))


def enroll(place: np.ndarray, nodes: np.ndarray, start: int) -> np.ndarray:
    """Gives numbers from `start` on to the nodes that have none, writes them into `place`, and returns these nodes."""
    new = nodes[place[nodes] == 0]
    number = np.arange(1, len(new) + 1, dtype=np.int32)
    place[new] = number  # of the copies of a node one stays, whichever was written last
    fresh = new[place[new] == number]
    place[fresh] = start + np.arange(1, len(fresh) + 1)
    return fresh


def first_appearance(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each entry once, in the order of first appearance, and the position of every entry among these."""
    _, first, group = np.unique(x, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return x[first[order]], np.argsort(order)[group]


def padded(x: np.ndarray, size: int, fill: int = -1) -> np.ndarray:
    """`x` in `size` places; integers as int32."""
    result = np.full(size, fill, x.dtype if x.dtype == np.float32 else np.int32)
    result[: len(x)] = x
    return result


def fit(size: int, least: int) -> int:
    """The bucket of a size, or `least` where that is enough."""
    return least if 0 < least >= size else bucket(size)


def check_sizes(sizes: Sequence[int] | None, number: int) -> Sequence[int]:
    """The least sizes, or a ValueError for another number of them."""
    sizes = [0] * number if sizes is None else [check_size("sizes", size) for size in sizes]
    if len(sizes) != number:
        raise ValueError(f"sizes has {len(sizes)} numbers, expected {number}, as Hops.sizes tells them")
    return sizes
