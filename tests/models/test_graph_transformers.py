"""Graph Transformers equal their dense masked form, values and gradients, whatever stands beside a graph in its batch.

Every batch of a model has the shapes of the others, so that each model compiles twice: once as it is, once in its dense
form.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.filled import filled
from tgnn import models

N, SLOTS, DIM, HEADS, LAYERS = 17, 43, 6, 2, 2
SIZES = {"num_layers": LAYERS, "model_dim": DIM, "num_heads": HEADS, "hidden_dim": 5}
TIGHT = {"rtol": 1e-5, "atol": 1e-5}


class Batch(NamedTuple):
    """Graphs side by side: n_node of them, and padding behind the last."""

    layout: Any
    x: Any
    edges: Any
    segments: Any
    more: Any = None  # what a model measures of the graphs on the host


def random_graph(n, n_edge, seed):
    """A directed graph without double edges, as senders, receivers, nodes, edges; its last node is isolated."""
    rng = np.random.default_rng(seed)
    pairs = rng.choice((n - 1) ** 2, n_edge, replace=False)
    return [*np.divmod(pairs, n - 1), rng.normal(size=(n, DIM)), rng.normal(size=(n_edge, DIM))]


GRAPHS = [random_graph(7, 17, 0), random_graph(5, 11, 1), random_graph(2, 1, 2)]


def batch_of(graphs):
    """One union of N nodes and SLOTS edges; what is padding holds ones."""
    first = np.cumsum([0] + [len(graph[2]) for graph in graphs])
    senders, receivers = (
        np.concatenate([graph[i] + start for graph, start in zip(graphs, first[:-1], strict=True)]) for i in (0, 1)
    )
    x, edges = (
        np.concatenate([graph[i] for graph in graphs] + [np.ones((size, DIM))])[:size].astype(np.float32)
        for i, size in ((2, N), (3, SLOTS))
    )
    segments = np.full(N, -1)
    segments[: first[-1]] = np.repeat(np.arange(len(graphs)), np.diff(first))
    layout = tgnn.EdgeList.from_edges(senders, receivers, n_receivers=N, pad_to=SLOTS)
    return Batch(layout, x, edges, segments)


def permuted(graph, seed=5):
    """The graph with its nodes and edges in another order, and these orders."""
    rng = np.random.default_rng(seed)
    senders, receivers, x, edges = graph
    order, shuffle = rng.permutation(len(x)), rng.permutation(len(edges))
    place = np.argsort(order)
    return [place[senders[shuffle]], place[receivers[shuffle]], x[order], edges[shuffle]], order, shuffle


def extended(order, size):
    """A permutation of the first nodes or edges as one of all."""
    return np.append(order, np.arange(len(order), size))


def places(layout):
    """Where there are edges, bool [n, n], and their positions in the caller's order."""
    live = np.asarray(layout.mask)
    senders, receivers, caller = (np.asarray(x)[live] for x in (layout.senders, layout.receivers, layout.order))
    mask, slot = np.zeros((2, layout.n_receivers, layout.n_senders), int)
    mask[receivers, senders], slot[receivers, senders] = 1, caller
    return mask > 0, slot


def dense(layout, values):
    """Where there are edges, and per-edge values in the caller's order as [n, n, ...]."""
    mask, slot = places(layout)
    return jnp.asarray(mask), jnp.where(mask[..., None], jnp.asarray(values)[slot], 0)


def affine(params, x):
    """A linear map whose output may have heads."""
    y = jnp.einsum("...i,io->...o", x, params["kernel"].reshape(x.shape[-1], -1))
    bias = params.get("bias")
    y = y.reshape(*x.shape[:-1], *params["kernel"].shape[1:])
    return y if bias is None else y + jnp.broadcast_to(bias, y.shape)


def merge(params, x):
    """A linear map from heads."""
    y = x.reshape(*x.shape[:-2], -1) @ params["kernel"].reshape(-1, params["kernel"].shape[-1])
    return y + jnp.broadcast_to(params["bias"], y.shape) if "bias" in params else y


def standardise(params, x):
    x = (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return x * jnp.broadcast_to(params["scale"], x.shape) + jnp.broadcast_to(params["bias"], x.shape)


def perceptron(params, x, activation=jax.nn.relu):
    return affine(params["down"], activation(affine(params["up"], x)))


def masked_softmax(logits, mask):
    """Over senders, [n, m, heads]."""
    logits = jnp.where(mask[..., None], logits, -1e9)
    raw = jnp.where(mask[..., None], jnp.exp(logits - logits.max(axis=1, keepdims=True)), 0)
    return raw / jnp.maximum(raw.sum(axis=1, keepdims=True), 1e-30)


def dense_attention(params, x, mask, bias=0.0):
    """Multi-head attention of a Transformer."""
    query, key, value = (affine(params[name], x) for name in ("query", "key", "value"))
    logits = jnp.einsum("nhd,mhd->nmh", query, key) / np.sqrt(query.shape[-1]) + bias
    return merge(params["output"], jnp.einsum("nmh,mhd->nhd", masked_softmax(logits, mask), value))


def dense_update(params, x, heads):
    x = standardise(params["norm"], x + merge(params["output"], heads))
    return standardise(params["mlp_norm"], x + perceptron(params["mlp"], x))


def dense_graph_transformer(params, batch):
    mask, edges = dense(batch.layout, batch.edges)

    def layer(carry, p):
        x, edges = carry
        query, key, value = (affine(p[name], x) for name in ("query", "key", "value"))
        terms = query[:, None] * key[None] * affine(p["edge"], edges) / np.sqrt(DIM // HEADS)
        weights = masked_softmax(terms.sum(-1), mask)
        x = dense_update(p["nodes"], x, jnp.einsum("nmh,mhd->nhd", weights, value))
        return (x, dense_update(p["edges"], edges, terms)), None

    return jax.lax.scan(layer, (batch.x, edges), params)[0][0]


def run_graph_transformer(params, batch, **options):
    return models.graph_transformer(params, batch.layout, batch.x, edges=batch.edges, **options)


def measure(batch):
    """Three virtual nodes, whatever the number of graphs, so that shapes agree."""
    options = {"max_distance": 3, "path_length": 2}
    return batch._replace(
        more=models.surroundings(batch.layout, segments=batch.segments, num_graphs=3, **options), layout=None
    )


def run_graphormer(params, batch, **options):
    return models.graphormer(params, batch.more, batch.x, edges=batch.edges, **options)[0]


def permute_surroundings(around, order, shuffle):
    """Of several shortest paths the one of the first order: a choice that no permutation can respect."""
    order, place = extended(order, N + 3), np.argsort(extended(shuffle, SLOTS))
    distances, paths = (x[order][:, order] for x in (around.distances, around.paths))
    return models.Surroundings(
        around.degrees[order[:N]], around.segments, distances, np.where(paths >= 0, place[paths], -1)
    )


def dense_graphormer(params, batch):
    around, edges = jax.tree.map(np.asarray, batch.more), jnp.asarray(batch.edges)
    x = batch.x
    for place, name in enumerate(("in_degree", "out_degree")):
        x = x + params[name]["table"][np.minimum(around.degrees[:, place], 4)]
    x = jnp.concatenate([x, jnp.broadcast_to(params["virtual"], (3, DIM))])
    segments = around.segments
    mask = jnp.asarray((segments[:, None] == segments[None]) & (segments[:, None] >= 0))
    counts = np.maximum((around.paths >= 0).sum(-1), 1)
    path = sum(
        jnp.einsum("nme,eh->nmh", jnp.where((around.paths[..., p] >= 0)[..., None], edges[around.paths[..., p]], 0), w)
        for p, w in enumerate(params["path"])
    )
    bias = params["distance"][around.distances] + path / counts[..., None]

    def layer(x, p):
        x = x + dense_attention(p["attention"], standardise(p["attention"]["norm_before"], x), mask, bias)
        return x + perceptron(p["mlp"], standardise(p["mlp"]["norm_before"], x), jax.nn.gelu), None

    x, _ = jax.lax.scan(layer, x, params["encoder"]["blocks"])
    return standardise(params["encoder"]["norm"], x)[:N]


def run_gps(params, batch, **options):
    everywhere = tgnn.Complete(N).with_segments(batch.segments)
    return models.gps(params, batch.layout, batch.x, edges=batch.edges, attention_layout=everywhere, **options)


def dense_gps(params, batch):
    mask, edges = dense(batch.layout, batch.edges)
    same = jnp.asarray((batch.segments[:, None] == batch.segments[None]) & (batch.segments[:, None] >= 0))

    def layer(carry, p):
        x, edges = carry
        if "gine" in p:
            total = jnp.where(mask[..., None], jax.nn.relu(x[None] + edges), 0).sum(1)
            first, second = p["gine"]["mlp"]
            local = affine(second, jax.nn.relu(affine(first, (1 + p["gine"]["epsilon"]) * x + total)))
        else:
            g = p["gated"]
            gates = affine(g["receiver"], x)[:, None] + affine(g["sender"], x)[None] + affine(g["edge"], edges)
            messages = jnp.where(mask[..., None], jax.nn.sigmoid(gates) * affine(g["value"], x)[None], 0)
            local = affine(g["self"], x) + messages.sum(1)
            edges = standardise(p["edge_norm"], edges + jax.nn.relu(gates))
        everywhere = standardise(p["attention_norm"], x + dense_attention(p["attention"], x, same))
        x = standardise(p["local_norm"], x + local) + everywhere
        return (standardise(p["mlp_norm"], x + perceptron(p["mlp"], x)), edges), None

    return jax.lax.scan(layer, (batch.x, edges), params)[0][0]


def graphs_of(batch):
    """Three graphs on the nodes: the given edges, the same backwards, and each graph's complete one."""
    backwards = tgnn.EdgeList(batch.layout.receivers, batch.layout.senders, N, N, batch.layout.mask)
    return [batch.layout, backwards, tgnn.Complete(N).with_segments(batch.segments)]


def stack_graphs(batch):
    mask, _ = places(batch.layout)
    same = (batch.segments[:, None] == batch.segments[None]) & (batch.segments[:, None] >= 0)
    return batch._replace(more=tgnn.Dense(np.stack([mask, mask.T, same])))


def run_multi_graph(params, batch, **options):
    """The nodes see their edges' features through a sum, since this model knows of nodes only."""
    x = batch.x + tgnn.aggregate(batch.layout, jnp.zeros_like(batch.x), edges=batch.edges)
    return models.multi_graph_transformer(params, batch.more, x, **options)


def dense_multi_graph(params, batch):
    masks, edges = jnp.asarray(batch.more.mask), dense(batch.layout, batch.edges)[1]

    def layer(x, p):
        heard = jnp.stack(
            [dense_attention(jax.tree.map(lambda leaf, i=i: leaf[i], p["graphs"]), x, masks[i]) for i in range(3)]
        )
        mixed = jnp.einsum("gnd,gde->ne", x[None] + heard, p["mix"]["kernel"]) + p["mix"]["bias"][None]
        x = standardise(p["norm"], jax.nn.relu(mixed))
        return standardise(p["mlp_norm"], x + jax.nn.relu(affine(p["mlp"], x))), None

    return jax.lax.scan(layer, batch.x + edges.sum(1), params)[0]


def join(batch):
    """Two virtual nodes for each of three graphs, whatever the number of graphs, so that shapes agree."""
    options = {"num_graphs": 3, "num_virtual": 2, "degree": 2, "pad_to": 139}
    return batch._replace(more=models.interactions(batch.layout, segments=batch.segments, **options), layout=None)


def run_exphormer(params, batch, **options):
    return models.exphormer(params, batch.more, batch.x, edges=batch.edges, **options)


def dense_exphormer(params, batch):
    """Each kind of edge is a matrix of its own; the softmax runs over all four."""
    layout, kinds = batch.more.layout, np.asarray(batch.more.kinds)
    order = np.asarray(layout.order)
    features = params["kinds"]["table"][kinds] + jnp.pad(batch.edges, ((0, len(kinds) - SLOTS), (0, 0)))
    parts = []
    for kind in range(4):
        live = np.asarray(layout.mask) & (kinds[order] == kind)
        parts.append(dense(tgnn.EdgeList(layout.senders, layout.receivers, N + 6, N + 6, live, order), features))
    mask, edges = jnp.concatenate([m for m, _ in parts], axis=1), jnp.concatenate([e for _, e in parts], axis=1)

    def layer(x, p):
        query, key, value = (affine(p[name], x) for name in ("query", "key", "value"))
        key, value = jnp.tile(key, (4, 1, 1)), jnp.tile(value, (4, 1, 1))
        logits = (query[:, None] * key[None] * affine(p["edge"], edges)).sum(-1) / np.sqrt(DIM // HEADS)
        return dense_update(p["nodes"], x, jnp.einsum("nmh,mhd->nhd", masked_softmax(logits, mask), value)), None

    x = jnp.concatenate([batch.x, jnp.tile(params["virtual"], (3, 1))])
    return jax.lax.scan(layer, x, params["layers"])[0][:N]


def permute_interactions(graph, order, shuffle):
    """The random edges move with the nodes: new ones would be others."""
    layout, place = graph.layout, np.argsort(extended(order, N + 6))
    live = np.asarray(layout.mask)
    senders, receivers = (
        np.asarray(layout.to_caller(jnp.where(live, place[np.where(live, ends, 0)], ends)))[
            extended(shuffle, layout.n_edge)
        ]
        for ends in (layout.senders, layout.receivers)
    )
    kinds = graph.kinds[extended(shuffle, layout.n_edge)]
    joined = tgnn.EdgeList.from_edges(senders, receivers, n_receivers=N + 6, mask=kinds >= 0)
    return models.Interactions(joined, kinds)


class Case(NamedTuple):
    """A model: its parameters, its run on a batch, and its dense form."""

    params: Any
    run: Any
    dense: Any
    prepare: Any = lambda batch: batch
    permute: Any = None  # of what was measured, where measuring anew would choose otherwise


CASES = {
    "graph_transformer": Case(
        filled(models.init_graph_transformer, **SIZES), run_graph_transformer, dense_graph_transformer
    ),
    "graphormer": Case(
        filled(models.init_graphormer, **SIZES, edge_dim=DIM, max_degree=4, max_distance=3, path_length=2),
        run_graphormer,
        dense_graphormer,
        measure,
        permute_surroundings,
    ),
    "gps gine": Case(filled(models.init_gps, **SIZES), run_gps, dense_gps),
    "gps gated": Case(filled(models.init_gps, **SIZES, local="gated"), run_gps, dense_gps),
    "exphormer": Case(
        filled(models.init_exphormer, **SIZES, num_virtual=2),
        run_exphormer,
        dense_exphormer,
        join,
        permute_interactions,
    ),
    "multi_graph_transformer": Case(
        filled(models.init_multi_graph_transformer, num_layers=LAYERS, model_dim=DIM, num_heads=HEADS, num_graphs=3),
        run_multi_graph,
        dense_multi_graph,
        stack_graphs,
    ),
}
# Compiling is what costs: `make test` compares the shorter ones with their dense form, `make test-all` all of them.
QUICK = {"graph_transformer", "gps gine"}
EVERY_MODEL = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name == "gps gated" else ()) for name in CASES]
)
EVERY_DENSE_FORM = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in CASES]
)


@partial(jax.jit, static_argnames="name")
def values_and_gradients(name, params, batch, weight):
    """The nodes, and the gradient of their weighted sum by parameters, nodes and edges."""

    def loss(params, x, edges):
        output = CASES[name].run(params, batch._replace(x=x, edges=edges))
        return (output * weight).sum(), output

    (_, output), gradients = jax.value_and_grad(loss, (0, 1, 2), has_aux=True)(params, batch.x, batch.edges)
    return output, gradients


def weight_of(batch, seed=3):
    """Random on real nodes, 0 on padding."""
    weight = np.random.default_rng(seed).normal(size=(N, DIM)).astype(np.float32)
    return np.where(batch.segments[:, None] >= 0, weight, 0)


def run(name, graphs):
    batch = batch_of(graphs)
    return values_and_gradients(name, CASES[name].params, CASES[name].prepare(batch), weight_of(batch))


def close(actual, expected, tolerance=TIGHT):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **tolerance), actual, expected)


@EVERY_DENSE_FORM
def test_a_model_is_its_dense_masked_form(name):
    case, batch = CASES[name], batch_of(GRAPHS)
    prepared, weight = case.prepare(batch), weight_of(batch)

    @jax.jit
    def reference(params, x, edges):
        def loss(params, x, edges):
            output = case.dense(params, prepared._replace(x=x, edges=edges))
            return (output * weight).sum(), output

        (_, output), gradients = jax.value_and_grad(loss, (0, 1, 2), has_aux=True)(params, x, edges)
        return output, gradients

    expected, expected_gradients = reference(case.params, batch.x, batch.edges)
    output, gradients = run(name, GRAPHS)
    real = batch.segments >= 0
    close(output[real], expected[real])
    scale = max(1.0, max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(expected_gradients)))
    close(gradients, expected_gradients, {"rtol": 1e-5, "atol": 1e-5 * scale})
    assert np.isfinite(output).all() and all(jnp.abs(leaf).max() > 0 for leaf in gradients[1:])


@EVERY_MODEL
def test_a_graph_is_the_same_alone_padded_and_in_every_batch(name):
    together, (_, x_gradient, edge_gradient) = run(name, GRAPHS)
    batch = batch_of(GRAPHS)
    weight = weight_of(batch)
    first = first_edge = 0
    for graph in GRAPHS:
        rows, slots = slice(first, first + len(graph[2])), slice(first_edge, first_edge + len(graph[3]))
        alone = batch_of([graph])
        own = np.zeros_like(weight)
        own[: len(graph[2])] = weight[rows]
        case = CASES[name]
        output, (_, x_alone, edge_alone) = values_and_gradients(name, case.params, case.prepare(alone), own)
        close(output[: len(graph[2])], together[rows])
        close(x_alone[: len(graph[2])], x_gradient[rows], {"rtol": 1e-5, "atol": 2e-5})
        close(edge_alone[: len(graph[3])], edge_gradient[slots], {"rtol": 1e-5, "atol": 2e-5})
        first, first_edge = rows.stop, slots.stop
    assert (x_gradient[first:] == 0).all() and (edge_gradient[first_edge:] == 0).all()


@EVERY_MODEL
def test_output_follows_a_permutation_of_the_nodes(name):
    case, weight = CASES[name], np.ones((N, DIM), np.float32)
    graph, order, shuffle = permuted(GRAPHS[0])
    moved = case.prepare(batch_of([graph, *GRAPHS[1:]]))
    if case.permute:
        moved = moved._replace(more=case.permute(case.prepare(batch_of(GRAPHS)).more, order, shuffle))
    expected, _ = run(name, GRAPHS)
    output, _ = values_and_gradients(name, case.params, moved, weight)
    close(output[: len(order)], expected[order])
    assert not np.allclose(output[: len(order)], expected[: len(order)])


@pytest.mark.parametrize("name", CASES)
def test_bfloat16_stays_bfloat16(name):
    case = CASES[name]
    batch = case.prepare(batch_of(GRAPHS))
    half = batch._replace(x=jnp.bfloat16(batch.x), edges=jnp.bfloat16(batch.edges))
    output = jax.eval_shape(case.run, case.params, half)
    assert output.dtype == jnp.bfloat16 and output.shape == (N, DIM)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_dropout_needs_a_key_and_follows_it(name):
    case = CASES[name]
    batch = case.prepare(batch_of(GRAPHS))
    model = jax.jit(partial(case.run, dropout_rate=0.5))
    plain, first, again, second = (
        model(case.params, batch, rng=rng) for rng in (None, *map(jax.random.key, (1, 1, 2)))
    )
    close(plain, run(name, GRAPHS)[0])
    assert (first == again).all() and not np.allclose(first, plain) and not np.allclose(first, second)
    assert np.isfinite(first).all()


def test_a_directed_graph_stays_directed():
    """On a chain without a global branch no message goes against an edge."""
    chain = [np.arange(3), np.arange(1, 4), *(np.ones((size, DIM)) for size in (4, 3))]
    changed = [*chain[:2], chain[2].copy(), chain[3]]
    changed[2][2] *= np.arange(DIM)
    for name in ("graph_transformer",):
        output, other = (run(name, [graph])[0] for graph in (chain, changed))
        assert (output[:2] == other[:2]).all() and (output[2:4] != other[2:4]).any(axis=1).all(), name


def test_graphormers_virtual_nodes_see_their_graph_only_and_paths_follow_the_edges():
    batch = measure(batch_of(GRAPHS))
    assert batch.more.segments[N:].tolist() == [0, 1, 2]
    assert (batch.more.distances[N:] == 5).all() and (batch.more.distances[:, N:] == 5).all()
    chain = tgnn.EdgeList.from_edges([0, 1, 2], [1, 2, 3], n_receivers=4)
    around = models.surroundings(chain, max_distance=2, path_length=3)
    assert around.distances[:4, :4].tolist() == [[0, 3, 3, 3], [1, 0, 3, 3], [2, 1, 0, 3], [2, 2, 1, 0]]
    assert around.paths[3, 0].tolist() == [0, 1, 2] and (around.paths[0, 3] == -1).all()
    assert around.degrees.tolist() == [[0, 1], [1, 1], [1, 1], [1, 0]]


@pytest.mark.slow
def test_graphormer_on_a_stack_of_graphs_is_graphormer_on_their_union():
    params, batch = CASES["graphormer"].params, batch_of(GRAPHS)
    options = {"max_distance": 3, "path_length": 2}
    together, pooled = jax.jit(models.graphormer)(params, measure(batch).more, batch.x, edges=batch.edges)
    apart = [batch_of([graph]) for graph in GRAPHS]
    around = [models.surroundings(one.layout, segments=one.segments, **options) for one in apart]
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *around)
    x, edges = (np.stack([getattr(one, name) for one in apart]) for name in ("x", "edges"))
    nodes, graphs = jax.jit(jax.vmap(lambda *operands: models.graphormer(params, *operands[:2], edges=operands[2])))(
        stacked, x, edges
    )
    close(graphs[:, 0], pooled)
    for graph in range(3):
        own = batch.segments == graph
        close(nodes[graph, : own.sum()], together[own])


def test_interactions_are_the_given_edges_an_expander_and_virtual_nodes_within_each_graph():
    layout, segments = batch_of(GRAPHS).layout, batch_of(GRAPHS).segments
    graph = models.interactions(layout, segments=segments, degree=4, num_virtual=2)
    edges, kinds = graph.layout, graph.kinds
    senders, receivers = (np.asarray(edges.to_caller(ends)) for ends in (edges.senders, edges.receivers))
    assert edges.n_receivers == N + 6
    for kind, count in enumerate((29, None, 2 * 14, 2 * 14)):
        assert count is None or (kinds == kind).sum() == count
    owner = np.append(segments, np.repeat([0, 1, 2], 2))
    live = kinds >= 0
    assert (owner[senders[live]] == owner[receivers[live]]).all() and (owner[senders[live]] >= 0).all()
    random = kinds == 1
    degrees = np.bincount(receivers[random], minlength=N)
    assert degrees[:7].max() == 4 and (degrees[:7] >= 2).all() and (senders[random] != receivers[random]).all()
    backwards = set(zip(receivers[random], senders[random], strict=True))
    assert backwards == set(zip(senders[random], receivers[random], strict=True))
    single = models.interactions(layout, segments=segments, num_virtual=1)
    with pytest.raises(ValueError, match="graph has 3 virtual nodes, but params are for 2"):
        models.exphormer(CASES["exphormer"].params, single, np.ones((N, DIM)))
    plain = models.interactions(layout, segments=segments, degree=0, num_virtual=0)
    assert plain.layout.n_receivers == N and plain.layout.n_edge == SLOTS


@pytest.mark.slow
def test_stacked_graphs_are_the_listed_ones():
    batch, params = stack_graphs(batch_of(GRAPHS)), CASES["multi_graph_transformer"].params
    listed = graphs_of(batch)
    model = jax.jit(models.multi_graph_transformer)
    expected = model(params, batch.more, batch.x)
    close(model(params, listed, batch.x), expected)
    close(model(params, tgnn.stack(listed), batch.x), expected)
    with pytest.raises(ValueError, match="layouts has 2 graphs, but params are for 3"):
        models.multi_graph_transformer(params, listed[:2], batch.x)


def test_a_sketch_s_points_are_embedded_in_three_parts():
    params = filled(models.init_sketch_embedding, 6, max_points=5)
    points, flags, positions = np.ones((2, 2), np.float32), np.array([1, -1]), np.array([4, -1])
    x = jax.jit(models.sketch_embedding)(params, points, flags, positions)
    assert x.shape == (2, 6) and (np.asarray(x)[1, 2:] == 0).all()
    params = jax.tree.map(np.asarray, params)
    parts = params["coordinates"]["kernel"].sum(0), params["flags"]["table"][1], params["positions"]["table"][4]
    close(x[0], np.concatenate(parts))
    with pytest.raises(ValueError, match="multiple of 3"):
        models.init_sketch_embedding(jax.random.key(0), 7)


def test_edges_are_given_exactly_where_parameters_expect_them():
    batch = batch_of(GRAPHS)
    with pytest.raises(ValueError, match="edges given is False"):
        models.graph_transformer(CASES["graph_transformer"].params, batch.layout, batch.x)
    with pytest.raises(ValueError, match="edges given is False"):
        models.gps(CASES["gps gated"].params, batch.layout, batch.x)
    with pytest.raises(ValueError, match="edges given is False"):
        models.graphormer(CASES["graphormer"].params, measure(batch).more, batch.x)
    with pytest.raises(ValueError, match="edges given is True"):
        models.gated_gcn(models.init_gated_gcn(jax.random.key(0), (DIM, 3)), batch.layout, batch.x, edges=batch.edges)
    with pytest.raises(ValueError, match="'gat'"):
        models.init_gps(jax.random.key(0), local="gat", **SIZES)


@pytest.mark.parametrize(
    "name", ["gat", "gatv2", "transformer_conv", "gated_gcn", "graph_transformer", "gps", "exphormer"]
)
def test_features_of_another_number_of_edges(name):
    """A row more or less would be another edge's, without a word."""
    senders, receivers, x, edges = GRAPHS[0]
    layout, x = tgnn.EdgeList.from_edges(senders, receivers, n_receivers=len(x)), jnp.asarray(x, jnp.float32)
    model, init = getattr(models, name), getattr(models, f"init_{name}")
    if name in ("gat", "gatv2", "transformer_conv", "gated_gcn"):
        params = init(jax.random.key(0), (DIM, 3), edge_dim=DIM)
        with pytest.raises(ValueError, match="edges given is False"):
            model(params, layout, x)
    else:
        more = {"graph_transformer": {"use_edges": True}, "gps": {"local": "gated", "use_edges": True}, "exphormer": {}}
        params = init(jax.random.key(0), **more[name], **SIZES)
    graph = models.interactions(layout) if name == "exphormer" else layout
    for wrong in (edges[:2], np.concatenate([edges, edges[:1]])):
        with pytest.raises(ValueError, match=r"must have shape \[17|must have 17 rows"):
            model(params, graph, x, edges=jnp.asarray(wrong, jnp.float32))


@pytest.mark.slow
def test_graphormer_measured_with_other_sizes_and_on_a_graph_without_edges():
    sizes = {"num_layers": 1, "model_dim": 4, "num_heads": 2, "edge_dim": 3}
    params = models.init_graphormer(jax.random.key(0), max_distance=2, path_length=2, **sizes)
    chain = tgnn.EdgeList.from_edges([0, 1], [1, 2], n_receivers=3)
    x, edges = jnp.ones((3, 4)), jnp.ones((2, 3))
    for wrong, name in (({"max_distance": 3}, "max_distance"), ({"path_length": 1}, "path_length")):
        around = models.surroundings(chain, **({"max_distance": 2, "path_length": 2} | wrong))
        with pytest.raises(ValueError, match=f"the same {name}"):
            models.graphormer(params, around, x, edges=edges)
    lonely = models.surroundings(tgnn.EdgeList.from_edges([], [], n_receivers=1), max_distance=2, path_length=2)
    nodes, graph = models.graphormer(params, lonely, x[:1], edges=edges[:0])
    assert np.isfinite(nodes).all() and np.isfinite(graph).all()


@pytest.mark.parametrize("init", [models.init_graph_transformer, models.init_exphormer])
def test_heads_share_the_features_evenly(init):
    with pytest.raises(ValueError, match="num_heads must divide model_dim 5, got 2"):
        init(jax.random.key(0), num_layers=1, model_dim=5, num_heads=2)
