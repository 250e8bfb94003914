"""Relations: several kinds of nodes and of edges as one edge list, so that one attention runs over all of them.

A relation is named by a triple (kind of the senders, name, kind of the receivers), and a graph of relations is a
mapping from such triples to layouts. `Relations` joins them: the nodes of all kinds stand one after the other, and so
do the edges of all relations. A model that looks at senders through another map in each relation sees them `across`
relations, as a row for each relation and sender; a softmax of its own in each relation runs `within`, where receivers,
too, have a row for each relation.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.errors import check_indices, check_size
from tgnn.graphs.edge_list import EdgeList
from tgnn.graphs.host import stable_order
from tgnn.graphs.interop import as_layout
from tgnn.graphs.layout import Layout, is_traced, register_export
from tgnn.printing import one_line
from tgnn.pytrees import register
from tgnn.typing import Array, ArrayLike, Graph

Name = TypeVar("Name")

Relation: TypeAlias = tuple[str, str, str]


@register
@dataclass(frozen=True)
class Relations:
    """A graph of several kinds of nodes and edges, sorted by name; make it with `Relations.from_layouts`.

    Attributes:
        union: the edges of all relations, one relation after the other, between the nodes of all kinds.
        n_node: of each kind its name and its number of nodes.
        n_edge: of each relation its triple and its number of edges, masked ones included.
        by_slot: the permutation that sorts the edges by relation and sender, where it is known.

    >>> cites = EdgeList.from_edges([0, 1], [1, 2], n_receivers=3)
    >>> writes = EdgeList.from_edges([0, 0], [0, 1], n_receivers=3, n_senders=1)
    >>> graph = Relations.from_layouts({("paper", "cites", "paper"): cites, ("author", "writes", "paper"): writes})
    >>> graph.kinds, graph.union.senders.tolist(), graph.union.receivers.tolist()
    (('author', 'paper'), [0, 0, 1, 2], [1, 2, 2, 3])
    """

    union: EdgeList
    n_node: tuple[tuple[str, int], ...] = jax.tree.static()  # pyright: ignore
    n_edge: tuple[tuple[Relation, int], ...] = jax.tree.static()  # pyright: ignore
    by_slot: Array | None = None

    @classmethod
    def from_layouts(cls, layouts: Mapping[Relation, Graph], n_node: Mapping[str, int] | None = None) -> "Relations":
        """Joins a layout for each relation, and finds the orders of the edges where they are concrete. O(E log E).

        Args:
            layouts: of each relation, perhaps without any edge.
            n_node: nodes of kinds that no relation tells, or of all; default what the layouts say.

        Raises:
            ValueError: for no relation, a key that is no triple of names, or numbers of nodes that disagree.
        """
        check_triples(layouts)
        n_node = {kind: check_size(f"n_node[{kind!r}]", n) for kind, n in (n_node or {}).items()}
        edges = {}
        for relation in sorted(layouts):
            sender, _, receiver = relation
            layout = as_layout(layouts[relation], n_node.get(receiver), n_node.get(sender))
            for kind, n in ((sender, layout.n_senders), (receiver, layout.n_receivers)):
                if n_node.setdefault(kind, n) != n:
                    raise ValueError(
                        f"the layout of {relation} has {n} nodes of kind {kind!r}, but there are {n_node[kind]}; build "
                        "all layouts for the same numbers of nodes"
                    )
            edges[relation] = layout.to_edges()
        sizes = tuple(sorted(n_node.items()))
        counts = tuple((relation, x.n_edge) for relation, x in edges.items())
        first, total = offsets(sizes), sum(n for _, n in sizes)
        shifts = [(first[sender], first[receiver]) for sender, _, receiver in edges]
        if any(map(is_traced, jax.tree.leaves(list(edges.values())))):
            return cls(join_traced(list(edges.values()), shifts, total), sizes, counts)
        with jax.ensure_compile_time_eval():  # what is known before jit is computed before it
            made = cls(join_concrete(list(edges.values()), shifts, total), sizes, counts)
            return replace(made, by_slot=jnp.asarray(stable_order(made.across_rows()).astype(np.int32)))

    def __repr__(self) -> str:
        return one_line(self)

    def __iter__(self) -> Iterator[Relation]:
        """The relations, as a mapping of layouts gives them."""
        return iter(self.relations)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of nodes."""
        return tuple(kind for kind, _ in self.n_node)

    @property
    def relations(self) -> tuple[Relation, ...]:
        """The triples of the relations."""
        return tuple(relation for relation, _ in self.n_edge)

    @property
    def relation_index(self) -> Array:
        """Which relation each edge is of: int32 [n_edge], a position in `relations`."""
        counts = np.array([n for _, n in self.n_edge])
        index = np.arange(len(counts), dtype=np.int32)
        return jnp.repeat(jnp.asarray(index), counts, total_repeat_length=int(counts.sum()))

    def across_rows(self) -> np.ndarray:
        """The row of each edge's sender among the senders of all relations, on the host."""
        counts = [n for _, n in self.n_edge]
        return np.asarray(self.union.senders) + np.repeat(self.shift_of_relations(0), counts)

    @property
    def across(self) -> EdgeList:
        """The union of the edges, from a row for each relation and sender to the nodes of all kinds."""
        n = sum(self.count(sender) for sender, _, _ in self.relations)
        return replace(
            self.union, senders=self.union.sender_index + self.shifts(0), n_senders=n, by_sender=self.by_slot
        )

    @property
    def within(self) -> EdgeList:
        """The edges from a row for each relation and sender to a row for each relation and receiver."""
        n = sum(self.count(receiver) for _, _, receiver in self.relations)
        receivers = self.union.receiver_index + self.shifts(2)
        return replace(self.across, receivers=receivers, n_receivers=n, order=None, by_sender=None, depth=0)

    def shifts(self, end: int) -> Array:
        """`shift_of_relations` for each edge: int32 [n_edge]."""
        return jnp.asarray(self.shift_of_relations(end))[self.relation_index]

    def shift_of_relations(self, end: int) -> np.ndarray:
        """From a node's row among all kinds to its row among the senders (0), or receivers (2), of each relation."""
        first = offsets(self.n_node)
        rows = offsets([(relation, self.count(relation[end])) for relation in self.relations])
        return np.array([rows[relation] - first[relation[end]] for relation in self.relations], np.int32)

    def count(self, kind: str) -> int:
        """Nodes of a kind."""
        return dict(self.n_node)[kind]

    def each(self, make: Callable[[Relation], Array]) -> Array:
        """`make(relation)` for each relation, one below the other: rows of its senders, or of its receivers."""
        return jnp.concatenate([make(relation) for relation in self.relations])

    def join(self, x: Mapping[str, Array]) -> Array:
        """Rows of all kinds, one kind after the other."""
        return jnp.concatenate([x[kind] for kind in self.kinds])

    def split(self, x: Array) -> dict[str, Array]:
        """The inverse of `join`."""
        return {kind: x[first : first + self.count(kind)] for kind, first in offsets(self.n_node).items()}

    def sum_relations(self, x: Array) -> dict[str, Array]:
        """Rows of each relation's receivers, as `within` gives them, summed: of every kind a row for each node."""
        rows = offsets([(relation, self.count(relation[2])) for relation in self.relations])
        total = {kind: jnp.zeros((n, *x.shape[1:]), x.dtype) for kind, n in self.n_node}
        for relation, first in rows.items():
            kind = relation[2]
            total[kind] = total[kind] + x[first : first + self.count(kind)]
        return total

    def layouts(self) -> dict[Relation, EdgeList]:
        """A layout for each relation between the nodes of its kinds, the edges in the order in which they came."""
        first, found, start = offsets(self.n_node), {}, 0
        senders, receivers, live = self.union.sender_index, self.union.receiver_index, self.union.live
        for relation, n in self.n_edge:
            part, sizes = slice(start, start + n), (self.count(relation[2]), self.count(relation[0]))
            ends = senders[part] - first[relation[0]], receivers[part] - first[relation[2]]
            found[relation], start = EdgeList(*ends, *sizes, live[part]), start + n
        return found


register_export(Relations)


def as_relations(graph: "Relations | Mapping[Relation, Graph]", x: Mapping[str, Array]) -> Relations:
    """`Relations` between the nodes of which x are the features, or a ValueError where they do not fit.

    Args:
        graph: what `Relations.from_layouts` made, or a mapping, which is joined here, each time anew.
        x: of each kind `[n, features]`.
    """
    if not isinstance(x, Mapping):
        raise ValueError(
            f"x must be a mapping from kinds of nodes to their features, got {type(x).__name__}; for one kind pass "
            "{'node': x}, with relations ('node', name, 'node')"
        )
    for kind, rows in x.items():
        if len(getattr(rows, "shape", ())) != 2:
            found = getattr(rows, "shape", type(rows).__name__)
            raise ValueError(f"x[{kind!r}] must have shape [n, features], got {found}; use jax.vmap for a batch axis")
    if isinstance(graph, Mapping):
        check_triples(graph)
        told = {kind for sender, _, receiver in graph for kind in (sender, receiver)}
    elif isinstance(graph, Relations):
        told = set(graph.kinds)
    else:
        raise ValueError(
            f"graph must be Relations, or a mapping from (sender kind, name, receiver kind) to layouts, got "
            f"{type(graph).__name__}; for one relation pass {{('node', 'edge', 'node'): graph}}"
        )
    if told - set(x) or (isinstance(graph, Relations) and set(x) - told):
        raise ValueError(
            f"x has the kinds {sorted(x)}, but graph has {sorted(told)}; give features to each kind, and name all "
            "kinds in Relations.from_layouts(..., n_node=...)"
        )
    sizes = {kind: rows.shape[0] for kind, rows in x.items()}
    graph = Relations.from_layouts(graph, sizes) if isinstance(graph, Mapping) else graph
    if dict(graph.n_node) != sizes:
        raise ValueError(f"x has {sizes} rows, but graph has {dict(graph.n_node)} nodes; give one row for each node")
    return graph


def split_by_type(
    graph: Graph, types: ArrayLike, names: Sequence[str], *, kind: str = "node"
) -> dict[Relation, EdgeList]:
    """The edges of a graph on one kind of nodes as a layout for each relation: triples of knowledge graphs.

    Args:
        graph: a layout or a graph, outside jit.
        types: int [n_edge], of each edge a position in `names`, in the caller's order of the live edges.
        names: of the relations; one without edges stays.
        kind: name of the nodes.

    Raises:
        ValueError: types are not one position in `names` for each live edge, or two names are equal.

    >>> layout = EdgeList.from_edges([0, 1, 2], [1, 2, 0], n_receivers=3)
    >>> parts = split_by_type(layout, [0, 1, 0], ["likes", "knows"])
    >>> parts["node", "likes", "node"].senders.tolist()
    [0, 2]
    """
    layout: Layout = as_layout(graph)
    senders, receivers = layout.pairs()
    check_distinct("names", names)
    types = check_indices("types", types, len(names))
    if len(types) != len(senders):
        raise ValueError(f"types has {len(types)} entries, but there are {len(senders)} live edges; give one for each")
    sizes = {"n_receivers": layout.n_receivers, "n_senders": layout.n_senders}
    return {
        (kind, name, kind): EdgeList.from_edges(senders[types == i], receivers[types == i], **sizes)
        for i, name in enumerate(names)
    }


def check_triples(layouts: Mapping[Relation, Graph]) -> None:
    """A ValueError for no relation, or one that is not named by three strings."""
    if not layouts:
        raise ValueError("graph has no relation; give a layout, perhaps without edges, for at least one")
    for relation in layouts:
        if not (isinstance(relation, tuple) and len(relation) == 3 and all(isinstance(x, str) for x in relation)):
            raise ValueError(
                f"a relation must be named by (sender kind, name, receiver kind), three strings, got {relation!r}"
            )


def offsets(sizes: Iterable[tuple[Name, int]]) -> dict[Name, int]:
    """Where each name's rows begin, if they stand one after the other."""
    starts, total = {}, 0
    for name, n in sizes:
        starts[name], total = total, total + n
    return starts


def join_concrete(edges: list[EdgeList], shifts: list[tuple[int, int]], n: int) -> EdgeList:
    """All edges between all nodes, sorted on the host."""
    slots = [
        (senders + shift[0], receivers + shift[1], live)
        for (senders, receivers, live), shift in zip((x.slots() for x in edges), shifts, strict=True)
    ]
    senders, receivers, live = map(np.concatenate, zip(*slots, strict=True))
    return EdgeList.from_edges(senders, receivers, n_receivers=n, mask=live)


def join_traced(edges: list[EdgeList], shifts: list[tuple[int, int]], n: int) -> EdgeList:
    """All edges between all nodes under jit, in no known order."""
    live = jnp.concatenate([x.live for x in edges])
    senders = jnp.concatenate([x.sender_index + shift[0] for x, shift in zip(edges, shifts, strict=True)])
    receivers = jnp.concatenate([x.receiver_index + shift[1] for x, shift in zip(edges, shifts, strict=True)])
    return EdgeList(senders, receivers, n, n, live)


def check_distinct(name: str, values: Iterable[object]) -> None:
    """Names of different things, or a ValueError that shows one that stands twice."""
    values = list(values)
    twice = next((x for i, x in enumerate(values) if x in values[:i]), None)
    if twice is not None:
        raise ValueError(f"{name} must be different, got {twice!r} twice; give each once")
