"""The promises about numbers: dead edges do not matter, empty rows are zero, sums are wide, shapes compile once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.calls import attend, attention_weights, close, gradients, inputs
from tests.support.layouts import EVERY, LAYOUTS


def dead_rows(layout):
    """Receivers without in-edges and senders without out-edges."""
    return np.asarray(tgnn.degrees(layout)) == 0, np.asarray(tgnn.degrees(layout, of="senders")) == 0


@pytest.mark.slow
@EVERY
@pytest.mark.parametrize("poison", [*(pytest.param(x, marks=pytest.mark.slow) for x in (1e30, np.inf)), np.nan])
@pytest.mark.nans
def test_rows_without_a_live_edge_change_nothing(layout, poison):
    query, key, value = inputs(layout)
    expected, slopes = attend(layout, query, key, value), gradients(layout, query, key, value)
    lonely, unheard = dead_rows(layout)
    query = jnp.where(lonely[:, None, None], poison, query)
    key, value = (jnp.where(unheard[:, None, None], poison, x) for x in (key, value))
    np.testing.assert_array_equal(attend(layout, query, key, value), expected)
    for mine, theirs in zip(gradients(layout, query, key, value), slopes, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert (slopes[0][lonely] == 0).all() and (slopes[1][unheard] == 0).all() and (slopes[2][unheard] == 0).all()


@pytest.mark.parametrize("implementation", ["definition", "fused"])
@pytest.mark.parametrize("kind", ["edges unsorted", pytest.param("complete segments", marks=pytest.mark.slow)])
@pytest.mark.nans
def test_parameters_of_a_score_do_not_learn_from_rows_without_a_live_edge(kind, implementation):
    layout = LAYOUTS[kind]
    query, key, value = inputs(layout, 2, 2)
    vectors = jnp.asarray(np.random.default_rng(0).normal(size=(2, 2, 5)), jnp.float32)

    @jax.jit
    def run(vectors, query, key):
        def loss(vectors, *nodes):
            score = tgnn.Additive(*vectors)
            return (tgnn.attend(layout, *nodes, value, score=score, implementation=implementation) ** 2).sum()

        return jax.value_and_grad(loss, (0, 1, 2))(vectors, query, key)

    lonely, unheard = dead_rows(layout)
    assert lonely.any() and unheard.any()
    poisoned = jnp.where(lonely[:, None, None], jnp.nan, query), jnp.where(unheard[:, None, None], jnp.inf, key)
    jax.tree.map(np.testing.assert_array_equal, run(vectors, *poisoned), run(vectors, query, key))
    query = query.at[int(np.argmin(lonely))].set(jnp.nan)
    assert jnp.isnan(run(vectors, query, key)[0])  # a live one is loud


@pytest.mark.slow
@EVERY
@pytest.mark.parametrize("score", ["dot product", "gaussian"])
def test_huge_finite_values_at_masked_pairs_change_nothing(layout, score):
    """A sender of 1e30 that one receiver hears: the others neither see it nor get a gradient from it."""
    query, key, value = inputs(layout, 2, 2)
    score = tgnn.dot_product if score == "dot product" else tgnn.Gaussian(jnp.zeros((2, 5)), jnp.ones((2, 5)))
    adjacency = np.asarray(layout.adjacency())
    loud = int(np.argmax(adjacency.sum(0) * (adjacency.sum(0) < len(adjacency))))
    deaf = ~adjacency[:, loud]
    if not deaf.any():
        loud, deaf = 0, ~adjacency[:, 0]
    key, value = key.at[loud].set(1e30), value.at[loud].set(1e30)

    @jax.jit
    def loss(query):
        return (attend(layout, query, key, value, score=score)[deaf] ** 2).sum()

    quiet_key, quiet_value = key.at[loud].set(0.0), value.at[loud].set(0.0)
    expected = attend(layout, query, quiet_key, quiet_value, score=score)[deaf]
    close(attend(layout, query, key, value, score=score)[deaf], expected, 1e-6)
    assert jnp.isfinite(jax.grad(loss)(query)[deaf]).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["edges", "neighbors"])
@pytest.mark.nans
def test_the_rows_of_masked_and_out_of_range_edges_do_not_matter(kind):
    """Index layouts: edge features of dead edges may hold anything, forward and backward."""
    layout = LAYOUTS["edges unsorted" if kind == "edges" else "neighbors padded"]
    query, key, value = inputs(layout)
    clean = jnp.zeros((*layout.edge_shape, 4, 3))
    live = np.asarray(layout.live)[..., None, None]

    def run(bias, edge_value):
        return (attend(layout, query, key, value, bias=bias, edge_value=edge_value) ** 2).sum()

    expected = jax.value_and_grad(run, (0, 1))(clean[..., 0], clean)
    dirty = jax.value_and_grad(run, (0, 1))(jnp.where(live, clean, np.nan)[..., 0], jnp.where(live, clean, np.inf))
    jax.tree.map(np.testing.assert_array_equal, dirty, expected)
    assert all(jnp.isfinite(x).all() for x in dirty[1])


@pytest.mark.slow
@EVERY
def test_logits_of_ten_thousand_stay_finite(layout):
    query, key, value = inputs(layout)
    output = attend(layout, 100 * query, 100 * key, value, scale=1.0)
    assert jnp.isfinite(output).all() and abs(output).max() <= abs(value).max() + 1e-6
    assert all(jnp.isfinite(x).all() for x in gradients(layout, 100 * query, 100 * key, value, scale=1.0))


@pytest.mark.parametrize("n", [256, 257, 300, 1_000, 10_000, 100_000])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_many_neighbours_in_half_precision_sum_to_one(n, dtype):
    layout = tgnn.EdgeList(np.arange(n), np.zeros(n, np.int32), 1, n)
    query, key = np.ones((1, 1, 4), dtype), np.random.default_rng(0).normal(size=(n, 1, 4)).astype(dtype)
    rounding = 1e-7 * n**0.5 + 1e-6  # of a sum of n float32 numbers, one after the other
    assert abs(float(attention_weights(layout, query, key).sum()) - 1) < rounding
    assert abs(float(attend(layout, query, key, np.ones((n, 1, 1), dtype))[0, 0, 0]) - 1) <= 1e-2


@pytest.mark.slow
@pytest.mark.parametrize("degree", [64, 1_024, 16_384])
def test_bfloat16_is_as_accurate_as_dense_softmax_attention(degree):
    """The rule of FlexAttention's tests: error against float64 at most 1.1 times that of the plain dense formula."""
    rng = np.random.default_rng(degree)
    query, key, value = (jnp.asarray(rng.normal(size=(n, 1, 16)), jnp.bfloat16) for n in (3, degree, degree))
    exact = [np.asarray(x, np.float64)[:, 0] for x in (query, key, value)]
    logits = exact[0] @ exact[1].T / 4
    weights = np.exp(logits - logits.max(1, keepdims=True))
    golden = weights / weights.sum(1, keepdims=True) @ exact[2]
    plain = jax.nn.softmax((query[:, 0] @ key[:, 0].T) * 0.25, axis=-1) @ value[:, 0]
    layout = tgnn.Complete(3, degree)
    for graph in (layout, layout.to_edges()):
        error = abs(np.asarray(attend(graph, query, key, value)[:, 0], np.float64) - golden).mean()
        assert error <= 1.1 * abs(np.asarray(plain, np.float64) - golden).mean()


@pytest.mark.nans
def test_a_nan_on_a_live_edge_is_loud_and_stays_with_its_receiver():
    layout = tgnn.EdgeList.from_edges([0, 1, 1], [0, 0, 1], n_receivers=2)
    query, key, value = jnp.ones((2, 1, 1)), jnp.asarray([jnp.nan, 1.0]).reshape(2, 1, 1), jnp.ones((2, 1, 1))
    output = tgnn.attend(layout, query, key, value).ravel()
    assert jnp.isnan(output[0]) and output[1] == 1


@pytest.mark.slow
def test_a_row_without_finite_logits_is_zero_with_zero_gradient():
    layout = tgnn.EdgeList.from_edges([0, 1], [0, 1], n_receivers=2)
    bias = jnp.asarray([[-jnp.inf], [0.0]])
    weight = jnp.ones(())

    @jax.jit
    def loss(weight):
        x = jnp.ones((2, 1, 1)) * weight
        return tgnn.attend(layout, x, x, x, bias=bias)[1].sum()

    assert jax.grad(loss)(weight) == 1
    assert tgnn.attend(layout, jnp.ones((2, 1, 1)), jnp.ones((2, 1, 1)), jnp.ones((2, 1, 1)), bias=bias)[0, 0, 0] == 0


@pytest.mark.slow
def test_graphs_of_one_bucket_share_one_trace():
    traces = []

    @jax.jit
    def run(layout, x):
        traces.append(1)
        return tgnn.attend(layout, x, x, x)

    rng = np.random.default_rng(0)
    for n_edge in range(1, 21):
        senders, receivers = rng.integers(0, 7, (2, n_edge))
        layout = tgnn.EdgeList.from_edges(senders, receivers, n_receivers=7, pad_to=23)
        run(layout, jnp.ones((7, 1, 2)))
    assert len(traces) == 1
    for offset in range(9):
        run(tgnn.Causal(1, n_senders=1, offset=jnp.asarray(offset)), jnp.ones((1, 1, 2)))
    assert len(traces) == 2


def test_int64_indices_beyond_int32_are_refused():
    with pytest.raises(ValueError, match=r"senders\[0\] is 4294967297"):
        tgnn.EdgeList.from_edges(np.array([2**32 + 1]), np.array([0]), n_receivers=2)


@pytest.mark.slow
def test_dropout_keeps_the_expected_share_and_scales_it():
    n = 499
    layout = tgnn.Complete(n, n)
    x = jnp.zeros((n, 2, 1))
    weights = tgnn.attend(layout, x, x, jnp.ones((n, 2, 1)), dropout_rate=0.3, rng=jax.random.key(1))
    assert abs(float(weights.mean()) - 1) < 3 * (0.3 / 0.7) ** 0.5 / (2 * n * n) ** 0.5  # three standard errors
    again = tgnn.attend(layout, x, x, jnp.ones((n, 2, 1)), dropout_rate=0.3, rng=jax.random.key(2))
    assert not np.allclose(weights, again)


STRUCTURE = {"complete": tgnn.Complete(67), "causal": tgnn.Causal(67)}


@pytest.mark.parametrize("layout", STRUCTURE.values(), ids=STRUCTURE.keys())
def test_complete_and_causal_graphs_compile_without_gather_or_scatter(layout):
    x = jnp.ones((67, 2, 8))
    program = jax.jit(jax.grad(lambda x: tgnn.attend(layout, x, x, x).sum())).lower(x).as_text()
    assert "dot_general" in program and "gather" not in program and "scatter" not in program


@pytest.mark.slow
def test_a_long_window_allocates_nothing_of_size_n_squared():
    n = 65_536
    x = jax.ShapeDtypeStruct((n, 1, 8), jnp.float32)
    layout = tgnn.Window(n, 32, 0)
    step = jax.jit(jax.grad(lambda x: tgnn.attend(layout, x, x, x).sum()))
    memory = step.lower(x).compile().memory_analysis().temp_size_in_bytes
    assert memory < n * n / 16, memory  # a mask of bits would need n * n / 8 bytes
