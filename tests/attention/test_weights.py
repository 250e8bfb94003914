"""attention_weights(..., at=places) is attention_weights(...)[places], from the statistics of the fused executions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.cases import Slopes
from tests.support.layouts import LAYOUTS
from tgnn.attention.fused import executions, weights
from tgnn.graphs.planned import Planned
from tgnn.planning.choose import Edges

HEADS, DIM = 4, 5
SOME = "edges padded", "causal segments", "window segments", "blocks padded"


@pytest.fixture
def always_fused(monkeypatch):
    for execution in executions.EXECUTIONS:
        monkeypatch.setattr(type(execution), "is_faster", lambda self, call: True)
    monkeypatch.setattr(weights, "from_statistics", counted := Counted(weights.from_statistics))
    return counted


class Counted:
    """How often a function was called."""

    def __init__(self, function):
        self.function, self.calls = function, 0

    def __call__(self, *arguments):
        self.calls += 1
        return self.function(*arguments)


def planned():
    listed = LAYOUTS["edges"]
    edges = Edges.of(listed)
    return Planned.of(tgnn.Dense.from_edges(*edges.pairs, **edges.sizes), listed)


def places_of(layout):
    """Every slot, and some that do not exist."""
    shape = (*layout.edge_shape, HEADS)
    every = np.stack(np.unravel_index(np.arange(np.prod(shape)), shape))
    return tuple(jnp.asarray(x) for x in every[:, ::3])


QUICK = [("edges padded", "per edge"), ("causal segments", "plain"), ("blocks padded", "gat")]
MORE = [(name, "plain") for name in (*LAYOUTS, "planned")]
MORE += [(name, case) for name in (*SOME, "planned") for case in ("gat", "callable", "per edge")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "case"), [*QUICK, *(pytest.param(*x, marks=pytest.mark.slow) for x in MORE if x not in QUICK)]
)
def test_chosen_weights_are_those_of_all(name, case, always_fused):
    layout = planned() if name == "planned" else LAYOUTS[name]
    rng = np.random.default_rng(3)
    normal = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)  # noqa: E731
    query, key = normal(layout.n_receivers, HEADS, DIM), normal(layout.n_senders, 2, DIM)
    options = {
        "plain": {},
        "gat": {"score": tgnn.Additive(normal(HEADS, DIM), normal(HEADS, DIM)), "scale": jnp.float32(0.7)},
        "callable": {"bias": Slopes(normal(HEADS), jnp.asarray(2))},
        "per edge": {"bias": normal(*layout.edge_shape, HEADS), "edges": normal(*layout.edge_shape, HEADS, DIM)},
    }[case]
    at = places_of(layout)

    @jax.jit
    def both(query, key):
        chosen = lambda *nodes: tgnn.attention_weights(layout, *nodes, **options, at=at)  # noqa: E731
        every = lambda *nodes: tgnn.attention_weights(layout, *nodes, **options)[at]  # noqa: E731
        return [
            (f(query, key), jax.grad(lambda *x, f=f: (f(*x) ** 2).sum(), (0, 1))(query, key)) for f in (chosen, every)
        ]

    got, expected = both(query, key)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    assert (always_fused.calls > 0) == (layout.stored.form not in ("table", "chunks"))


@pytest.mark.slow
def test_pairs_that_do_not_exist_weigh_nothing(always_fused):
    query = jnp.ones((13, 1, 2))
    weights = jax.jit(tgnn.attention_weights)
    at = jnp.array([2, -1, 13, 2]), jnp.array([7, 1, 1, 1]), jnp.array([0, 0, 0, 0])
    np.testing.assert_allclose(weights(tgnn.Causal(13), query, query, at=at), [0, 0, 0, 1 / 3], rtol=1e-6)
    edges = tgnn.EdgeList.from_edges([0, 1], [2, 2], n_receivers=13, pad_to=3)
    at = jnp.array([-1, 2, 3, 1]), jnp.array([0, 0, 0, 0])
    np.testing.assert_allclose(weights(edges, query, query, at=at), [0, 0, 0, 0.5], rtol=1e-6)


def test_a_few_weights_of_a_long_past_need_no_matrix():
    n = 2048
    layout, nodes = tgnn.Causal(n), jax.ShapeDtypeStruct((n, 2, 8), jnp.float32)
    at = tuple(jax.ShapeDtypeStruct((3,), jnp.int32) for _ in range(3))
    program = jax.jit(lambda q, k, at: tgnn.attention_weights(layout, q, k, at=at)).lower(nodes, nodes, at).compile()
    assert program.memory_analysis().temp_size_in_bytes < n * n


def test_wrong_number_of_index_arrays_is_an_error():
    x = jnp.ones((3, 1, 2))
    with pytest.raises(ValueError, match="at must be 3 index arrays"):
        tgnn.attention_weights(tgnn.Complete(3), x, x, at=(jnp.array([0]), jnp.array([0])))


@pytest.mark.slow
def test_large_logits_keep_their_digits(always_fused):
    layout = LAYOUTS["edges"]
    query, key = jnp.full((13, 1, 1), 3e3), jnp.linspace(3e3, 3e3 + 1, 11)[:, None, None]
    at = places_of(layout)
    at = at[0], jnp.zeros_like(at[1])
    got, every = jax.jit(lambda *x: (tgnn.attention_weights(*x, at=at), tgnn.attention_weights(*x)))(layout, query, key)
    np.testing.assert_allclose(got, every[at], rtol=1e-4, atol=1e-6)
