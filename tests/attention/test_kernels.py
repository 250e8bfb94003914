"""Kernels as scores: the definition against float64, what they refuse, and how well random features do."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tgnn
from tests.support.calls import attend, attention_weights, close, inputs
from tests.support.kernels import KERNELS, oracle
from tests.support.layouts import LAYOUTS
from tgnn.attention.call import prepare
from tgnn.attention.fused.executions import choose, walk
from tgnn.attention.kernels import EluPlusOne, FeatureMap, Kernel, RandomFeatures, ReluFeatures, random_projection


@pytest.mark.parametrize(
    "kernel", [x if x == "relu features" else pytest.param(x, marks=pytest.mark.slow) for x in KERNELS]
)
@pytest.mark.parametrize(
    "name", ["edges padded", *(pytest.param(x, marks=pytest.mark.slow) for x in ("window", "blocks"))]
)
def test_the_definition_is_the_kernel_on_every_edge(name, kernel):
    score, phi = KERNELS[kernel]
    operands = inputs(LAYOUTS[name])
    expected, _ = oracle(name, phi, *operands)
    for implementation in ("definition", None):
        close(attend(LAYOUTS[name], *operands, score=score, implementation=implementation), expected, 1e-5)


def test_elu_keeps_the_digits_of_small_features():
    x = jnp.full((1, 1, 1), -30.0)
    assert EluPlusOne().features(x).item() == -30.0  # elu(x) + 1 is 0 in float32


def test_weights_are_those_of_the_kernel_and_chosen_ones_too():
    layout, (score, phi) = LAYOUTS["causal segments"], KERNELS["random features"]
    query, key, _ = inputs(layout)
    weights = attention_weights(layout, query, key, score=score)
    eye = np.eye(layout.n_senders)[:, None].repeat(2, 1)
    close(jnp.moveaxis(weights, 1, 2), oracle("causal segments", phi, query, key, eye)[0], 1e-6)
    places = tuple(np.array(x) for x in ([0, 4, 12], [1, 3, 10], [0, 3, 2]))
    chosen = tgnn.attention_weights(layout, query, key, score=score, at=places)
    np.testing.assert_allclose(chosen, weights[places], rtol=1e-5)


def call_of(layout, score, **options):
    query, key, value = inputs(layout, 2, 2)
    return partial(tgnn.attend, layout, query, key, value, score=score, **options)


def test_what_a_sum_over_nodes_cannot_carry_is_left_to_the_definition():
    layout, score = tgnn.Causal(13), KERNELS["sigmoid"][0]
    bias = -0.5 * np.abs(np.subtract.outer(np.arange(13), np.arange(13)))[..., None].astype("f4")
    cases = {
        "bias": {"bias": jnp.asarray(bias)},
        "edge_value": {"edge_value": jnp.ones((13, 13, 2, 3))},
        "drop": {"dropout_rate": 0.5, "rng": jax.random.key(0)},
        "power": {"scale": 0.5},
        "scale": {"scale": jnp.ones(2)},
    }
    for word, options in cases.items():
        run = call_of(layout, score, **options)
        listed = call_of(layout.to_edges(), score, **(options | arrange(layout, options)))
        close(run(), listed(), 1e-5)
        assert word in refusal_of(layout, score, options)


def arrange(layout, options):
    """Per-edge arrays of a causal graph, as its edge list has them."""
    i, j = np.nonzero(np.tri(13, dtype=bool))
    return {name: options[name][i, j] for name in ("bias", "edge_value") if name in options}


def refusal_of(layout, score, options):
    names = "bias", "scale", "edges", "edge_value", "dropout_rate", "rng"
    given = [options.get(name, 0.0 if name == "dropout_rate" else None) for name in names]
    call = prepare(layout, *inputs(layout, 2, 2), score, *given, (0, 0, 0))
    first, refusal = next(walk(call))
    assert first.name == "sums of features" and choose(call) is not first
    return refusal


def test_bad_kernels_are_refused():
    layout = tgnn.Complete(13)
    with pytest.raises(ValueError, match="phi of FeatureMap must not be negative"):
        call_of(layout, FeatureMap(jnp.tanh))()
    with pytest.raises(ValueError, match=r"receiver of FeatureMap must give \[13, 2, features\].*got \(13, 10\)"):
        call_of(layout, FeatureMap(lambda x: jnp.exp(x).reshape(len(x), -1)))()
    with pytest.raises(
        ValueError, match=r"projection must have shape \[features, 5\] or \[2, features, 5\], got \(7, 4\)"
    ):
        call_of(layout, RandomFeatures(jnp.zeros((7, 4))))()
    with pytest.raises(ValueError, match=r"projection must have shape .* got \(3, 7, 5\)"):
        call_of(layout, ReluFeatures(jnp.zeros((3, 7, 5))))()
    with pytest.raises(ValueError, match="edges are given, but Sigmoid is a kernel of nodes"):
        call_of(layout, KERNELS["sigmoid"][0], edges=jnp.ones((13, 13, 2)))()
    with pytest.raises(ValueError, match="receiver of Uneven gives 1 features, but sender gives 5"):
        call_of(layout, Uneven())()
    with pytest.raises(ValueError, match="num_features must be an integer of at least 1, got 0"):
        random_projection(jax.random.key(0), 4, 0)
    with pytest.raises(ValueError, match="sums of features: it takes kernels"):
        tgnn.attend(tgnn.Dense(jnp.ones((1, 1), bool)), *jnp.ones((3, 1, 1, 0)), implementation="fused")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Uneven(Kernel):
    """Fewer features of receivers than of senders."""

    def receiver(self, query):
        return query[..., :1]

    def sender(self, key):
        return key


@pytest.mark.nans
def test_a_negative_feature_that_no_probe_met_is_loud():
    shifted = FeatureMap(lambda x: x + 1e4)
    x = jnp.ones((3, 1, 1)).at[0].set(-2e4)
    assert jnp.isnan(tgnn.attend(tgnn.Causal(3), x, x, x, score=shifted)).all()


def test_rows_of_projections_are_normal_and_orthogonal_in_blocks():
    drawn = np.asarray(jax.vmap(lambda rng: random_projection(rng, 8, 12))(jax.random.split(jax.random.key(0), 500)))
    products = np.einsum("sid,sjd->sij", drawn, drawn)
    within = products[:, :8, :8] * (1 - np.eye(8))
    assert abs(within).max() < 1e-4 and abs(products[:, 0, 8:]).max() > 1
    assert abs(drawn.mean()) < 0.02 and abs(drawn.var() - 1) < 0.03
    assert random_projection(jax.random.key(0), 8).shape == (17, 8)
    plain = np.asarray(random_projection(jax.random.key(0), 8, 12, orthogonal=False))
    assert abs((plain @ plain.T)[0, 1:8]).max() > 0.1


@pytest.mark.slow
def test_the_error_of_random_features_falls_as_their_root():
    """Against softmax attention; the exponent is fitted from 64 features to 2,048."""
    rng = np.random.default_rng(0)
    query, key, value = (jnp.asarray(0.3 * rng.normal(size=(64, 1, 16)), jnp.float32) for _ in range(3))
    layout = tgnn.Complete(64)
    exact = tgnn.attend(layout, query, key, value)
    counts = 2 ** np.arange(6, 12)

    @partial(jax.jit, static_argnums=(0, 1))
    def error(count, orthogonal):
        def estimate(rng):
            score = RandomFeatures(random_projection(rng, 16, count, orthogonal=orthogonal))
            return tgnn.attend(layout, query, key, value, score=score)

        found = jax.lax.map(estimate, jax.random.split(jax.random.key(1), 64))
        return jnp.sqrt(((found - exact[None]) ** 2).mean())

    errors = {x: [float(error(int(count), x)) for count in counts] for x in (False, True)}
    slopes = {x: np.polyfit(np.log(counts), np.log(found), 1)[0] for x, found in errors.items()}
    print(slopes, errors)
    assert all(-0.6 < slope < -0.4 for slope in slopes.values()), slopes
