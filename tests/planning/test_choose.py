"""plan: the same edges, the same numbers, in the caller's order, in the layout that the structure calls for."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tgnn.datasets import heterophilous
from tgnn.graphs.planned import Planned
from tgnn.planning import timings
from tgnn.planning.choose import plan
from tgnn.planning.cost import cost
from tgnn.planning.report import explain

HEADS, DIM = 2, 3
RNG = np.random.default_rng(0)


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """A function that makes a measurement in which each slot of a layout costs as many seconds as it is told."""
    path = tmp_path / "measured.json"

    def write(**seconds):
        costs = {name.replace("_", " "): {"forward": (x, 0.0), "both": (x, 0.0)} for name, x in seconds.items()}
        timings.save(path, "cpu", timings.Timings("a test", "jax 0", costs))
        monkeypatch.setenv(timings.VARIABLE, str(path))

    return write


def kind(layout):
    return type(layout.chosen if isinstance(layout, Planned) else layout).__name__


def edges_of(matrix, **options):
    receivers, senders = np.nonzero(matrix)
    order = RNG.permutation(len(senders))
    n, m = matrix.shape
    return tgnn.EdgeList.from_edges(senders[order], receivers[order], n_receivers=n, n_senders=m, **options)


BAND = np.abs(np.subtract.outer(np.arange(11), np.arange(11)) - 1) <= 2
CLIQUES = np.kron(np.eye(3, dtype=bool), np.ones((4, 4), bool))
RULES = {
    "Complete": np.ones((7, 5), bool),
    "Causal": np.tri(11, dtype=bool),
    "Window": BAND,
    "cliques": CLIQUES,
}
FAST = {
    "EdgeList": {"EdgeList": 1.0, "Dense": 1e6, "Neighbors": 1e6},
    "Dense": {"EdgeList": 1e6, "Dense": 1.0},
    "Neighbors": {"EdgeList": 1e6, "Neighbors": 1.0},
    "Blocks": {"EdgeList": 1e6, "Blocks_16": 1.0},
    "RowWindows": {"EdgeList": 1e6, "RowWindows_32": 1.0},
}
MASK = RNG.random((11, 7)) < 0.4
MASK[4] = False  # a receiver without neighbours


def gradients_of(layout, bias):
    nodes = [jnp.asarray(np.random.default_rng(1).normal(size=(n, HEADS, DIM)), jnp.float32) for n in (11, 7, 7)]
    edge_value = jnp.asarray(np.random.default_rng(2).normal(size=(bias.shape[0], HEADS, DIM)), jnp.float32)

    def run(nodes, bias, edge_value):
        return tgnn.attend(layout, *nodes, bias=bias, edge_value=edge_value)

    output, pull = jax.vjp(run, nodes, bias, edge_value)
    weights = tgnn.attention_weights(layout, *nodes[:2], bias=bias)
    return output, pull(jnp.cos(output)), weights


@pytest.mark.slow
@pytest.mark.parametrize("wanted", ["Dense", *(pytest.param(x, marks=pytest.mark.slow) for x in FAST if x != "Dense")])
def test_attend_and_gradients_are_those_of_the_list_with_arrays_in_its_order(wanted, measured):
    live = np.ones(int(MASK.sum()), bool)
    live[3] = False
    listed = edges_of(MASK, mask=live, pad_to=int(MASK.sum()) + 3)
    measured(**FAST[wanted])
    planned = plan(listed)
    assert kind(planned) == wanted
    bias = jnp.asarray(RNG.normal(size=(listed.n_edge, HEADS)), jnp.float32)
    expected, got = (jax.jit(gradients_of)(x, bias) for x in (listed, planned))
    for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(got), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6)
    again = jax.jit(gradients_of)(planned.to_edges(), bias)
    np.testing.assert_allclose(again[0], expected[0], rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_fused_executions_take_planned_layouts_too(measured):
    measured(**FAST["Dense"])
    listed = edges_of(MASK)
    planned = plan(listed)
    bias = jnp.asarray(RNG.normal(size=(listed.n_edge, 1)), jnp.float32)
    nodes = [jnp.asarray(RNG.normal(size=(n, HEADS, DIM)), jnp.float32) for n in (11, 7, 7)]
    got = tgnn.attend(planned, *nodes, bias=bias, implementation="fused")
    np.testing.assert_allclose(got, tgnn.attend(listed, *nodes, bias=bias), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="bias must have shape"):
        tgnn.attend(planned, *nodes, bias=bias[1:], implementation="fused")
    with pytest.raises(ValueError, match="bias must have shape"):
        tgnn.attend(planned, *nodes, bias=bias[1:], implementation="definition")


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_edges_that_follow_a_rule_become_the_rule(rule):
    planned = plan(edges_of(RULES[rule]))
    assert kind(planned) == ("Complete" if rule == "cliques" else rule)
    expected = edges_of(RULES[rule])
    assert sorted(zip(*planned.pairs(), strict=True)) == sorted(zip(*expected.pairs(), strict=True))
    missing = RULES[rule].copy()
    missing[tuple(np.argwhere(missing)[5])] = False
    assert kind(plan(edges_of(missing))) not in ("Complete", "Causal", "Window")


def test_a_multigraph_never_becomes_a_mask(measured):
    measured(EdgeList=1e6, Dense=1e-9, Blocks_16=1e-9, Neighbors=1e5)
    receivers, senders = np.nonzero(np.ones((4, 4), bool))
    doubled = tgnn.EdgeList.from_edges(np.append(senders, 2), np.append(receivers, 1), n_receivers=4)
    assert kind(plan(doubled)) == "Neighbors"
    assert sorted(zip(*plan(doubled).pairs(), strict=True)) == sorted(zip(*doubled.pairs(), strict=True))


@pytest.mark.slow
def test_the_librarys_own_measurement_tells_sparse_from_dense():
    sparse = RNG.random((1500, 1500)) < 0.002
    half = RNG.random((512, 512)) < 0.5
    clusters = np.kron(RNG.random((24, 24)) < 0.08, RNG.random((64, 64)) < 0.9)
    assert kind(plan(edges_of(sparse), backend="cpu")) == "EdgeList"
    assert kind(plan(edges_of(half), backend="cpu")) == "Dense"
    assert kind(plan(edges_of(clusters), backend="cpu")) == "Blocks"


@pytest.mark.slow
@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize("level", [4, 5])
def test_the_librarys_own_measurement_takes_row_windows_on_a_mesh(level, gradients):
    """2,562 and 10,242 nodes that see 8 hops far."""
    edges = tgnn.patterns.k_hop(tgnn.patterns.icosahedral_mesh(level).layout, 8)
    planned = plan(edges, gradients=gradients, backend="cpu")
    assert kind(planned) == "RowWindows"
    if level == 4:
        for mine, theirs in zip(planned.pairs(), edges.pairs(), strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.slow
@pytest.mark.parametrize("gradients", [False, True])
def test_the_librarys_own_measurement_keeps_hubs_a_list(gradients, data_dir):
    graph = heterophilous.load("tolokers", data_dir("heterophilous").parent)
    edges = tgnn.EdgeList.from_edges(graph.senders, graph.receivers, n_receivers=len(graph.labels))
    assert kind(plan(edges, gradients=gradients, backend="cpu")) == "EdgeList"
    if not gradients:
        assert "RowWindows 32 " in explain(edges, gradients=False)  # it was counted


def test_row_windows_are_counted_only_where_they_may_win(monkeypatch, measured):
    """No order is looked for where even full columns would lose."""
    measured(EdgeList=1.0, RowWindows_32=1.0)
    monkeypatch.setattr("tgnn.planning.choose.best_order", lambda *_: pytest.fail("an order was looked for"))
    assert kind(plan(edges_of(MASK))) == "EdgeList"


def test_what_is_no_list_stays_and_an_unmeasured_device_keeps_the_list():
    assert isinstance(plan(tgnn.Window(64, 3, 3)), tgnn.Window)
    assert kind(plan(edges_of(MASK), backend="an unmeasured one")) == "EdgeList"
    assert kind(plan(tgnn.EdgeList.from_edges([], [], n_receivers=3))) == "EdgeList"
    graph = tgnn.to_graph(tgnn.Complete(5), nodes=np.zeros(5))
    assert kind(plan(graph)) == "Complete"


def test_traced_edges_and_broken_measurements_are_clear_errors(tmp_path):
    with pytest.raises(ValueError, match="outside jit"):
        jax.jit(lambda layout: plan(layout).adjacency())(edges_of(MASK))
    broken = tmp_path / "timings.json"
    broken.write_text(json.dumps({"cpu": {}}))
    with pytest.raises(ValueError, match="--calibrate"):
        plan(edges_of(MASK), timings=broken)


@pytest.mark.slow
def test_explain_names_the_facts():
    text = explain(edges_of(MASK))
    for fact in (
        f"EdgeList: 11 receivers, 7 senders, {MASK.sum()} edges, {100 * MASK.mean():.3g} %",
        f"in-degrees: 0 to {MASK.sum(1).max()}",
        "duplicates: 0",
        "bandwidth: the farthest edge joins nodes",
        "chunks of edges: could, but is faster on CPU from one full chunk on",
        "why: predicted from times measured on",
        "EdgeList ",
    ):
        assert fact in text
    assert "planned from a list of 66 edges" in explain(plan(edges_of(np.tri(11, dtype=bool))))
    query = jax.ShapeDtypeStruct((4096, 4, 64), jnp.bfloat16)
    text = explain(tgnn.Causal(4096), query)
    assert "4 heads of 64, bfloat16" in text and "runs: tiles of rows" in text and "bound by matrix" in text
    assert "runs: tiles of rows" in explain(tgnn.Causal(4096), query, bias=lambda i, j: jnp.zeros(4))
    assert "no execution takes layouts of the form table" in explain(tgnn.Neighbors(jnp.zeros((3, 2), jnp.int32), 3))


@pytest.mark.slow
@pytest.mark.parametrize(
    "layout",
    [
        tgnn.Causal(13, 11, offset=-2),
        tgnn.Prefix(13, 5, n_senders=11),
        tgnn.Window(13, 2, 3, dilation=2, n_senders=17),
        tgnn.Complete(3, 4),
    ],
)
def test_costs_count_edges_without_listing_them(layout):
    found = cost(layout, 2, 8)
    assert found.edges == int(np.asarray(layout.adjacency()).sum())
    assert found.flops >= 2 * 7 * found.edges * 16
