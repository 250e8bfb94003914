import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from optax import contrib

from tests.support.training import LABELS, OPTIMIZER, STEP, X, batch_at, init_params, loss_fn, new_state
from tgnn.train import losses, schedules
from tgnn.train.guard import check_finite, not_finite, part_names
from tgnn.training import init_state, make_carrying_step, make_optimizer, make_step


@pytest.mark.nans
def test_batches_with_a_gradient_that_is_not_finite_are_skipped_for_ever_and_counted():
    optimizer = optax.sgd(0.1)
    step = make_step(lambda params, batch, rng: (jnp.mean(batch[0] @ params["hidden"]), {}), optimizer)
    state = init_state(jax.random.key(0), init_params(), optimizer)
    for count, poison in enumerate([np.nan, np.inf, -np.inf] * 3, start=1):  # longer than any patience
        x, labels = batch_at(count)
        x[1, 2] = poison
        state, metrics = step(state, (x, labels))
        assert metrics["skipped"] == count
    chex.assert_trees_all_equal(state.params, init_params())
    assert int(state.step) == 9
    state, metrics = step(state, batch_at(0))
    assert metrics["skipped"] == 9
    assert not np.array_equal(state.params["hidden"], init_params()["hidden"])


@pytest.mark.nans
def test_a_loss_that_is_not_finite_changes_neither_weights_nor_moments():
    # a constant NaN added to the loss leaves its gradient finite
    step = make_step(lambda params, batch, rng: (params["out"].sum() + jnp.nan, {}), OPTIMIZER)
    state = new_state()
    before = jax.tree.map(np.array, (state.params, state.opt_state))
    state, _ = step(state, batch_at(0))
    chex.assert_trees_all_equal((state.params, state.opt_state), before)
    assert int(state.skipped) == 1 and int(state.step) == 1


def test_a_batch_without_live_labels_changes_no_weight_of_plain_gradient_descent():
    optimizer = optax.sgd(1.0)
    state, metrics = make_step(loss_fn, optimizer)(new_state(optimizer), (X[:4], np.full(4, -1)))
    assert metrics["loss"] == 0 and metrics["gradient_norm"] == 0 and metrics["skipped"] == 0
    chex.assert_trees_all_equal(state.params, init_params())


def test_rng_differs_in_every_step_and_repeats_in_a_second_run():
    optimizer = optax.sgd(0.0)
    step = make_step(lambda params, batch, rng: (params["hidden"].sum(), {"draw": jax.random.bits(rng)}), optimizer)

    def draws():
        state, values = new_state(optimizer), []
        for _ in range(5):
            state, metrics = step(state, None)
            values.append(int(metrics["draw"]))
        return values

    assert len(set(draws())) == 5
    assert draws() == draws()


@pytest.mark.nans  # JAX_DEBUG_NANS switches donation off, to be able to run a step again
def test_the_state_is_donated_and_the_callers_own_arrays_survive():
    params, rng = init_params(), jax.random.key(7)
    state = init_state(rng, params, OPTIMIZER)
    new, _ = STEP(state, batch_at(0))
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves((state.params, state.opt_state, state.step)))
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves((params, rng, new)))
    chex.assert_trees_all_equal(params, init_params())
    jax.random.bits(rng)


def test_gradient_norm_is_reported_before_clipping_and_wide():
    optimizer = make_optimizer(1.0, clip_norm=0.5, b1=0.0, b2=0.0, eps=1e8)  # eps makes Adam a scaled plain step
    slope = jnp.array([3.0, 4.0])
    step = make_step(lambda params, batch, rng: (params @ slope, {}), optimizer)
    state, metrics = step(init_state(jax.random.key(0), jnp.zeros(2), optimizer), None)
    assert metrics["gradient_norm"] == 5
    np.testing.assert_allclose(state.params * 1e8, -slope / 10, rtol=1e-5)
    optimizer = make_optimizer(1.0, clip_norm=None)
    step = make_step(lambda params, batch, rng: (params.sum(), {}), optimizer)
    _, metrics = step(init_state(jax.random.key(0), jnp.zeros(2**18, jnp.bfloat16), optimizer), None)
    assert metrics["gradient_norm"] == 512 and metrics["gradient_norm"].dtype == jnp.float32


def test_weight_decay_obeys_its_mask():
    optimizer = make_optimizer(0.1, weight_decay=0.5, decay_mask=lambda params: {"kernel": True, "bias": False})
    params = {"kernel": jnp.ones(3), "bias": jnp.ones(3)}
    step = make_step(lambda params, batch, rng: (0.0 * params["kernel"].sum(), {}), optimizer)
    state, _ = step(init_state(jax.random.key(0), params, optimizer), None)
    np.testing.assert_allclose(state.params["kernel"], 0.95, rtol=1e-6)
    np.testing.assert_array_equal(state.params["bias"], 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: init_state(0, init_params(), OPTIMIZER), "rng must be a typed key"),
        (lambda: init_state(jax.random.PRNGKey(0), init_params(), OPTIMIZER), "rng must be a typed key"),
        (lambda: make_optimizer(0.1, clip_norm=0.0), "clip_norm"),
        (lambda: make_optimizer(0.1, weight_decay=-1.0), "weight_decay"),
        (lambda: make_optimizer(-0.1), "learning_rate"),
        (lambda: make_optimizer(float("nan")), "learning_rate"),
        (
            lambda: make_step(loss_fn, OPTIMIZER, weight_fn=lambda _: 1.0)(new_state(), (X[:2], LABELS[:3])),
            "must be stacks of parts",
        ),
    ],
)
def test_bad_arguments_are_a_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def square_loss(params, batch, rng):
    return jnp.sum(jnp.square(params["a"] - batch)), {}


ALIASING = [contrib.prodigy(), contrib.dog(), contrib.dowg(), contrib.cocob(), contrib.mechanize(optax.sgd(0.1))]
WITH_ARGUMENTS = [
    optax.lbfgs(),
    optax.polyak_sgd(),
    optax.chain(optax.adam(0.1), contrib.reduce_on_plateau()),
    optax.chain(optax.sgd(1.0), optax.scale_by_backtracking_linesearch(8)),
]


@pytest.mark.parametrize("optimizer", ALIASING + WITH_ARGUMENTS)
def test_every_optimizer_takes_steps_with_one_program(optimizer):
    step = make_step(square_loss, optimizer)
    state, losses = init_state(jax.random.key(0), {"a": jnp.zeros(3)}, optimizer), []
    for _ in range(4):
        state, metrics = step(state, jnp.ones(3))
        losses.append(float(metrics["loss"]))
    assert losses[-1] < losses[0] == 3 and metrics["skipped"] == 0
    assert step._cache_size() == 1


def test_polyaks_step_is_the_loss_over_the_squared_gradient():
    optimizer = optax.polyak_sgd(max_learning_rate=10.0)
    state, _ = make_step(square_loss, optimizer)(init_state(jax.random.key(0), {"a": jnp.zeros(3)}, optimizer), 1.0)
    np.testing.assert_allclose(state.params["a"], 3 / 12 * 2, rtol=1e-6)  # loss 3, gradient -2 in each of 3


@pytest.mark.nans
def test_a_finite_loss_with_an_infinite_gradient_writes_nothing():
    # sqrt has the value 0 and the slope infinity at 0
    step = make_step(lambda params, batch, rng: (jnp.sum(jnp.sqrt(params["a"])), {}), optax.sgd(0.1))
    state, metrics = step(init_state(jax.random.key(0), {"a": jnp.zeros(3)}, optax.sgd(0.1)), None)
    assert metrics["loss"] == 0 and metrics["skipped"] == 1
    np.testing.assert_array_equal(state.params["a"], 0)
    assert bad_parts(state, metrics) == ["the gradient of ['a']", "the new ['a']"]


@pytest.mark.nans
def test_finite_gradients_that_overflow_the_weights_write_nothing():
    optimizer = optax.sgd(1e30)
    step = make_step(lambda params, batch, rng: (1e10 * params["a"].sum(), {}), optimizer)
    state, metrics = step(init_state(jax.random.key(0), {"a": jnp.ones(3), "b": jnp.ones(2)}, optimizer), None)
    assert metrics["skipped"] == 1 and bad_parts(state, metrics) == ["the new ['a']"]
    np.testing.assert_array_equal(state.params["a"], 1)


@pytest.mark.nans
def test_a_moment_that_overflows_its_dtype_writes_nothing():
    # the gradient and its norm in float32 are finite, but its square is no float16, and the update would be 0 for ever
    optimizer = optax.adam(0.1)
    step = make_step(lambda params, batch, rng: (jnp.sum(params["a"] * batch), {}), optimizer)
    state = init_state(jax.random.key(0), {"a": jnp.zeros(3, jnp.float16)}, optimizer)
    state, metrics = step(state, jnp.full(3, 3e4, jnp.float16))
    assert metrics["skipped"] == 1 and bad_parts(state, metrics) == ["the optimizer's [0].nu['a']"]
    state, metrics = step(state, jnp.ones(3, jnp.float16))
    assert metrics["skipped"] == 1 and np.all(state.params["a"] < 0)


def test_the_infinities_that_optimizers_begin_with_may_stay():
    before = {"best": jnp.float32(jnp.inf), "moment": jnp.zeros(2), "count": jnp.int32(0)}
    for number, sound in [(1.0, True), (jnp.inf, True), (jnp.nan, False)]:
        after = before | {"best": jnp.float32(number)}
        found = not_finite(jnp.float32(0), [], ({}, after, ()), ({}, before, ()))
        assert (not found.any()) == sound


def test_what_was_infinite_before_a_step_may_stay_so():
    """Such as the maximum of what no batch has brought yet."""
    before = {"largest": jnp.array([-jnp.inf, 1.0])}
    for largest, sound in [([-jnp.inf, 2.0], True), ([-jnp.inf, jnp.inf], False)]:
        found = not_finite(jnp.float32(0), [], ({}, (), {"largest": jnp.array(largest)}), ({}, (), before))
        assert (not found.any()) == sound


def test_loops_of_their_own_can_ask_whether_all_is_finite():
    check_finite("the weights", {"a": jnp.ones(2), "b": jnp.arange(3), "rng": jax.random.key(0)})
    with pytest.raises(ValueError, match=r"the weights \['b'\] are not finite"):
        check_finite("the weights", {"a": jnp.ones(2), "b": jnp.array([jnp.inf, 0.0])})


def bad_parts(state, metrics):
    names = part_names(state.params, state.opt_state, state.carry)
    return [name for name, bad in zip(names, metrics["not_finite"], strict=True) if bad]


def decaying(params, carry, batch, rng):
    """A recurrent state that forgets half and adds the batch, and a loss on it."""
    carry = {"state": 0.5 * carry["state"] + batch, "largest": jnp.maximum(carry["largest"], batch)}
    return jnp.mean(jnp.square(params * carry["state"] - 1.0)), ({"seen": batch.sum()}, carry)


def carrying_state(optimizer):
    carry = {"state": jnp.zeros(2), "largest": jnp.full(2, -jnp.inf)}
    return init_state(jax.random.key(0), jnp.float32(0.5), optimizer, carry=carry)


@pytest.mark.nans
@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_a_dropped_step_keeps_the_old_carry(poison):
    optimizer = optax.sgd(0.1)
    step = make_carrying_step(decaying, optimizer)
    state, clean = carrying_state(optimizer), carrying_state(optimizer)
    for value in [1.0, poison, 2.0, poison, poison, 3.0]:
        state, metrics = step(state, jnp.array([value, 1.0]))
        if np.isfinite(value):
            clean, _ = step(clean, jnp.array([value, 1.0]))
        else:
            assert "the carry ['state']" in bad_parts(state, metrics)
    assert state.skipped == 3 and clean.skipped == 0
    chex.assert_trees_all_equal(state.carry, clean.carry)
    assert state.params == clean.params
    np.testing.assert_array_equal(state.carry["largest"], [3.0, 1.0])  # the -inf before the first batch may be there


@pytest.mark.nans
def test_a_carry_that_only_the_next_loss_would_see_is_guarded_too():
    def loss(params, carry, batch, rng):
        return jnp.square(params) + carry, ({}, batch)

    step = make_carrying_step(loss, optax.sgd(0.1))
    state = init_state(jax.random.key(0), jnp.float32(1.0), optax.sgd(0.1), carry=jnp.float32(0.0))
    for batch in [2.0, np.nan, 3.0]:
        state, _ = step(state, jnp.float32(batch))
    assert state.skipped == 1 and state.carry == 3


def test_no_gradient_flows_from_batch_to_batch_and_the_callers_carry_survives():
    optimizer = optax.sgd(0.0)
    given = jnp.ones(2)
    state = init_state(jax.random.key(0), jnp.ones(2), optimizer, carry=given)
    step = make_carrying_step(lambda p, carry, batch, rng: (jnp.sum(p * carry), ({}, carry * p)), optimizer)
    for _ in range(3):
        state, metrics = step(state, None)
        assert metrics["gradient_norm"] == pytest.approx(np.sqrt(2))
    np.testing.assert_array_equal(given, 1)


def parts_of(batch, n):
    return jax.tree.map(lambda x: np.reshape(x, (n, -1, *np.shape(x)[1:])), batch)


def without_dropout(params, batch, rng):
    logits = jnp.tanh(batch[0] @ params["hidden"]) @ params["out"]
    return losses.cross_entropy(logits, batch[1]), {"accuracy": losses.accuracy(logits, batch[1])}


SGD = optax.sgd(0.5)
WHOLE = make_step(without_dropout, SGD)
IN_PARTS = make_step(without_dropout, SGD, weight_fn=lambda part: jnp.sum(part[1] >= 0))


@pytest.mark.parametrize("live", [[4, 4, 4], [4, 1, 3], [0, 4, 2], [0, 0, 0]])
def test_a_batch_in_parts_gives_the_update_of_the_whole_however_its_labels_are_spread(live):
    labels = np.where(np.arange(4)[None] < np.array(live)[:, None], LABELS[:12].reshape(3, 4), -1)
    batch = X[:12], labels.reshape(-1)
    whole, expected = WHOLE(new_state(SGD), batch)
    summed, metrics = IN_PARTS(new_state(SGD), parts_of(batch, 3))
    chex.assert_trees_all_close(summed.params, whole.params, rtol=1e-6, atol=1e-7)
    for name in ["loss", "gradient_norm", "accuracy"]:
        np.testing.assert_allclose(metrics[name], expected[name], rtol=1e-6, atol=1e-7)


def test_parts_of_bfloat16_are_summed_in_float32():
    # each part's gradient is 1/512, which bfloat16 sums no longer take in once they have reached 1/2
    optimizer = optax.sgd(1.0)
    step = make_step(lambda p, batch, rng: (jnp.sum(p * batch), {}), optimizer, weight_fn=lambda part: 1.0)
    state = init_state(jax.random.key(0), jnp.zeros(2, jnp.bfloat16), optimizer)
    state, _ = step(state, jnp.ones((512, 2), jnp.bfloat16))
    np.testing.assert_array_equal(state.params, -1)


@pytest.mark.slow
def test_parts_carry_their_own_rows():
    optimizer = optax.sgd(0.1)
    whole, parts = carrying_state(optimizer), carrying_state(optimizer)
    parts = parts._replace(carry=parts_of(parts.carry, 2))
    all_at_once = make_carrying_step(decaying, optimizer)
    in_parts = make_carrying_step(decaying, optimizer, weight_fn=lambda part: part.size)
    for step in range(3):
        batch = jnp.array([1.0, 2.0]) + step
        whole, _ = all_at_once(whole, batch)
        parts, _ = in_parts(parts, batch[:, None])
    np.testing.assert_allclose(parts.params, whole.params, rtol=1e-6)
    np.testing.assert_array_equal(parts.carry["state"].reshape(-1), whole.carry["state"])


@pytest.mark.slow
def test_a_line_search_sees_the_loss_of_all_parts():
    optimizer = optax.lbfgs()
    batch = jnp.arange(6.0).reshape(3, 2)
    state = init_state(jax.random.key(0), {"a": jnp.zeros(2)}, optimizer)
    step = make_step(square_loss, optimizer, weight_fn=lambda part: 1.0)
    for _ in range(3):
        state, metrics = step(state, batch)
    np.testing.assert_allclose(state.params["a"], batch.mean(0), rtol=1e-5)


def test_a_state_is_shown_in_one_line():
    state = new_state()
    expected = "TrainState(step=0, skipped=0, params=<136 numbers>)"
    assert repr(state) == str(state) == expected
    assert pytest.importorskip("IPython.lib.pretty").pretty(state) == expected
    STEP(state, batch_at(0))
    assert repr(jax.eval_shape(new_state)) == expected.replace("=0", "=?")
    if state.step.is_deleted():  # under JAX_DEBUG_NANS nothing is donated
        assert repr(state) == expected.replace("=0", "=?")


@pytest.mark.slow
@pytest.mark.parametrize("weight_fn", [None, lambda part: 2])
def test_half_precision_trains_where_promotion_is_forbidden(weight_fn):
    with jax.numpy_dtype_promotion("strict"):
        state = init_state(jax.random.key(0), {"a": jnp.ones(3, jnp.float16)}, OPTIMIZER)
        step = make_step(square_loss, OPTIMIZER, weight_fn=weight_fn)
        state, metrics = step(state, jnp.zeros(3 if weight_fn is None else (2, 3), jnp.float16))
    assert state.params["a"].dtype == jnp.float16 and np.all(state.params["a"] < 1)
    assert metrics["gradient_norm"].dtype == jnp.float32
    assert schedules.warmup_cosine(1.0, 2, 4)(0) == 0.5


@pytest.mark.slow
def test_the_program_of_a_step_grows_like_the_number_of_its_arrays():
    """The guard's answer goes into the update of every array, and its reasons must not go with it."""

    def lines(count):
        params = {f"layer {i}": jnp.ones(i + 2) for i in range(count)}
        optimizer = optax.sgd(0.1)
        step = make_step(lambda params, batch, rng: (sum((x**2).sum() for x in params.values()), {}), optimizer)
        state = jax.eval_shape(lambda: init_state(jax.random.key(0), params, optimizer))
        return step.lower(state, jnp.float32(0)).compile().as_text().count("\n")

    assert lines(16) < 2 * lines(8)  # 2.5 times where every update asks every array itself


@pytest.mark.parametrize("found", [lambda loss: loss, lambda loss: (loss, 1.0), lambda loss: (loss, {}, {})])
def test_a_loss_without_metrics_is_told_what_to_return(found):
    optimizer = optax.sgd(0.1)
    step = make_step(lambda params, batch, rng: found(jnp.square(params)), optimizer)
    with pytest.raises(ValueError, match=r"loss_fn must return loss and a dict of metrics, got .*; return loss, \{\}"):
        step(init_state(jax.random.key(0), jnp.float32(1.0), optimizer), None)
