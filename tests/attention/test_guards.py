"""What keeps dead edges, dead rows and other callers' mistakes out, each where nothing else stands before it."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tgnn.attention.dropout import Draw, is_kept
from tgnn.attention.scores import Score
from tgnn.graphs.edge_list import check_simple

# Edge 1 is masked and edge 3 out of range; the sender 3 is heard by nobody.
ENDS, MASKED = (jnp.array([0, 1, 2, 9, 1]), jnp.array([0, 0, 1, 1, 1])), jnp.array([True, False, True, True, True])
LIST = tgnn.EdgeList(*ENDS, 2, 4, MASKED)
LIVE = np.array([True, False, True, False, True])
DEFINED = {"implementation": "definition"}


def nodes(layout, heads=1, dim=2, seed=0, dtype="float32"):
    rng = np.random.default_rng(seed)
    shapes = (layout.n_receivers, heads, dim), (layout.n_senders, heads, dim), (layout.n_senders, heads, dim)
    return [jnp.asarray(rng.normal(size=shape), dtype) for shape in shapes]


@pytest.mark.nans
def test_the_definition_does_not_read_what_dead_edges_carry():
    query, key, value = nodes(LIST)
    clean = jnp.ones((5, 1, 2))
    run = lambda x: tgnn.attend(LIST, query, key, value, edge_value=x, implementation="definition")  # noqa: E731
    dirty = jnp.where(jnp.asarray(LIVE)[:, None, None], clean, jnp.nan)
    np.testing.assert_array_equal(run(dirty), run(clean))


@pytest.mark.nans
def test_queries_do_not_learn_from_what_pairs_that_are_no_edge_carry():
    """Of a matrix: a row that has an edge elsewhere."""
    layout = tgnn.Complete(2).with_segments(np.array([0, 1]))
    query, key, value = nodes(layout)
    carried = jnp.where(layout.adjacency()[..., None, None], 1.0, jnp.nan) * jnp.ones((2, 2, 1, 2))
    run = lambda query: tgnn.attend(layout, query, key, value, edge_value=carried, **DEFINED).sum()  # noqa: E731
    np.testing.assert_allclose(jax.jit(jax.grad(run))(query), 0, atol=1e-6)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize("layout", [LIST, tgnn.Complete(2, 4)], ids=["list", "complete"])
def test_the_definition_returns_the_dtype_of_the_values(layout, dtype):
    assert tgnn.attend(layout, *nodes(layout, dtype=dtype), implementation="definition").dtype == dtype


def test_values_wider_than_queries_decide_in_what_logits_are_computed():
    jax.config.update("jax_enable_x64", True)
    try:
        layout = tgnn.Complete(1, 4)
        query, key, value = nodes(layout)
        found = tgnn.attend(layout, query, key, value.astype(jnp.float64), implementation="definition")
        logits = np.float64(query)[0, 0] @ np.float64(key)[:, 0].T * 2**-0.5
        expected = np.exp(logits) / np.exp(logits).sum() @ np.float64(value)[:, 0]
        np.testing.assert_allclose(found[0, 0], expected, rtol=1e-14)
    finally:
        jax.config.update("jax_enable_x64", False)


def test_the_definition_drops_and_scales():
    layout = tgnn.Complete(1, 400)
    query, key, _ = nodes(layout)
    draw = {"dropout_rate": 0.5, "rng": jax.random.key(3), "implementation": "definition"}
    total = float(tgnn.attend(layout, query * 0, key, jnp.ones((400, 1, 1)), **draw)[0, 0, 0])
    assert 1e-3 < abs(total - 1) < 0.2  # four standard errors


def test_a_scale_does_not_learn_from_products_that_overflow_where_there_is_no_edge():
    layout = tgnn.Complete(2).with_segments(np.array([0, 1]))
    query, key = jnp.array([1.0, 1e25]).reshape(2, 1, 1), jnp.array([1e25, 1.0]).reshape(2, 1, 1)  # 1e50 across

    @jax.jit
    def slope(scale):
        return jax.grad(lambda scale: tgnn.attend(layout, query, key, key, scale=scale, **DEFINED).sum())(scale)

    assert slope(jnp.float32(1.0)) == 0


def test_every_key_draws_masks_of_its_own():
    edges = jnp.arange(64), jnp.arange(64), jnp.zeros(64, int)
    masks = [is_kept(Draw(jax.random.key(seed)), 0.5, *edges) for seed in (0, 1)]
    assert not np.array_equal(*masks)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Weighed(Score):
    """Reads features of edges whose parameter every edge shares."""

    weight: jax.Array

    def pair(self, receiver, sender, edge=None):
        product = receiver * sender if edge is None else receiver * sender * edge
        return (self.weight.reshape((1,) * (product.ndim - 1) + (-1,)) * product).sum(-1)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Smooth(Weighed):
    """Says that rows of zeros do it no harm: dead edges read those, instead of what a live edge reads."""

    ignores_zeros = True


BOTH = pytest.mark.parametrize("kind", [Weighed, Smooth])


@BOTH
@pytest.mark.nans
def test_parameters_do_not_learn_from_the_features_of_dead_edges(kind):
    query, key, value = nodes(LIST)
    features = jnp.where(jnp.asarray(LIVE)[:, None, None], 1.0, jnp.nan) * jnp.ones((5, 1, 2))

    def loss(weight, features):
        arguments = {"edges": features, "implementation": "definition"}
        return (tgnn.attend(LIST, query, key, value, score=kind(weight), **arguments) ** 2).sum()

    slope = jax.jit(jax.grad(loss))
    np.testing.assert_array_equal(slope(jnp.ones(2), features), slope(jnp.ones(2), jnp.ones((5, 1, 2))))


@BOTH
def test_parameters_do_not_learn_from_pairs_that_are_no_edge(kind):
    """Of one matrix: a sender of another segment, which its own receiver hears."""
    layout = tgnn.Complete(2).with_segments(np.array([0, 1]))
    query, key, value = nodes(layout)
    query, key = query.at[0].set(1e25), key.at[1].set(1e25)  # 1e50 between them

    def loss(weight):
        score = kind(weight)
        return (tgnn.attend(layout, query, key, value, score=score, implementation="definition")[0] ** 2).sum()

    value, slope = jax.jit(jax.value_and_grad(loss))(jnp.ones(2))
    assert jnp.isfinite(value) and jnp.isfinite(slope).all()


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Cosine(tgnn.InnerProduct):
    """No parameters, and a map of the nodes that is steep everywhere."""

    def receiver(self, query):
        return query / jnp.linalg.norm(query, axis=-1, keepdims=True)

    sender = receiver


@pytest.mark.nans
@pytest.mark.parametrize("implementation", ["definition", "fused"])
def test_a_row_that_nobody_hears_has_gradient_zero_through_a_map_of_nodes(implementation):
    query, key, value = nodes(LIST)
    key = key.at[3].set(jnp.nan)

    def loss(key):
        score = Cosine()
        return (tgnn.attend(LIST, query, key, value, score=score, implementation=implementation) ** 2).sum()

    gradient = jax.jit(jax.grad(loss))(key)
    assert jnp.isfinite(gradient).all() and (gradient[3] == 0).all() and (gradient[1] != 0).any()


def test_chunks_of_half_precision_promote_nothing_by_themselves():
    """Promotions raise where they are traced."""
    with jax.numpy_dtype_promotion("strict"):
        run = lambda *x: tgnn.attend(LIST, *x, implementation="fused").astype("float32").sum()  # noqa: E731
        slopes = jax.eval_shape(jax.grad(run, (0, 1, 2)), *nodes(LIST, dtype="bfloat16"))
    assert {x.dtype for x in slopes} == {jnp.dtype("bfloat16")}


def test_vectors_of_no_dimension_have_a_scale():
    found = tgnn.attend(tgnn.Complete(2), jnp.zeros((2, 1, 0)), jnp.zeros((2, 1, 0)), jnp.ones((2, 1, 3)))
    np.testing.assert_array_equal(found, 1)


def test_pairs_and_slots_know_the_mask():
    assert LIST.pairs()[0].tolist() == [0, 2, 1] and LIST.slots()[2].tolist() == LIVE.tolist()
    assert LIST.locate([0, 1], [0, 0])[0].tolist() == [0, -1]


def test_an_edge_that_stands_twice_is_no_entry_of_a_mask():
    twice = tgnn.EdgeList.from_edges([0, 1, 0], [1, 1, 1], n_receivers=2)
    for make in (lambda: check_simple(twice, "Dense"), lambda: tgnn.Dense.from_edges([0, 0], [1, 1], n_receivers=2)):
        with pytest.raises(ValueError, match="edge 0 -> 1 stands 2 times"):
            make()


def test_slots_that_are_added_to_a_list_are_dead():
    longer = tgnn.EdgeList(jnp.array([1, 0]), jnp.array([0, 1]), 2, 2).pad_slots(5)
    assert longer.n_edge == 5 and tgnn.degrees(longer).tolist() == [1, 1]


MASK = np.array([[True, False, True], [False, False, False]])
FORMS = {
    "dense": tgnn.Dense(jnp.asarray(MASK)),
    "complete": tgnn.Complete(2, 3).with_segments(np.array([-1, 0]), np.array([-1, 0, 0])),
    "causal": tgnn.Causal(3, n_senders=4, offset=1).with_segments(np.array([0, 1, -1]), np.array([0, 0, 1, -1])),
    "window": tgnn.Window(5, 1, 0).with_segments(np.array([0, 0, 1, -1, -1])),
    "blocks": tgnn.Blocks(jnp.array([0]), jnp.array([0]), jnp.ones((1, 4, 4), bool).at[0, 1].set(False), 2, 3),
    "neighbors": tgnn.Neighbors(
        jnp.array([[0, 3, -1], [2, 1, 9], [3, 0, 1]]),
        3,
        jnp.array([[True] * 3, [True, False, True], [True, False, False]]),
    ),
}
DEGREES = {
    "dense": [2, 0],
    "complete": [0, 2],
    "causal": [2, 1, 0],
    "window": [1, 2, 1, 0, 0],
    "blocks": [3, 0],
    "neighbors": [1, 1, 0],
}


@pytest.mark.parametrize("name", FORMS)
def test_verbs_count_live_edges_alone(name):
    """Weights of one on every slot, as no softmax gives them."""

    @jax.jit
    def verbs(layout):
        weights, value = jnp.ones((*layout.edge_shape, 1)), jnp.ones((layout.n_senders, 1, 1))
        return (
            layout.aggregate(weights, value).ravel(),
            layout.reduce(jnp.ones(layout.edge_shape)),
            tgnn.degrees(layout),
        )

    layout = FORMS[name]
    for found in verbs(layout):
        np.testing.assert_array_equal(found, DEGREES[name])
    assert len(layout.pairs()[0]) == sum(DEGREES[name])


@pytest.mark.nans
@pytest.mark.parametrize("name", FORMS)
def test_no_contraction_reads_rows_without_a_live_edge(name):
    """The verbs by themselves, on NaN: for a matrix product 0 * NaN would be in every sum."""
    layout = FORMS[name]
    heard = np.bincount(layout.pairs()[0], minlength=layout.n_senders) > 0
    hears = np.array(DEGREES[name]) > 0

    def loss(query, value):
        scores = layout.score(query, value)
        output = layout.aggregate(layout.normalize(layout.zero_dead_edges(scores)), value)
        seen = layout.from_receivers(query).sum() + layout.from_senders(value).sum()
        return output[0].sum() + layout.reduce(scores)[0].sum(), (output, seen)

    @jax.jit
    def run():
        value = jnp.where(jnp.asarray(heard)[:, None, None], 1.0, jnp.nan) * jnp.ones((layout.n_senders, 1, 1))
        query = jnp.where(jnp.asarray(hears)[:, None, None], 1.0, jnp.nan) * jnp.ones((layout.n_receivers, 1, 1))
        return jax.grad(loss, (0, 1), has_aux=True)(query, value)

    gradients, (output, seen) = run()
    np.testing.assert_allclose(output.ravel(), np.where(hears, 1.0, 0.0), rtol=1e-6)
    assert jnp.isfinite(seen) and all(jnp.isfinite(gradient).all() for gradient in gradients)


def test_pairs_out_of_range_are_located_nowhere():
    for layout in (tgnn.Complete(2, 3), tgnn.Window(4, 1, 1), FORMS["blocks"], FORMS["dense"], LIST):
        n, m = layout.n_receivers, layout.n_senders
        for slot in layout.locate([0, m, -1], [n, 0, 0]):
            assert slot.tolist() == [-1, -1, -1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tgnn.EdgeList(jnp.array([0, 1]), jnp.array([0]), 2, 2), "must have one shape"),
        (
            lambda: tgnn.Neighbors.from_edges([0, 1], [0, 0], n_receivers=2, pad_to=1),
            "pad_to is 1, but receiver 0 has 2",
        ),
        (
            lambda: tgnn.Blocks.from_edges([0, 3], [0, 3], 2, n_receivers=4, pad_to=1),
            "pad_to is 1, but the edges fill 2",
        ),
        (lambda: jax.jit(lambda layout: layout.pairs())(LIST), "are traced, but they are needed on the host"),
        (lambda: tgnn.self_loops(tgnn.Complete(2, 3)), "nodes"),
        (lambda: attend_of(rows=3), "query has 3 rows, but the layout has 2 receivers"),
        (lambda: attend_of(heads=3, key_heads=2), "query has 3 heads, which is no multiple of the 2 heads of key"),
        (lambda: attend_of(rng=jax.random.split(jax.random.key(0), 2), dropout_rate=0.5), "rng must be one PRNG key"),
    ],
)
def test_what_does_not_fit_is_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def attend_of(rows=2, heads=1, key_heads=1, **kwargs):
    sender = jnp.ones((2, key_heads, 2))
    return tgnn.attend(tgnn.Complete(2), jnp.ones((rows, heads, 2)), sender, sender, **kwargs)


def test_merged_features_of_half_precision_are_added_in_float32():
    edges = np.zeros(3000, int), np.ones(3000, int)
    _, merged = tgnn.coalesce(tgnn.EdgeList.from_edges(*edges, n_receivers=2), np.ones(3000, np.float16))
    assert merged[0] == 3000 and merged.dtype == np.float16
