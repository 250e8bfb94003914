"""The verbs that edit edges and heads, on every kind of network: what is restricted is what is masked, and so on."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support import published
from tests.support.checkpoints import BERT, write_checkpoint
from tests.support.networks import IDS, MASK, N, gat_network, network, parts, protein_network
from tests.support.published import relative_error
from tgnn import pretrained
from tgnn.nn.per_head import keep_heads, per_head
from tgnn.nn.transformer import Layouts

KINDS = "bert", "albert", "gpt2", "llama", "encoder_decoder", "gat", "protein"
WINDOW = tgnn.Window(N, 2, 1)


@pytest.fixture
def wide():
    with jax.enable_x64(True):
        yield


def count(params):
    return sum(x.size for x in jax.tree.leaves(params))


# -- heads ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_removed_head_is_a_closed_gate_with_fewer_parameters(kind, tmp_path, wide):
    net = network(kind, tmp_path, jnp.float64)
    gone = [(1, 0)] if kind in ("gat", "protein") else [(0, 1), (1, 0), (1, 2)]
    gates = [
        np.ones(len(x))
        for x in pretrained.all_gates(net.params, net.model)[0 if kind == "encoder_decoder" else slice(None)]
    ]
    for layer, head in gone:
        gates[layer][head] = 0
    closed = net.call(net.params, net.model, gates=parts(gates, kind))
    params, model = pretrained.remove_heads(net.params, net.model, parts(gone, kind))
    found = net.call(params, model)
    assert relative_error(found, closed) < 1e-12
    assert relative_error(closed, net.call(net.params, net.model)) > 1e-3
    before = count(net.params)
    if kind == "albert":  # its layers shared one block, and now have one each
        before += count(net.params["encoder"]["blocks"])
    assert kind == "llama" or count(params) < before
    # the same heads again, of what is left
    again, _ = pretrained.remove_heads(params, model, parts([], kind))
    assert count(again) == count(params)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["albert", "encoder_decoder", "gat", "protein"])
def test_gates_in_the_parameters_are_gates_of_the_call(kind, tmp_path, wide):
    net = network(kind, tmp_path, jnp.float64)
    rng = np.random.default_rng(0)
    gates = jax.tree.map(lambda x: rng.random(x.shape), pretrained.all_gates(net.params, net.model))
    expected = net.call(net.params, net.model, gates=gates)
    assert relative_error(net.call(*pretrained.with_gates(net.params, net.model, gates)), expected) < 1e-12
    twice = pretrained.with_gates(*pretrained.with_gates(net.params, net.model, gates), gates)
    squared = jax.tree.map(np.square, gates)
    assert relative_error(net.call(*twice), net.call(net.params, net.model, gates=squared)) < 1e-12


@pytest.mark.slow
def test_removed_queries_that_share_keys_unevenly_repeat_them():
    rng = np.random.default_rng(0)
    part = {"query": {"kernel": rng.normal(size=(3, 6, 2))}, "output": {"kernel": rng.normal(size=(6, 2, 3))}}
    part |= {name: {"kernel": rng.normal(size=(3, 2, 2)), "bias": rng.normal(size=(2, 2))} for name in ("key", "value")}
    even, uneven, one = (keep_heads(part, kept) for kept in ([0, 2, 3, 5], [1, 3, 4], [3, 5]))
    shapes = [(x["query"]["kernel"].shape[1], x["key"]["kernel"].shape[1]) for x in (even, uneven, one)]
    assert shapes == [(4, 2), (3, 3), (2, 1)]
    np.testing.assert_array_equal(uneven["value"]["bias"], part["value"]["bias"][[0, 1, 1]].astype(np.float32))
    np.testing.assert_array_equal(one["output"]["kernel"], part["output"]["kernel"][[3, 5]].astype(np.float32))


@pytest.mark.slow
def test_a_layer_without_heads_is_its_bias(tmp_path, wide):
    net = network("bert", tmp_path, jnp.float64)
    every = [(0, head) for head in range(3)]
    closed = net.call(net.params, net.model, gates=[np.zeros(3), None])
    assert relative_error(net.call(*pretrained.remove_heads(net.params, net.model, every)), closed) < 1e-12


@pytest.mark.slow
def test_a_decoder_without_heads_continues_as_with_closed_gates(tmp_path):
    net = network("llama", tmp_path)
    gone = [(0, head) for head in (0, 1, 2, 4)]
    gates = np.ones((2, 6))
    gates[tuple(zip(*gone, strict=True))] = 0
    closed = pretrained.with_gates(net.params, net.model, gates)
    found = [
        pretrained.generate(*x, IDS[:1, :4], max_length=4)
        for x in (closed, pretrained.remove_heads(net.params, net.model, gone))
    ]
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda p, m: pretrained.remove_heads(p, m, [(2, 0)]), "layer 2, but there are 0 ... 1"),
        (lambda p, m: pretrained.remove_heads(p, m, [(0, 4)]), "heads .4. are to be removed, but there are 4"),
        (lambda p, m: pretrained.remove_heads(p, m, [(1, 0), (1, 1)]), "layer 1 would lose all of its 2 heads"),
        (lambda p, m: pretrained.with_gates(p, m, np.ones((3, 4))), "gates are for 3 layers, but there are 2"),
        (lambda p, m: pretrained.with_gates(p, m, np.ones((2, 4))), "shape .4,., but it has 2 heads"),
    ],
)
def test_heads_that_do_not_exist_are_named(edit, message):
    net = gat_network()
    with pytest.raises(ValueError, match=message):
        edit(net.params, net.model)


def test_a_layer_of_messages_has_one_head():
    net = protein_network()
    with pytest.raises(ValueError, match="head 0 only"):
        pretrained.remove_heads(net.params, net.model, [(0, 1)])
    with pytest.raises(ValueError, match="give .1. or None"):
        pretrained.with_gates(net.params, net.model, np.ones((6, 2)))


# -- edges ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_edited_layers_and_heads_are_masks_of_the_dense_model(tmp_path, wide):
    tensors = published.wide(write_checkpoint(tmp_path, BERT))
    params, model = pretrained.load(tmp_path, dtype=jnp.float64)
    tree = pretrained.parse_tree([1, -1, 1, 2, 2, 6, 4])
    edges = pretrained.intersect(model.graph(N), WINDOW, at=0)
    edges = pretrained.replace(edges, tree, at=[(1, 0), (1, 2)])
    edges = pretrained.extend(edges, tgnn.Causal(N), at=(1, 2))
    edges = pretrained.knock_out(edges, tgnn.EdgeList.from_edges([3], [4], n_receivers=N), at=(1, 2))
    both = np.array(tree.adjacency() | tgnn.Causal(N).adjacency())
    both[4, 3] = False
    masks = [np.asarray(WINDOW.adjacency()), np.stack([tree.adjacency(), np.ones((N, N), bool), both])]
    out = model(params, IDS, layout=edges, mask=MASK).hidden
    for b, kept in enumerate(MASK):
        n = kept.sum()
        expected, weights = published.bert(tensors, BERT, IDS[b, :n], [mask[..., :n, :n] for mask in masks])
        assert relative_error(out[:, b, :n], np.stack(expected)) < 1e-12
        for head in (None, 2):
            found = pretrained.attention(params, model, IDS, layer=1, layout=edges, mask=MASK, head=head)
            assert relative_error(found[b, ..., :n, :n], weights[1] if head is None else weights[1][head]) < 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["albert", "llama", "encoder_decoder", "gat", "protein"])
def test_the_same_edges_head_by_head_and_in_other_layouts_are_the_same(kind, tmp_path, wide):
    net = network(kind, tmp_path, jnp.float64)
    shapes = [(4, N), (4, 4), (N, N)]
    narrow = {
        shape: tgnn.EdgeList.from_edges(
            *tgnn.Window(shape[0], 1, 0, n_senders=shape[1]).pairs(), n_receivers=shape[0], n_senders=shape[1]
        )
        for shape in shapes
    }

    def spec(shape, heads):
        graph = narrow[shape]
        if heads is None:
            return {1: graph}
        dense = tgnn.Dense(graph.adjacency())
        return {(1, head): dense if head % 2 else graph for head in range(heads)}

    def layout(heads):
        if kind == "encoder_decoder":
            return Layouts(spec((N, N), heads), spec((4, 4), heads), spec((4, N), heads))
        return spec((N, N), heads)

    heads = {"llama": 6, "gat": 2, "protein": 1}.get(kind, 3)
    expected = net.call(net.params, net.model, layout=layout(None))
    found = net.call(net.params, net.model, layout=layout(heads))
    assert relative_error(found, expected) < 1e-12
    assert relative_error(expected, net.call(net.params, net.model)) > 1e-3
    # one head alone changes less than the whole layer, and more than nothing
    if heads > 1:
        one = net.call(net.params, net.model, layout=layout(1))
        assert relative_error(one, expected) > 1e-4 and relative_error(one, net.call(net.params, net.model)) > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gpt2", "encoder_decoder"])
def test_all_edges_by_name_are_the_networks_own(kind, tmp_path):
    net = network(kind, tmp_path)
    assert relative_error(net.call(net.params, net.model, layout=net.graph), net.call(net.params, net.model)) < 1e-6


@pytest.mark.slow
def test_edges_of_one_layer_of_proteinmpnn_are_a_mask_of_its_messages(wide):
    net = protein_network(jnp.float64)
    edges = net.graph.to_edges()
    fewer = tgnn.EdgeList.from_edges(edges.senders[::2], edges.receivers[::2], n_receivers=N)
    # of all layers: the edges that are not there have no state
    everywhere = net.call(net.params, net.model, layout=fewer)
    assert relative_error(everywhere, net.call(net.params, net.model, layout=[fewer] * 6)) < 1e-12
    last = net.call(net.params, net.model, layout={5: fewer})
    assert (
        relative_error(last, net.call(net.params, net.model, layout=pretrained.intersect(net.graph, fewer, at=(5, 0))))
        < 1e-12
    )
    silent = tgnn.EdgeList.from_edges([], [], n_receivers=N)
    gates = np.ones((6, 1))
    gates[2] = 0
    expected = net.call(net.params, net.model, gates=gates)
    assert relative_error(net.call(net.params, net.model, layout={2: silent}), expected) < 1e-12


@pytest.mark.slow
def test_the_verbs_are_sets_of_edges():
    graph = tgnn.Causal(4)
    at = pretrained.intersect(graph, tgnn.Window(4, 1, 1), at=2)
    assert set(at) == {None, 2} and at[None] is graph
    at = pretrained.replace(at, tgnn.Complete(4), at=[(2, 1), 0])
    at = pretrained.knock_out(at, tgnn.Window(4, 0, 0), at=2)  # also of its heads
    np.testing.assert_array_equal(at[2].adjacency(), np.eye(4, k=-1))
    np.testing.assert_array_equal(at[2, 1].adjacency(), 1 - np.eye(4))
    everywhere = pretrained.extend(at, tgnn.Complete(4))
    assert all(x.adjacency().all() for x in everywhere.values()) and set(everywhere) == set(at)
    assert pretrained.replace(graph, {(0, 1): tgnn.Complete(4)})[0, 1] == tgnn.Complete(4)
    with pytest.raises(ValueError, match="edges name their own places, but at is 3"):
        pretrained.replace(graph, {0: graph}, at=3)
    assert np.int64(2) in pretrained.replace(graph, graph, at=np.int64(2))


@pytest.mark.slow
def test_the_strongest_edges_are_those_with_the_largest_weights():
    weights = np.random.default_rng(0).random((2, 5, 5)) * np.tril(np.ones((5, 5)))
    dense = pretrained.strongest(weights, 2)
    assert dense.mask.shape == (2, 5, 5)
    np.testing.assert_array_equal(dense.mask.sum(-1), [[1, 2, 2, 2, 2]] * 2)
    lowest = np.where(dense.mask, weights, np.inf).min(-1)
    assert (np.where(dense.mask, 0, weights).max(-1) <= lowest).all()
    graph = tgnn.Causal(5).to_edges()
    listed = pretrained.strongest(weights[0][graph.receivers, graph.senders], 2, graph)
    np.testing.assert_array_equal(listed.adjacency(), dense.mask[0])
    with pytest.raises(ValueError, match="weights have shape .3,."):
        pretrained.strongest(np.ones(3), 2, graph)
    assert pretrained.strongest(np.ones((1, 2)), 9).mask.all()
    assert pretrained.strongest(np.ones(0), 1, tgnn.EdgeList.from_edges([], [], n_receivers=0)).n_edge == 0


@pytest.mark.slow
def test_a_network_on_the_strongest_edges_of_each_head(tmp_path):
    """Each head on the k strongest edges of its own attention; with all of them nothing changes."""
    net = network("bert", tmp_path)
    weights = pretrained.attention(net.params, net.model, IDS, layer=0, mask=MASK)
    own = {k: {(0, h): pretrained.strongest(weights[:, h], k) for h in range(3)} for k in (2, N)}
    expected = net.call(net.params, net.model)
    assert relative_error(net.call(net.params, net.model, layout=own[N]), expected) < 1e-6
    assert relative_error(net.call(net.params, net.model, layout=own[2]), expected) > 1e-3


@pytest.mark.slow
def test_the_strongest_edges_of_a_gat():
    net = gat_network()
    x = jnp.asarray(np.random.default_rng(1).normal(size=(N, 5)), jnp.float32)
    weights = net.model.attention(net.params, net.graph, x, layer=0)
    np.testing.assert_allclose(net.graph.reduce(weights), np.ones((N, 4)), rtol=1e-5)
    edges = {(0, h): pretrained.strongest(weights[:, h], 1, net.graph) for h in range(4)}
    assert [graph.n_edge for graph in edges.values()] == [N] * 4
    assert net.model(net.params, net.graph, x, layout=edges).shape == (N, 2)
    with pytest.raises(ValueError, match="layer is 2"):
        net.model.attention(net.params, net.graph, x, layer=2)


@pytest.mark.slow
def test_a_parse_tree_joins_words_with_their_heads():
    with pytest.raises(ValueError, match="heads must be ints"):
        pretrained.parse_tree([0, 5])
    assert pretrained.parse_tree(np.array([], np.int8)).n_edge == 0
    assert pretrained.parse_tree(np.array([0], np.uint8)).adjacency().tolist() == [[True]]


@pytest.mark.slow
def test_effects_of_edges_are_differences_of_two_runs():
    net = gat_network()
    x = jnp.asarray(np.random.default_rng(1).normal(size=(N, 5)), jnp.float32)
    measure = lambda graph: net.model(net.params, net.graph, x, layout={(0, 1): graph}).sum()  # noqa: E731
    effects = pretrained.edge_effects(measure, net.graph, edges=np.array([3, 5]))
    for effect, edge in zip(effects, (3, 5), strict=True):
        ends = (np.asarray(net.graph.senders)[[edge]], np.asarray(net.graph.receivers)[[edge]])
        without = pretrained.knock_out(net.graph, tgnn.EdgeList.from_edges(*ends, n_receivers=N))
        np.testing.assert_allclose(effect, measure(without) - measure(net.graph), atol=1e-5)


def test_effects_are_those_of_edges_that_exist():
    chain = tgnn.EdgeList.from_edges([0, 1, 2], [1, 2, 0], n_receivers=3)
    masked = replace(chain, mask=jnp.array([False, True, True]))
    total = lambda graph: graph.reduce(jnp.array([1.0, 2.0, 4.0])[:, None]).sum()  # noqa: E731
    assert pretrained.edge_effects(total, masked).tolist() == [0, -2, -4]
    for wrong in ([-1], [3], [0.0]):
        with pytest.raises(ValueError, match="edges"):
            pretrained.edge_effects(total, chain, wrong)


@pytest.mark.slow
def test_a_gat_of_the_model_is_the_gat_of_the_library():
    net = gat_network()
    x = jnp.asarray(np.random.default_rng(1).normal(size=(N, 5)), jnp.float32)
    expected = tgnn.models.gat(net.params, net.graph, x)
    np.testing.assert_allclose(net.model(net.params, net.graph, x), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.slow
def test_the_authors_gat_without_a_head(data_dir):
    from experiments.citation import data

    params, model = pretrained.load(data_dir("gat_cora_pretrained"))
    graph = data.load("cora", self_loops=True, data_dir=data_dir("planetoid_cora").parent)
    run = partial(model, graph=graph.task.layout, x=graph.task.words)
    logits = np.asarray(run(params))
    assert round(data.accuracy(logits, graph.test_labels), 10) == 0.844
    smaller, _ = pretrained.remove_heads(params, model, [(0, 2), (0, 7)])
    gates = [np.array([1, 1, 0, 1, 1, 1, 1, 0]), None]
    assert relative_error(run(smaller), run(params, gates=gates)) < 1e-6
    dense = tgnn.Dense(graph.task.layout.adjacency() & (np.arange(2708)[:, None] % 3 != np.arange(2708)[None] % 5))
    few = dense.to_edges()
    both = [run(params, layout={(0, 3): layout, 1: layout}) for layout in (few, dense)]
    assert relative_error(*both) < 1e-6


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ({(2, 0): tgnn.Complete(N)}, "layout names the layers ..2, 0.., but there are 0 ... 1"),
        ({(0, 4): tgnn.Complete(N)}, "layout names head 4, but there are 4"),
        ({(0, -1): tgnn.Complete(N)}, "head must be"),
        ({(0, 1): tgnn.Complete(3)}, "layout joins .3, 3."),
        ([None], "layout has 1 entries for 2 layers"),
    ],
)
def test_places_that_do_not_exist_are_named(layout, message):
    net = gat_network()
    with pytest.raises(ValueError, match=message):
        net.call(net.params, net.model, layout=layout)


@pytest.mark.slow
def test_numbers_of_edges_need_one_graph_for_all_heads():
    layers = per_head(tgnn.Complete(N), {0: WINDOW})
    params = tgnn.nn.multi_head.init_multi_head_attention(jax.random.key(0), 6, 2)
    with pytest.raises(ValueError, match="bias and edges belong"):
        tgnn.nn.multi_head.multi_head_attention(params, layers, jnp.ones((N, 6)), bias=jnp.zeros((N, N, 2)))
