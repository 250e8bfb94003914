"""Half precision inside of the loss only."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tgnn.train.precision import cast, computed_in
from tgnn.train.step import init_state, make_step


@pytest.mark.parametrize("remat", [False, True])
def test_weights_stay_wide_and_the_network_runs_narrow(remat):
    seen = []

    def loss(params, batch, rng):
        seen.append((params["w"].dtype, batch["x"].dtype, batch["label"].dtype))
        return ((batch["x"] @ params["w"] - batch["label"]) ** 2).mean(), {}

    params = {"w": jnp.asarray(np.random.default_rng(0).normal(size=5), jnp.float32)}
    batch = {"x": jnp.ones((4, 5)), "label": jnp.arange(4)}
    optimizer = optax.sgd(0.01)
    step = make_step(computed_in(jnp.bfloat16, loss, remat=remat), optimizer)
    state, metrics = step(init_state(jax.random.key(0), params, optimizer), batch)
    assert set(seen) == {tuple(map(jnp.dtype, (jnp.bfloat16, jnp.bfloat16, jnp.int32)))}
    assert state.params["w"].dtype == metrics["loss"].dtype == jnp.float32
    exact = jax.grad(lambda w: loss({"w": w}, batch, None)[0])(params["w"])
    np.testing.assert_allclose(state.params["w"], params["w"] - 0.01 * exact, rtol=2e-2)


def test_keys_and_integers_are_left_alone():
    tree = {"rng": jax.random.key(0), "index": jnp.arange(3), "mask": jnp.ones(2, bool), "x": jnp.ones(2)}
    found = cast(tree, jnp.float16)
    assert found["x"].dtype == jnp.float16
    assert all(found[name].dtype == tree[name].dtype for name in ("rng", "index", "mask"))
