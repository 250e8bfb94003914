"""Graphs of several relations through jraph and NetworkX and back."""

import chex
import jraph
import networkx
import numpy as np
import pytest

from tests.support.relational_graphs import GRAPH, LAYOUTS, SIZES, X
from tgnn.adapters import from_graphs_tuple, from_networkx_relations, to_graphs_tuple, to_networkx_relations


def pairs(layouts):
    return {
        triple: sorted(zip(*(x.tolist() for x in layout.pairs()), strict=True)) for triple, layout in layouts.items()
    }


def test_a_graphs_tuple_there_and_back_in_any_order():
    graph = to_graphs_tuple(LAYOUTS, X)
    assert isinstance(graph, jraph.GraphsTuple) and int(graph.n_node[0]) == 21 and int(graph.n_edge[0]) == 64
    layouts, x, members = from_graphs_tuple(graph, GRAPH.kinds, GRAPH.relations)
    assert pairs(layouts) == pairs(LAYOUTS)
    chex.assert_trees_all_equal(x, X)
    order = np.random.default_rng(0).permutation(21)  # new node i is old node order[i]
    place = np.argsort(order)
    shuffled = graph._replace(
        nodes={name: rows[order] for name, rows in graph.nodes.items()},
        senders=place[graph.senders],
        receivers=place[graph.receivers],
    )
    layouts, x, members = from_graphs_tuple(shuffled, GRAPH.kinds, GRAPH.relations)
    old = {kind: order[nodes] - first for (kind, nodes), first in zip(members.items(), (0, 7, 18), strict=True)}
    for kind, rows in x.items():
        np.testing.assert_array_equal(rows, X[kind][old[kind]])
    back = {
        triple: sorted((int(old[triple[0]][s]), int(old[triple[2]][r])) for s, r in found)
        for triple, found in pairs(layouts).items()
    }
    assert back == pairs(LAYOUTS)
    assert "x" not in to_graphs_tuple(LAYOUTS).nodes


def test_an_edge_between_other_kinds_is_refused():
    graph = to_graphs_tuple(LAYOUTS)
    with pytest.raises(ValueError, match="joins nodes of other kinds; check the relation"):
        from_graphs_tuple(graph._replace(senders=graph.receivers), GRAPH.kinds, GRAPH.relations)
    with pytest.raises(ValueError, match=r'edges\["relation"\]\[\d+\] is 4'):
        from_graphs_tuple(graph, GRAPH.kinds, GRAPH.relations[:4])


def test_features_are_those_of_all_nodes():
    less = {kind: rows[1:] if kind == "author" else rows for kind, rows in X.items()}
    with pytest.raises(ValueError, match=r"x\['author'\] has 6 rows, but the layouts have 7 nodes"):
        to_graphs_tuple(LAYOUTS, less)
    with pytest.raises(ValueError, match=r"x lacks the kinds \['author'\]"):
        to_graphs_tuple(LAYOUTS, {kind: rows for kind, rows in X.items() if kind != "author"})
    graph = to_graphs_tuple(LAYOUTS, X | {"alone": X["author"][:2]})
    assert int(graph.n_node[0]) == 23 and graph.nodes["kind"][:2].tolist() == [0, 0]
    with pytest.raises(ValueError, match=r'nodes\["x"\] has 24 rows for 23 nodes'):
        x = np.append(graph.nodes["x"], graph.nodes["x"][:1], axis=0)
        from_graphs_tuple(graph._replace(nodes=graph.nodes | {"x": x}), ("alone", *GRAPH.kinds), GRAPH.relations)


def test_names_of_kinds_and_relations_are_different():
    graph = to_graphs_tuple(LAYOUTS)
    with pytest.raises(ValueError, match="kinds must be different, got 'author' twice"):
        from_graphs_tuple(graph, ("author", *GRAPH.kinds), GRAPH.relations)
    with pytest.raises(ValueError, match="relations must be different"):
        from_graphs_tuple(graph, GRAPH.kinds, GRAPH.relations * 2)
    with pytest.raises(ValueError, match=r'edges\["relation"\] has 63 entries for 64 edges'):
        relation = graph.edges["relation"][:-1]
        from_graphs_tuple(graph._replace(edges={"relation": relation}), GRAPH.kinds, GRAPH.relations)


def test_networkx_there_and_back():
    graph = to_networkx_relations(LAYOUTS)
    assert graph.number_of_nodes() == 21 and graph.number_of_edges() == 64
    layouts, members = from_networkx_relations(graph)
    assert members == {kind: [(kind, i) for i in range(n)] for kind, n in SIZES.items()}
    assert pairs(layouts) == {triple: found for triple, found in pairs(LAYOUTS).items() if found}


def test_an_undirected_edge_gives_both_directions():
    graph = networkx.Graph()
    graph.add_node("a", kind="user")
    graph.add_node("b", kind="item")
    graph.add_edge("a", "b", relation="bought")
    graph.add_edge("a", "a", relation="follows")
    layouts, _ = from_networkx_relations(graph)
    assert set(layouts) == {("user", "bought", "item"), ("item", "bought", "user"), ("user", "follows", "user")}
    assert layouts["user", "follows", "user"].n_edge == 1


def test_what_has_no_kind_or_relation_is_refused():
    graph = networkx.DiGraph()
    graph.add_node(0, kind="user")
    graph.add_node(1)
    with pytest.raises(ValueError, match="node 1 has the kind None"):
        from_networkx_relations(graph)
    graph.nodes[1]["kind"] = "user"
    graph.add_edge(0, 1)
    with pytest.raises(ValueError, match="edge 0 -> 1 has the relation None"):
        from_networkx_relations(graph)
