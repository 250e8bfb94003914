"""`attention_on`: Flax's layers along the edges of a layout."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import tgnn
from tgnn.adapters import attention_fn, attention_on

LAYOUTS = {
    "window": tgnn.Window(7, 2, 1),
    "causal": tgnn.Causal(7),
    "edges": tgnn.EdgeList.from_edges([0, 3, 5, 2, 2], [1, 1, 2, 4, 6], n_receivers=7),
}
X = jax.random.normal(jax.random.key(0), (2, 7, 12))


def layer(attention, **options):
    return nnx.MultiHeadAttention(3, in_features=12, decode=False, attention_fn=attention, rngs=nnx.Rngs(0), **options)


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layer_on_a_layout_is_the_layer_with_its_adjacency_as_mask(name):
    layout = LAYOUTS[name]
    expected = layer(attention_fn)(X, mask=layout.adjacency()[None, None])
    np.testing.assert_allclose(layer(attention_on(layout))(X), expected, rtol=1e-5, atol=1e-6)


def test_linen_takes_it_too():
    from flax import linen

    attention = linen.MultiHeadDotProductAttention(3, attention_fn=attention_on(LAYOUTS["causal"]))
    params = attention.init(jax.random.key(0), X)
    theirs = linen.MultiHeadDotProductAttention(3)
    expected = theirs.apply(params, X, mask=linen.make_causal_mask(X[..., 0]))
    np.testing.assert_allclose(attention.apply(params, X), expected, rtol=1e-5, atol=1e-6)


def test_weights_are_sown_by_edge():
    model = layer(attention_on(LAYOUTS["edges"]))
    _, state = nnx.capture(nnx.Intermediate)(lambda model: model(X, sow_weights=True))(model)
    sown = jax.tree.leaves(state)[0]  # [batch, n_edge, heads]
    query, key = (part(X) for part in (model.query, model.key))
    expected = jax.vmap(tgnn.attention_weights, (None, 0, 0))(LAYOUTS["edges"], query, key)
    np.testing.assert_allclose(sown, expected, rtol=1e-5)


def test_dropout_takes_flaxs_key_and_is_the_same_for_examples_where_asked():
    query, one = jax.random.normal(jax.random.key(1), (2, 1, 7, 3, 4))
    query, value = jnp.concatenate([query, query]), jnp.concatenate([one, one])
    run, drop = attention_on(LAYOUTS["causal"]), {"dropout_rng": jax.random.PRNGKey(0), "dropout_rate": 0.5}
    same, other = run(query, query, value, **drop), run(query, query, value, broadcast_dropout=False, **drop)
    assert (same[0] == same[1]).all() and (other[0] != other[1]).any()
    assert (run(query, query, value, deterministic=True, **drop) == run(query, query, value)).all()
    with pytest.raises(ValueError, match="dropout_rng is None"):
        run(query, query, value, dropout_rate=0.5)


@pytest.mark.parametrize("options", [{"mask": jnp.ones((7, 7), bool)}, {"bias": jnp.ones((7, 7))}, {"is_causal": True}])
def test_what_the_layout_says_is_not_said_twice(options):
    query = jnp.ones((7, 3, 4))
    with pytest.raises(ValueError, match=f"{next(iter(options))} is given.*intersect the layout"):
        attention_on(tgnn.Causal(7))(query, query, query, **options)
    with pytest.raises(ValueError, match="query has 5"):
        attention_on(tgnn.Causal(7))(query[:5], query[:5], query[:5])
