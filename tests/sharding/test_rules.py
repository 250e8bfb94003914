"""Parameters placed by rules on their paths, and a training step on eight devices that is the step on one."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType, PartitionSpec

import tgnn
from tests.support.collectives import run_on_devices
from tgnn import sharding
from tgnn.train.step import init_state, make_step

TREE = {"blocks": [{"kernel": np.ones((4, 2)), "bias": np.ones(2)}, {"kernel": np.ones((4, 2)), "bias": np.ones(2)}]}


def mesh_of(*shape, names=("data", "model")):
    return jax.make_mesh(shape, names, axis_types=(AxisType.Auto,) * len(shape))


def test_the_first_rule_found_in_a_path_places_an_array():
    rules = {"1/kernel": PartitionSpec("data"), "kernel$": PartitionSpec(None, "model")}
    found = jax.tree.map(lambda x: x.spec, sharding.shardings(TREE, mesh_of(1, 1), rules))
    first, second = found["blocks"]
    assert first == {"kernel": PartitionSpec(None, "model"), "bias": PartitionSpec()}
    assert second == {"kernel": PartitionSpec("data"), "bias": PartitionSpec()}


@pytest.mark.parametrize(
    "rules, message",
    [
        ({"weight": PartitionSpec("data")}, "'weight', which no path has"),
        ({"kernel": PartitionSpec(), "0/kernel": PartitionSpec("data")}, "'0/kernel', which no path has"),
        ({"bias": PartitionSpec(None, "model")}, r"blocks/0/bias has shape \(2,\), but its rule .* has 2 axes"),
        ({"bias": PartitionSpec("rows")}, "names 'rows', but the mesh has"),
    ],
)
def test_rules_that_do_not_fit_are_refused(rules, message):
    with pytest.raises(ValueError, match=message):
        sharding.shardings(TREE, mesh_of(1, 1), rules)


def check():
    """Two ways of data times four of the model, then one device; attention by heads inside of the step."""
    mesh = mesh_of(2, 4)
    with pytest.raises(ValueError, match="whose 2 is no multiple of the 4 devices"):
        sharding.shardings(TREE, mesh, {"bias": PartitionSpec("model")})
    rng = np.random.default_rng(0)
    params = {
        name: jnp.asarray(rng.normal(size=shape) * 0.3, jnp.float32)
        for name, shape in {"query": (8, 8, 4), "key": (8, 8, 4), "value": (8, 8, 4), "out": (8, 4, 8)}.items()
    }
    optimizer = optax.adam(0.01)

    def loss_of(attend):
        def loss(params, batch, rng):
            def one(x):
                nodes = (jnp.einsum("nd,dhe->nhe", x, params[name]) for name in ("query", "key", "value"))
                return jnp.einsum("nhe,hed->nd", attend(tgnn.Causal(12), *nodes), params["out"])

            return ((jax.vmap(one)(batch) - batch) ** 2).mean(), {}

        return loss

    def by_heads(*operands):
        return sharding.attend_heads(*operands, mesh=mesh, axis="model")

    batches = [jnp.asarray(rng.normal(size=(4, 12, 8)), jnp.float32) for _ in range(3)]
    rules = {"(query|key|value)$": PartitionSpec(None, "model"), "out$": PartitionSpec("model")}
    ends = []
    for attend, placed in ((tgnn.attend, False), (tgnn.attend, True), (by_heads, True)):
        state, step = init_state(jax.random.key(0), params, optimizer), make_step(loss_of(attend), optimizer)
        state = sharding.place(state, mesh, rules) if placed else state
        for batch in batches:
            state, metrics = step(state, sharding.place_batch(batch, mesh, "data") if placed else batch)
        ends.append((state.params, metrics["loss"]))
        np.testing.assert_array_equal(sharding.own_copy(metrics["loss"]), metrics["loss"])
        if placed:
            with pytest.raises(ValueError, match="split over devices.*place it without rules"):
                sharding.own_copy(state.params)
            assert state.params["query"].sharding.shard_shape((8, 8, 4)) == (8, 2, 4)
            assert jax.tree.leaves(state.opt_state)[2].sharding.shard_shape((8, 4, 8)) == (2, 4, 8)
    for found in ends[1:]:
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), found, ends[0])


@pytest.mark.slow
def test_a_step_on_eight_devices_is_the_step_on_one():
    run_on_devices("tests.sharding.test_rules")
