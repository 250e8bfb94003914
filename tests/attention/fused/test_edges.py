"""The chunked execution of edge lists equals the definition: values, gradients, transformations, memory."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

import tgnn
from tests.support.calls import close, inputs
from tests.support.layouts import LAYOUTS
from tgnn.attention.call import prepare
from tgnn.attention.fused import chunk

EDGE_LISTS = {name: layout for name, layout in LAYOUTS.items() if isinstance(layout, tgnn.EdgeList)}
EVERY = pytest.mark.parametrize("layout", EDGE_LISTS.values(), ids=EDGE_LISTS.keys())
BOTH = "definition", "fused"


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch):
    """Several chunks in a small graph, the last one overlapping the one before."""
    monkeypatch.setattr(chunk, "CHUNK_EDGES", (13, 13))
    monkeypatch.setattr(chunk, "LANES", 1)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Distance(tgnn.Score):
    """A user's score, with a parameter and node maps."""

    sharpness: jax.Array

    def receiver(self, query):
        return jnp.tanh(query)

    def pair(self, receiver, sender, edge=None):
        shift = 0.0 if edge is None else edge
        return -self.sharpness[None] * jnp.sqrt(((receiver - sender + shift) ** 2).sum(-1) + 1.0)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Slope:
    """A callable bias."""

    rate: jax.Array

    def __call__(self, receiver, sender):
        return self.rate * (receiver - sender)


def random(*shape, seed=1):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


SCORES = {
    "dot product": (tgnn.dot_product, (4, 5)),
    "additive": (tgnn.Additive(*random(2, 4, 5)), (4,)),
    "additive v2": (tgnn.AdditiveV2(random(4, 5)), (4, 5)),
    "gaussian": (tgnn.Gaussian(random(4, 5), 1 + random(4, 5) ** 2), (5,)),
    "user's own": (Distance(1 + random(4) ** 2), (4, 5)),
}


def compare(function, *operands, tolerance=5e-6):
    """`function(implementation, *operands)`, compiled, gives the same tree for both implementations."""
    expected, actual = (jax.jit(function, static_argnums=0)(name, *operands) for name in BOTH)
    jax.tree.map(lambda mine, theirs: close(mine, theirs, tolerance), actual, expected)
    return actual


def loss(output):
    return (output.astype(jnp.float32) * jnp.cos(jnp.arange(output.size).reshape(output.shape))).sum()


def differentiate(function, *operands):
    """The output of `function(*operands)` and the gradients of its loss."""
    output, pull = jax.vjp(function, *operands)
    return output, pull(jax.grad(loss)(output))


CASES = [
    pytest.param(name, kind, marks=[] if name == "edges padded" or kind == "dot product" else pytest.mark.slow)
    for name in EDGE_LISTS
    for kind in SCORES
]


@pytest.mark.slow
@pytest.mark.parametrize("name, kind", CASES)
def test_values_and_every_gradient_equal_the_definition(name, kind):
    layout, (score, edge_shape) = EDGE_LISTS[name], SCORES[kind]
    query, key, value = inputs(layout)
    operands = {
        "query": query,
        "key": key,
        "value": value,
        "score": score,
        "bias": random(layout.n_edge, 4),
        "scale": jnp.float32(0.7),
        "edges": random(layout.n_edge, *edge_shape, seed=2),
        "edge_value": random(layout.n_edge, 4, 3, seed=3),
    }

    def run(implementation, operands):
        options = {"dropout_rate": 0.3, "rng": jax.random.key(5), "implementation": implementation}
        return differentiate(lambda operands: tgnn.attend(layout, **operands, **options), operands)

    # The gradient of a parameter that all edges share is a sum of hundreds of terms that nearly cancel.
    _, (gradients,) = compare(run, operands, tolerance=2e-5)
    unused = {"query", "key"} if kind == "gaussian" else set()  # it reads the edges' coordinates instead
    assert {name for name, x in gradients.items() if not all(map(jnp.any, jax.tree.leaves(x)))} == unused


@pytest.mark.slow
@EVERY
def test_callable_and_narrow_biases_and_a_scale_per_head(layout):
    query, key, value = inputs(layout)
    scale = 1 + random(4) ** 2

    def run(implementation, bias):
        return differentiate(
            lambda bias, scale: tgnn.attend(
                layout, query, key, value, bias=bias, scale=scale, implementation=implementation
            ),
            bias,
            scale,
        )

    compare(run, Slope(random(4)))
    compare(run, random(layout.n_edge, 1))


@pytest.mark.slow
@EVERY
def test_a_bias_of_minus_infinity_removes_the_edge(layout):
    query, key, value = inputs(layout)
    bias = jnp.where(random(layout.n_edge, 4) > 0.5, -jnp.inf, 0.0).at[:, 2].set(-jnp.inf)

    def run(implementation, query, bias):
        attend = lambda *x: tgnn.attend(layout, x[0], key, value, bias=x[1], implementation=implementation)  # noqa: E731
        return differentiate(attend, query, bias)

    output, gradients = compare(run, query, bias)
    assert (gradients[1][jnp.isinf(bias)] == 0).all()
    assert (output[:, 2] == 0).all()


@pytest.mark.slow
def test_derivatives_of_any_order_and_mode_equal_the_definition():
    layout = EDGE_LISTS["edges padded"]
    query, key, value = inputs(layout)
    bias, direction = random(layout.n_edge, 4), jnp.cos(query)

    def run(implementation, query, bias):
        def output(query):
            return tgnn.attend(layout, query, key, value, bias=bias, implementation=implementation)

        def total(query):
            return (output(query) ** 2).sum()

        return {
            "jvp": jax.jvp(output, (query,), (direction,))[1],
            "reverse over reverse": jax.grad(lambda x: jnp.vdot(jax.grad(total)(x), direction))(query),
            "forward over reverse": jax.jvp(jax.grad(total), (query,), (direction,))[1],
            "reverse over forward": jax.grad(lambda x: jax.jvp(total, (x,), (direction,))[1])(query),
        }

    compare(run, query, bias)


@pytest.mark.slow
def test_third_derivatives_and_checkpoint():
    layout = EDGE_LISTS["edges"]
    query, key, value = inputs(layout)

    def run(implementation, x):
        def total(x):
            attend = jax.checkpoint(lambda q: tgnn.attend(layout, q, key, value, implementation=implementation))
            return (attend(x * query) ** 2).sum()

        return jax.grad(total)(x), jax.grad(jax.grad(jax.grad(total)))(x)

    compare(run, jnp.float32(0.7))


@pytest.mark.slow
def test_vmap_over_stacked_layouts_inside_and_outside_of_grad():
    sizes = {"n_receivers": 7, "n_senders": 6, "pad_to": 29}
    rng = np.random.default_rng(0)
    layouts = [tgnn.EdgeList.from_edges(rng.integers(0, 6, n), rng.integers(0, 7, n), **sizes) for n in (29, 17)]
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *layouts)
    query, key, value, bias = random(2, 7, 4, 5), random(6, 2, 5), random(2, 6, 2, 3), random(2, 29, 4)

    def run(implementation, stacked, query, key, value, bias):
        def one(layout, query, value, bias, key=key):
            return loss(tgnn.attend(layout, query, key, value, bias=bias, implementation=implementation))

        def total(query, key, value):
            return jax.vmap(lambda *x: one(*x, key=key))(stacked, query, value, bias).sum()

        inside = jax.vmap(jax.grad(one, (1, 2, 3)))(stacked, query, value, bias)
        tangents = jax.vmap(lambda q: jax.jvp(lambda k: total(q, k, value), (key,), (key,))[1])(query[None])
        return inside, jax.grad(total, (0, 1, 2))(query, key, value), tangents

    compare(run, stacked, query, key, value, bias)


def test_scan_and_new_indices_without_a_new_trace():
    traces = []
    query, key, value = (jnp.asarray(x) for x in inputs(EDGE_LISTS["edges"]))

    @jax.jit
    def run(layout, query):
        traces.append(1)
        step = lambda x, _: (tgnn.attend(layout, x, key, value, implementation="fused") @ jnp.ones((3, 5)), None)  # noqa: E731
        return jax.lax.scan(step, query, None, length=3)[0]

    layout = EDGE_LISTS["edges"]
    first = run(layout, query)
    flipped = jax.tree.map(lambda x: x[::-1], layout)
    close(run(flipped, query), first, 5e-6)
    assert len(traces) == 1


@pytest.mark.slow
@pytest.mark.nans
@pytest.mark.parametrize("kind", ["dot product", "additive v2", "gaussian", "user's own"])
def test_what_dead_edges_and_their_nodes_hold_does_not_matter(kind):
    layout, (score, edge_shape) = EDGE_LISTS["edges unsorted"], SCORES[kind]
    live = np.asarray(layout.live)
    operands = [*inputs(layout), random(len(live), 4), random(len(live), *edge_shape), random(len(live), 4, 3)]

    @jax.jit
    def run(score, query, key, value, bias, edges, edge_value):
        def total(score, query, key, value, bias, edges, edge_value):
            options = {"score": score, "bias": bias, "edges": edges, "edge_value": edge_value}
            return loss(tgnn.attend(layout, query, key, value, **options, implementation="fused"))

        return jax.value_and_grad(total, range(7))(score, query, key, value, bias, edges, edge_value)

    lonely = np.asarray(tgnn.degrees(layout)) == 0
    unheard = np.asarray(tgnn.degrees(layout, of="senders")) == 0
    dead = [lonely, unheard, unheard, ~live, ~live, ~live]
    poisoned = [
        jnp.where(rows.reshape(-1, *[1] * (x.ndim - 1)), jnp.nan, x) for rows, x in zip(dead, operands, strict=True)
    ]
    clean, dirty = run(score, *operands), run(score, *poisoned)
    jax.tree.map(np.testing.assert_array_equal, dirty, clean)
    assert all((gradient[rows] == 0).all() for rows, gradient in zip(dead, clean[1][1:], strict=True))


@pytest.mark.slow
def test_no_edge_no_receiver_no_sender():
    for n, m, edges in ((3, 2, []), (0, 2, []), (3, 0, [])):
        layout = tgnn.EdgeList.from_edges(edges, edges, n_receivers=n, n_senders=m)
        output = tgnn.attend(
            layout, jnp.ones((n, 2, 4)), jnp.ones((m, 2, 4)), jnp.ones((m, 2, 3)), implementation="fused"
        )
        assert output.shape == (n, 2, 3) and (output == 0).all()
    masked = tgnn.EdgeList(jnp.zeros(40, int), jnp.zeros(40, int), 3, 2, jnp.zeros(40, bool))
    run = lambda query: tgnn.attend(masked, query, jnp.ones((2, 2, 4)), jnp.ones((2, 2, 3)), implementation="fused")  # noqa: E731
    assert (run(jnp.ones((3, 2, 4))) == 0).all()
    assert (jax.grad(lambda query: run(query).sum())(jnp.ones((3, 2, 4))) == 0).all()


@pytest.mark.parametrize("degree", [64, 1024])
def test_bfloat16_is_as_accurate_as_dense_softmax_attention_in_bfloat16(degree):
    rng = np.random.default_rng(degree)
    query, key, value = (jnp.asarray(rng.normal(size=(n, 2, 16)), jnp.bfloat16) for n in (3, degree, degree))
    senders, receivers = np.tile(np.arange(degree), 3), np.repeat(np.arange(3), degree)
    layout = tgnn.EdgeList.from_edges(senders, receivers, n_receivers=3, n_senders=degree)
    wide = [np.asarray(x, np.float64) for x in (query, key, value)]
    logits = np.einsum("nhd,mhd->hnm", *wide[:2]) / 4
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    expected = np.einsum("hnm,mhd->nhd", weights / weights.sum(-1, keepdims=True), wide[2])
    dense = jax.nn.softmax(jnp.einsum("nhd,mhd->hnm", query, key) / 4, axis=-1)
    dense = jnp.einsum("hnm,mhd->nhd", dense, value)
    actual = tgnn.attend(layout, query, key, value, implementation="fused")
    error, allowed = (np.abs(np.asarray(x, np.float64) - expected).mean() for x in (actual, dense))
    assert actual.dtype == jnp.bfloat16 and error <= 1.1 * allowed


@pytest.mark.slow
def test_large_logits_keep_their_digits():
    layout = EDGE_LISTS["edges padded"]
    query, key, value = inputs(layout)

    def run(implementation, query, key):
        shift = jnp.full((layout.n_edge, 4), 3e4)
        attend = lambda *x: tgnn.attend(layout, *x, value, bias=shift, implementation=implementation)  # noqa: E731
        return differentiate(attend, query, key)

    compare(run, query, key, tolerance=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("batched", [False, True])
def test_inside_shard_map(batched):
    """A mesh of one device carries the same types as a large one: heads sharded, keys shared by all shards."""
    layout, mesh = EDGE_LISTS["edges"], jax.make_mesh((1,), ("heads",), axis_types=(jax.sharding.AxisType.Auto,))
    query, key, value = inputs(layout, 4, 4)
    spread, shared = PartitionSpec(None, "heads"), PartitionSpec()

    def run(implementation, query, key, value):
        def local(layout, query, key, value):
            attend = lambda query: tgnn.attend(layout, query, key, value, implementation=implementation)  # noqa: E731
            return jax.vmap(attend)(query[None])[0] if batched else attend(query)

        sharded = jax.shard_map(local, mesh=mesh, in_specs=(shared, spread, shared, spread), out_specs=spread)
        return differentiate(lambda *x: sharded(layout, *x), query, key, value)

    compare(run, query, key, value)


class Own(tgnn.Score):
    """A score that no chunk can evaluate."""

    def __call__(self, layout, query, key, edges=None):
        return layout.score(query, key)


def test_what_cannot_be_fused_is_named_and_runs_by_the_definition():
    layout = EDGE_LISTS["edges"]
    operands = inputs(layout)
    with pytest.raises(ValueError, match="Own defines __call__ itself; define receiver, sender and pair instead"):
        tgnn.attend(layout, *operands, score=Own(), implementation="fused")
    assert jnp.isfinite(tgnn.attend(layout, *operands, score=Own())).all()


def temporary(n_edge, n_node, implementation, gradients):
    """Bytes of temporary memory of a compiled call with 8 heads of 16."""
    index, rows = jax.ShapeDtypeStruct((n_edge,), jnp.int32), jax.ShapeDtypeStruct((n_node, 8, 16), jnp.float32)
    layout = tgnn.EdgeList(index, index, n_node, n_node, jax.ShapeDtypeStruct((n_edge,), bool), index)

    def run(layout, query, key, value):
        attend = lambda *x: tgnn.attend(layout, *x, implementation=implementation)  # noqa: E731
        if not gradients:
            return attend(query, key, value)
        output, pull = jax.vjp(attend, query, key, value)
        return output, pull(output)

    return jax.jit(run).lower(layout, rows, rows, rows).compile().memory_analysis().temp_size_in_bytes


@pytest.mark.slow
@pytest.mark.parametrize("gradients", [False, True])
def test_memory_at_a_million_edges_is_a_tenth_of_the_definition(monkeypatch, gradients):
    monkeypatch.undo()
    sizes = 1_335_586, 169_343
    chosen = temporary(*sizes, None, gradients)
    assert chosen <= temporary(*sizes, "definition", gradients) / 10
    assert chosen <= 64 * sizes[0]


@pytest.mark.slow
@pytest.mark.parametrize("gradients", [False, True])
def test_memory_grows_by_the_logits_alone(monkeypatch, gradients):
    monkeypatch.undo()
    grown = temporary(10_000_000, 10_000, None, gradients) - temporary(100_000, 10_000, None, gradients)
    assert grown <= 40 * 9_900_000  # 8 heads of 4 bytes, and a little


def test_the_last_chunk_counts_no_edge_of_the_chunk_before():
    """300 edges in chunks of 112: the last one starts 36 edges early, so that it is full."""
    rng = np.random.default_rng(0)
    layout = tgnn.EdgeList.from_edges(*rng.integers(0, 40, (2, 300)), n_receivers=40)
    nodes = [jnp.asarray(rng.normal(size=(40, 1, 512)), jnp.float32) for _ in range(3)]  # as wide as chunks are short

    def run(implementation):
        loss = lambda *nodes: (tgnn.attend(layout, *nodes, implementation=implementation) ** 2).sum()  # noqa: E731
        return jax.jit(jax.value_and_grad(loss, (0, 1, 2)))(*nodes)

    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), run("fused"), run("definition"))


def test_chunks_read_nodes_that_exist():
    """Where an edge is dead too: a read out of range may be anything."""
    layout = tgnn.EdgeList(jnp.array([-3, 9, 1, 0]), jnp.array([0, 1, 7, -1]), 2, 3)
    nodes = [jnp.ones((n, 1, 2)) for n in (2, 3, 3)]
    call = prepare(layout, *nodes, tgnn.dot_product, None, None, None, None, 0.0, None, (0, 0, 0))
    found = chunk.Cut.of(call).cut(0)
    assert found.sender.tolist() == [0, 2, 1, 0]
    assert (found.receiver >= 0).all() and (found.receiver < 2).all() and not found.live.any()


def test_slopes_of_half_precision_do_not_see_products_that_were_rounded():
    """Values that are all equal: logits have no slope, whatever they are, but (1 + 1 / 128) ** 2 is no bfloat16."""
    near, rows = 1 + 2**-7, jnp.asarray([[1.0], [2.0], [-1.0]], jnp.bfloat16)[..., None]
    layout = tgnn.EdgeList.from_edges([0, 1, 2], [0, 0, 0], n_receivers=3)

    def loss(query):
        output = tgnn.attend(layout, query, rows, near * jnp.ones_like(rows), implementation="fused")
        return output.astype(jnp.float32).sum() * near

    np.testing.assert_allclose(jax.jit(jax.grad(loss))(rows), 0, atol=1e-6)
