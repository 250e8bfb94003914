"""Orders of removal: against derivatives, against all that could be tried, and against what is known to matter."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tgnn import pretrained
from tgnn.pretrained import hard_concrete

WEIGHTS = jnp.array([0.5, 3.0, -2.0, 0.1, 0.0])  # of five heads in two layers
GATES = (jnp.ones(3), jnp.ones(2))


def missing(gates, example=1.0):
    """What is lost without some of the heads: each counts by itself."""
    return ((1 - jnp.concatenate(gates)) ** 2 * WEIGHTS**2).sum() * example


def linear(gates, example):
    return (jnp.concatenate(gates) * WEIGHTS).sum() * example


@pytest.mark.slow
def test_importance_is_the_mean_of_absolute_derivatives():
    examples = jnp.array([1.0, -2.0, 3.0])
    found = pretrained.head_importance(linear, GATES, examples, batch_size=2, normalize=False)
    np.testing.assert_allclose(jnp.concatenate(found), 2 * jnp.abs(WEIGHTS), rtol=1e-6)
    first, last = pretrained.head_importance(linear, GATES, examples)
    np.testing.assert_allclose(jnp.linalg.norm(first), 1, rtol=1e-6)
    np.testing.assert_allclose(last, [1, 0], atol=1e-6)
    assert pretrained.removal_order(found).tolist() == [4, 3, 0, 2, 1]
    unused = pretrained.head_importance(lambda gates, example: example, GATES, examples)
    assert all((x == 0).all() for x in unused)  # no NaN from the norm


def test_greedy_removal_takes_the_head_that_is_missed_least():
    assert pretrained.greedy_order(missing, GATES).tolist() == [4, 3, 0, 2, 1]
    assert pretrained.greedy_order(missing, GATES, num_remove=3, per_step=2).tolist() == [4, 3, 0]
    assert pretrained.greedy_order(missing, GATES, num_remove=0).tolist() == []


def test_greedy_removal_sees_that_two_heads_do_the_same():
    """Either may go, but not both: the gradient of neither tells."""
    redundant = lambda gates: (1 - jnp.clip(gates[0] + gates[1], 0, 1)) + 0.5 * (1 - gates[2])  # noqa: E731
    order = pretrained.greedy_order(redundant, jnp.ones(3))
    assert order.tolist() == [0, 2, 1]


@pytest.mark.slow
def test_learned_gates_close_in_the_order_of_what_is_missed():
    learned = pretrained.learn_gates(
        jax.random.key(0),
        missing,
        GATES,
        lambda step: 1.0,
        penalty=lambda step: 1e-2 * 1e3 ** (step / 300),
        num_steps=300,
    )
    assert learned.order[:3].tolist() in ([4, 3, 0], [3, 4, 0])
    assert learned.order[-1] == 1
    assert learned.num_open[0] == 5 and learned.num_open[-1] < 5


def test_gates_that_cost_nothing_stay_open_and_runs_repeat():
    runs = [pretrained.learn_gates(jax.random.key(1), missing, GATES, float, penalty=0.0, num_steps=3) for _ in "ab"]
    np.testing.assert_array_equal(*(run.log_alpha for run in runs))
    assert (runs[0].last_open == 2).all()


@pytest.mark.slow
def test_the_hard_concrete_distribution_is_that_of_the_paper():
    log_alpha = jnp.linspace(-2, 2, 5)
    drawn = hard_concrete.sample(jax.random.key(0), jnp.broadcast_to(log_alpha, (20_000, 5)))
    assert drawn.min() == 0 and drawn.max() == 1
    np.testing.assert_allclose((drawn > 0).mean(0), hard_concrete.open_probability(log_alpha), atol=0.02)
    np.testing.assert_allclose(hard_concrete.expected(log_alpha)[2], 0.5)
    slope = jax.grad(lambda x: hard_concrete.sample(jax.random.key(0), x).sum())(log_alpha)
    assert jnp.isfinite(slope).all()


def test_a_curve_closes_the_first_heads_of_an_order():
    curve = pretrained.pruning_curve(lambda gates: [x.tolist() for x in gates], GATES, [4, 0], [0, 1, 2])
    assert curve == [[[1, 1, 1], [1, 1]], [[1, 1, 1], [1, 0]], [[0, 1, 1], [1, 0]]]
    assert pretrained.heads_of(GATES, [4, 0]) == [(1, 1), (0, 0)]


def test_more_heads_than_there_are_cannot_go():
    with pytest.raises(ValueError, match="num_remove is 6, but there are 5 heads"):
        pretrained.greedy_order(missing, GATES, num_remove=6)
    with pytest.raises(ValueError, match="per_step"):
        pretrained.greedy_order(missing, GATES, per_step=0)
    with pytest.raises(ValueError, match="removed goes to 3, but the order has 2"):
        pretrained.pruning_curve(lambda gates: 0, GATES, [0, 1], [3])
    with pytest.raises(ValueError, match="removed must be an integer of at least 0, got -1"):
        pretrained.pruning_curve(lambda gates: 0, GATES, [0, 1], [-1])
    with pytest.raises(ValueError, match=r"order\[1\] is 5"):
        pretrained.pruning_curve(lambda gates: 0, GATES, [0, 5], [1])
    with pytest.raises(ValueError, match=r"order\[0\] is -1"):
        pretrained.heads_of(GATES, [-1])
    with pytest.raises(ValueError, match="num_steps must be an integer of at least 0, got -1"):
        pretrained.learn_gates(jax.random.key(0), missing, GATES, float, penalty=0.0, num_steps=-1)
