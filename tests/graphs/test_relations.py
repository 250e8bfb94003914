"""Several relations as one edge list: who stands where, on the host and under jit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.relational_graphs import DIM, GRAPH, LAYOUTS, MASKS, PAIRS, SIZES, TRIPLES, X
from tgnn.graphs.relations import Relations, as_relations, split_by_type

FIRST = {"author": 0, "paper": 7, "venue": 18}


def test_edges_join_the_nodes_of_all_kinds_one_relation_after_the_other():
    assert GRAPH.n_node == tuple(sorted(SIZES.items()))
    assert GRAPH.relations == tuple(sorted(TRIPLES)) and dict(GRAPH.n_edge) == TRIPLES
    expected = [
        (r, FIRST[triple[0]] + s, FIRST[triple[2]] + t)
        for r, triple in enumerate(sorted(TRIPLES))
        for s, t in PAIRS[triple].T.tolist()
    ]
    live = np.concatenate([MASKS[triple] for triple in sorted(TRIPLES)])
    index, alive = jax.jit(lambda graph: (graph.relation_index, graph.union.live))(GRAPH)
    np.testing.assert_array_equal(alive, live)
    found = zip(index.tolist(), GRAPH.union.senders.tolist(), GRAPH.union.receivers.tolist(), strict=True)
    assert [x for x, alive in zip(found, live, strict=True) if alive] == [
        x for x, alive in zip(expected, live, strict=True) if alive
    ]


def test_rows_of_relations_and_their_senders_and_receivers():
    across, within = jax.jit(lambda graph: (graph.across, graph.within))(GRAPH)
    row = {"senders": 0, "receivers": 0}
    start = 0
    for triple in GRAPH.relations:
        n = TRIPLES[triple]
        live, part = MASKS[triple], slice(start, start + n)
        np.testing.assert_array_equal(np.asarray(across.senders)[part][live], row["senders"] + PAIRS[triple][0][live])
        np.testing.assert_array_equal(
            np.asarray(within.receivers)[part][live], row["receivers"] + PAIRS[triple][1][live]
        )
        row = {"senders": row["senders"] + SIZES[triple[0]], "receivers": row["receivers"] + SIZES[triple[2]]}
        start += n
    assert (across.n_senders, within.n_receivers) == tuple(row.values())
    assert across.n_receivers == sum(SIZES.values())
    assert (np.diff(GRAPH.across_rows()[np.asarray(across.by_sender)]) >= 0).all()


def test_two_relations_of_one_name_are_refused():
    layout = tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=3)
    with pytest.raises(ValueError, match="names must be different, got 'a' twice"):
        split_by_type(layout, [0, 1], ["a", "a"])


def test_layouts_come_back_as_they_went_in():
    again = dict(zip(GRAPH.relations, jax.jit(lambda graph: list(graph.layouts().values()))(GRAPH), strict=True))
    for triple, layout in LAYOUTS.items():
        assert (again[triple].n_receivers, again[triple].n_senders) == (layout.n_receivers, layout.n_senders)
        np.testing.assert_array_equal(again[triple].pairs(), layout.pairs())


@pytest.mark.slow
def test_under_jit_and_of_other_layouts_the_edges_are_the_same():
    layouts = {("a", "all", "b"): tgnn.Complete(3, 2), ("b", "past", "b"): tgnn.Causal(3)}
    x = {"a": jnp.ones((2, 1)), "b": jnp.ones((3, 1))}
    expected = Relations.from_layouts(layouts)

    @jax.jit
    def traced(layouts, x):
        graph = as_relations(layouts, x)
        assert graph.n_node == expected.n_node and [r for r, _ in graph.n_edge] == [*expected.relations]
        return graph.across.live, graph.across.senders, graph.across.receivers

    live, senders, receivers = traced(layouts, x)
    found = np.stack([senders, receivers])[:, np.asarray(live)]
    np.testing.assert_array_equal(found, np.stack(expected.across.pairs()))


def test_rows_are_joined_split_and_summed():

    @jax.jit
    def run(graph, x):
        ones = graph.each(lambda relation: jnp.ones((SIZES[relation[2]], 1)))
        return graph.join(x), graph.split(graph.join(x)), graph.sum_relations(ones)

    joined, split, total = run(GRAPH, X)
    assert joined.shape == (21, DIM)
    for kind, rows in split.items():
        np.testing.assert_array_equal(rows, X[kind])
    assert {kind: float(rows[0, 0]) for kind, rows in total.items()} == {"author": 1.0, "paper": 4.0, "venue": 0.0}


@pytest.mark.slow
def test_a_softmax_in_each_relation_is_vmap_over_stacked_layouts():
    """The multi-graph Transformer's attention: several graphs on the same nodes, each by itself."""
    generator = np.random.default_rng(1)
    layouts = [tgnn.EdgeList.from_edges(*generator.integers(0, 5, (2, 9)), n_receivers=5) for _ in range(3)]
    graph = Relations.from_layouts({("n", str(i), "n"): layout for i, layout in enumerate(layouts)})
    query, key, value = (jnp.asarray(generator.normal(size=(3, 5, 2, 4)), jnp.float32) for _ in range(3))
    expected = jax.vmap(tgnn.attend)(tgnn.stack(layouts), query, key, value)
    found = tgnn.attend(graph.within, *(x.reshape(15, 2, 4) for x in (query, key, value)))
    np.testing.assert_allclose(found.reshape(expected.shape), expected, atol=1e-6)
    np.testing.assert_allclose(graph.sum_relations(found)["n"], expected.sum(0), atol=1e-5)


def test_types_of_edges_become_relations():
    layout = LAYOUTS["paper", "cites", "paper"]
    types = np.random.default_rng(0).integers(0, 2, 22).astype(np.uint8)
    parts = split_by_type(layout, types, ["new", "old", "none"], kind="paper")
    senders, receivers = layout.pairs()
    for i, name in enumerate(("new", "old", "none")):
        found = parts["paper", name, "paper"].pairs()
        np.testing.assert_array_equal(found, (senders[types == i], receivers[types == i]))
    with pytest.raises(ValueError, match="types has 21 entries, but there are 22 live edges"):
        split_by_type(layout, types[1:], ["new", "old"])
    with pytest.raises(ValueError, match=r"types\[\d+\] is 1, expected an index in \[0, 1\)"):
        split_by_type(layout, types, ["new"])


def test_what_is_no_graph_of_relations_is_refused():
    cites = LAYOUTS["paper", "cites", "paper"]
    with pytest.raises(ValueError, match="graph has no relation"):
        Relations.from_layouts({})
    for name in ("cites", ("paper", "cites"), ("paper", 1, "paper")):
        with pytest.raises(ValueError, match="a relation must be named by .*three strings"):
            Relations.from_layouts({name: cites})
    with pytest.raises(ValueError, match="has 11 nodes of kind 'paper', but there are 12"):
        Relations.from_layouts({("paper", "cites", "paper"): cites}, {"paper": 12})
    with pytest.raises(ValueError, match="x must be a mapping from kinds"):
        as_relations(GRAPH, X["paper"])
    with pytest.raises(ValueError, match=r"x\['paper'\] must have shape \[n, features\], got \(11,\)"):
        as_relations(GRAPH, X | {"paper": X["paper"][:, 0]})
    with pytest.raises(ValueError, match=r"x has the kinds \['author', 'paper'\], but graph has"):
        as_relations(GRAPH, {kind: X[kind] for kind in ("author", "paper")})
    with pytest.raises(ValueError, match="x has .*'paper': 10.* rows, but graph has .*'paper': 11"):
        as_relations(GRAPH, X | {"paper": X["paper"][:10]})
    with pytest.raises(ValueError, match="graph must be Relations, or a mapping .* got EdgeList"):
        as_relations(cites, X)
