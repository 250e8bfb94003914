"""Graphs of several relations from and to jraph, NetworkX and PyTorch Geometric, none of which is imported here.

A graph of relations is a mapping `{(sender kind, name, receiver kind): layout}`, and its features are `{kind: rows}` in
NumPy; `tgnn.Relations.from_layouts` joins it for the models.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jraph
import numpy as np

from tgnn.errors import check_indices
from tgnn.graphs.edge_list import EdgeList
from tgnn.graphs.interop import edge_slots
from tgnn.graphs.relations import Relation, Relations, check_distinct
from tgnn.graphs.transforms import check_features
from tgnn.typing import Graph

Layouts = Mapping[Relation, Graph]


def from_hetero_data(data: Any) -> tuple[dict[Relation, EdgeList], dict[str, np.ndarray], dict[Relation, np.ndarray]]:
    """The layouts, features of nodes and features of edges of PyG's `HeteroData`.

    Args:
        data: anything with `metadata()`, `data[kind].num_nodes`, `data[triple].edge_index` and, where there are some,
            `.x` and `.edge_attr`.

    Returns:
        `{triple: layout}`, the edges in their order; `{kind: x}`; `{triple: edge_attr}`.

    Raises:
        ValueError: a kind whose number of nodes is unknown, or edges to nodes that do not exist.
    """
    kinds, triples = data.metadata()
    sizes = {}
    for kind in kinds:
        if data[kind].num_nodes is None:
            raise ValueError(f"data[{kind!r}] has no number of nodes; set data[{kind!r}].num_nodes")
        sizes[kind] = int(data[kind].num_nodes)
    layouts = {}
    for triple in triples:
        senders, receivers = to_numpy(data[triple].edge_index)
        layouts[tuple(triple)] = EdgeList.from_edges(
            senders, receivers, n_receivers=sizes[triple[2]], n_senders=sizes[triple[0]]
        )
    x = {kind: to_numpy(data[kind].x) for kind in kinds if "x" in data[kind]}
    edges = {tuple(t): to_numpy(data[t].edge_attr) for t in triples if "edge_attr" in data[t]}
    return layouts, x, edges


def to_hetero_data(
    layouts: Layouts,
    x: Mapping[str, Any],
    into: Any,
    as_tensor: Callable[[np.ndarray], Any],
    edges: Mapping[Relation, Any] | None = None,
) -> Any:
    """Writes a graph of relations into a `HeteroData`, and returns it.

    Args:
        layouts: of each relation; only live edges are written.
        x: features of each kind, or of some of them.
        into: `torch_geometric.data.HeteroData()`.
        as_tensor: `torch.from_numpy`.
        edges: features of the live edges of some relations.

    Raises:
        ValueError: x or edges have other rows than the layouts have nodes or live edges.
    """
    x = {kind: to_numpy(rows) for kind, rows in x.items()}
    for kind, n in joined_with(layouts, x).n_node:
        into[kind].num_nodes = n
    for kind, rows in x.items():
        into[kind].x = as_tensor(np.array(rows))
    for triple, layout in layouts.items():
        senders, receivers, live = edge_slots(layout)
        into[triple].edge_index = as_tensor(np.stack([senders[live], receivers[live]]).astype(np.int64))
        if edges is not None and triple in edges:
            into[triple].edge_attr = as_tensor(np.array(check_features(to_numpy(edges[triple]), int(live.sum()))))
    return into


def to_graphs_tuple(layouts: Layouts, x: Mapping[str, Any] | None = None) -> jraph.GraphsTuple:
    """One graph of the live edges between the nodes of all kinds, one kind after the other, sorted by name.

    Args:
        layouts: of each relation.
        x: features of each kind, all of one size, also of kinds that no relation names; None: no features.

    Returns:
        Its nodes are `{"kind": int [n], "x": [n, features]}`, its edges `{"relation": int [n_edge]}`: positions in the
        sorted names, `Relations.from_layouts(layouts).kinds`, with those of x, and `.relations`.

    Raises:
        ValueError: x lacks a kind, or has other rows than the layouts have nodes.
    """
    x = None if x is None else {kind: to_numpy(rows) for kind, rows in x.items()}
    joined = joined_with(layouts, x or {})
    if x is not None and (missing := set(joined.kinds) - set(x)):
        raise ValueError(f"x lacks the kinds {sorted(missing)}; give features to each kind, or x=None")
    sizes = [n for _, n in joined.n_node]
    senders, receivers, live = edge_slots(joined.union)
    nodes = {"kind": np.repeat(np.arange(len(sizes)), sizes)}
    if x is not None:
        nodes["x"] = np.concatenate([x[kind] for kind in joined.kinds])
    relation = np.repeat(np.arange(len(joined.n_edge)), [n for _, n in joined.n_edge])
    return jraph.GraphsTuple(
        nodes=nodes,
        edges={"relation": relation[live]},
        senders=senders[live],
        receivers=receivers[live],
        globals=None,
        n_node=np.array([sum(sizes)]),
        n_edge=np.array([int(live.sum())]),
    )


def from_graphs_tuple(
    graph: jraph.GraphsTuple, kinds: Sequence[str], relations: Sequence[Relation]
) -> tuple[dict[Relation, EdgeList], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The inverse of `to_graphs_tuple`, for nodes and edges in any order.

    Args:
        graph: with `nodes["kind"]` and `edges["relation"]`, positions in the next two, and perhaps `nodes["x"]`.
        kinds: names of the kinds of nodes.
        relations: triples.

    Returns:
        `{triple: layout}`; `{kind: x}`, empty without features; `{kind: int [n]}`, the nodes' numbers in `graph`.

    Raises:
        ValueError: a kind or relation out of range, names that are equal, an edge between other kinds than its relation
            names, or arrays of other lengths than there are nodes or edges.
    """
    nodes: Any = graph.nodes
    edges: Any = graph.edges
    check_distinct("kinds", kinds)
    check_distinct("relations", relations)
    kind = check_indices('nodes["kind"]', nodes["kind"], len(kinds))
    relation = check_indices('edges["relation"]', edges["relation"], len(relations))
    members = {name: np.flatnonzero(kind == i) for i, name in enumerate(kinds)}
    place = np.zeros(len(kind), np.int64)
    for rows in members.values():
        place[rows] = np.arange(len(rows))
    senders = check_indices("senders", graph.senders, len(kind))
    receivers = check_indices("receivers", graph.receivers, len(kind))
    for name, rows, n in (("receivers", receivers, len(senders)), ('edges["relation"]', relation, len(senders))):
        if len(rows) != n:
            raise ValueError(f"{name} has {len(rows)} entries for {n} edges; give one for each")
    layouts, number = {}, {name: i for i, name in enumerate(kinds)}
    for i, (sender, name, receiver) in enumerate(relations):
        if not {sender, receiver} <= set(number):
            raise ValueError(f"{(sender, name, receiver)} joins kinds that are not in {list(kinds)}; name all kinds")
        mine = np.flatnonzero(relation == i)
        for end, wanted in ((senders, sender), (receivers, receiver)):
            if (kind[end[mine]] != number[wanted]).any():
                raise ValueError(
                    f"an edge of {(sender, name, receiver)} joins nodes of other kinds; check the relation"
                )
        sizes = {"n_receivers": len(members[receiver]), "n_senders": len(members[sender])}
        layouts[sender, name, receiver] = EdgeList.from_edges(place[senders[mine]], place[receivers[mine]], **sizes)
    if "x" not in nodes:
        return layouts, {}, members
    features = to_numpy(nodes["x"])
    if len(features) != len(kind):
        raise ValueError(f'nodes["x"] has {len(features)} rows for {len(kind)} nodes; give one for each')
    return layouts, {name: features[rows] for name, rows in members.items()}, members


def from_networkx_relations(graph: Any) -> tuple[dict[Relation, EdgeList], dict[str, list[Any]]]:
    """The layouts of a NetworkX graph whose nodes have a `kind` and whose edges have a `relation`, two strings.

    Args:
        graph: of an undirected one each edge gives both directions, and the one backwards is of the triple
            (receiver kind, relation, sender kind).

    Returns:
        `{triple: layout}`; `{kind: the nodes in the order of their rows}`.

    Raises:
        ValueError: a node without a kind, or an edge without a relation.
    """
    members: dict[str, list] = {}
    place, kinds = {}, {}
    for node, attributes in graph.nodes(data=True):
        kinds[node] = attribute(attributes, "kind", f"node {node!r}")
        place[node] = len(members.setdefault(kinds[node], []))
        members[kinds[node]].append(node)
    pairs: dict[Relation, list] = {}
    for u, v, attributes in graph.edges(data=True):
        name = attribute(attributes, "relation", f"edge {u!r} -> {v!r}")
        both = [(u, v)] if graph.is_directed() or u == v else [(u, v), (v, u)]
        for sender, receiver in both:
            pairs.setdefault((kinds[sender], name, kinds[receiver]), []).append((place[sender], place[receiver]))
    layouts = {
        triple: EdgeList.from_edges(
            *np.array(found).T, n_receivers=len(members[triple[2]]), n_senders=len(members[triple[0]])
        )
        for triple, found in pairs.items()
    }
    return layouts, members


def to_networkx_relations(layouts: Layouts) -> Any:
    """A `networkx.MultiDiGraph` of the live edges; nodes `(kind, number)` have a `kind`, edges a `relation`."""
    import networkx

    graph, joined = networkx.MultiDiGraph(), Relations.from_layouts(layouts)
    for kind, n in joined.n_node:
        graph.add_nodes_from(((kind, i) for i in range(n)), kind=kind)
    for (sender, name, receiver), layout in layouts.items():
        senders, receivers, live = edge_slots(layout)
        ends = zip(senders[live].tolist(), receivers[live].tolist(), strict=True)
        graph.add_edges_from((((sender, i), (receiver, j)) for i, j in ends), relation=name)
    return graph


def joined_with(layouts: Layouts, x: Mapping[str, np.ndarray]) -> Relations:
    """The relations between as many nodes as x has rows, or a ValueError; kinds that none names have no edge."""
    joined = Relations.from_layouts(layouts)
    for kind, n in joined.n_node:
        if kind in x and len(x[kind]) != n:
            raise ValueError(
                f"x[{kind!r}] has {len(x[kind])} rows, but the layouts have {n} nodes; give one row for each"
            )
    more = {kind: len(rows) for kind, rows in x.items()}
    return Relations.from_layouts(layouts, more) if set(more) - set(joined.kinds) else joined


def attribute(attributes: Mapping[str, Any], name: str, where: str) -> str:
    """A string among the attributes of a node or an edge, or a ValueError."""
    if not isinstance(attributes.get(name), str):
        raise ValueError(f"{where} has the {name} {attributes.get(name)!r}; give each a string: {name}='...'")
    return attributes[name]


def to_numpy(x: Any) -> np.ndarray:
    """A tensor of any library as a NumPy array."""
    return np.asarray(x.detach().cpu() if hasattr(x, "detach") else x)
