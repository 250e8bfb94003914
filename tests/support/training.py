"""A small run that the tests of training share: its weights, batches, loss, and step compiled once."""

import chex
import jax
import jax.numpy as jnp
import numpy as np

from tgnn.train import losses, schedules
from tgnn.training import batch_indices, init_state, make_optimizer, make_step

N, DIM, CLASSES = 13, 5, 3
DATA = np.random.default_rng(0)
X = DATA.normal(size=(N, DIM)).astype(np.float32)
LABELS = DATA.integers(0, CLASSES, N)


def init_params(seed=0):
    first, second = jax.random.split(jax.random.key(seed))
    return {"hidden": jax.random.normal(first, (DIM, 17)), "out": jax.random.normal(second, (17, CLASSES))}


def loss_fn(params, batch, rng):
    x, labels = batch
    hidden = jnp.tanh(x @ params["hidden"])
    keep = jax.random.bernoulli(rng, 0.8, hidden.shape)
    logits = jnp.where(keep, hidden / 0.8, 0) @ params["out"]
    return losses.cross_entropy(logits, labels), {"accuracy": losses.accuracy(logits, labels)}


def batch_at(step):
    indices = batch_indices(step, N, 4, seed=3)
    return X[indices], LABELS[indices]


OPTIMIZER = make_optimizer(schedules.warmup_cosine(1e-2, 4, 20), weight_decay=0.01)
STEP = make_step(loss_fn, OPTIMIZER)


def new_state(optimizer=OPTIMIZER, seed=7):
    return init_state(jax.random.key(seed), init_params(), optimizer)


def assert_same_state(got, expected):
    unwrap = lambda state: state._replace(rng=jax.random.key_data(state.rng))  # noqa: E731
    chex.assert_trees_all_equal(unwrap(got), unwrap(expected))
