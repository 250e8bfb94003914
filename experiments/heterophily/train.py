"""Trains one network on one split; under vmap, on many. A block of steps is one program: nothing comes back between."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from experiments.heterophily.config import Config
from experiments.heterophily.data import Split, Task
from experiments.heterophily.models import Network
from tgnn.metrics import roc_auc
from tgnn.train.losses import accuracy, binary_cross_entropy, cross_entropy
from tgnn.typing import Array


class Best(NamedTuple):
    """The step of the highest validation score, the first of equal ones."""

    validation: Array
    test: Array
    step: Array  # counted from 1


class State(NamedTuple):
    """What a step hands on to the next."""

    params: Any
    opt_state: Any
    best: Best
    step: Array  # that are done


class Seen(NamedTuple):
    """What a look sees."""

    loss: Array
    validation: Array


def begin(rng: Array, network: Network, config: Config) -> State:
    """Before the first step."""
    params = network.init(rng)
    nothing = jnp.float32(-1.0), jnp.float32(0.0), jnp.int32(0)
    return State(params, make_optimizer(config).init(params), Best(*nothing), jnp.int32(0))


def make_optimizer(config: Config) -> optax.GradientTransformation:
    """The source's AdamW decays nothing by default, which is Adam."""
    return optax.adam(config.learning_rate)


def advance(network: Network, config: Config, steps: int) -> Callable[..., tuple[State, Seen]]:
    """A function (state, rng, split, task) -> (state, what was seen): `steps` steps, with looks on the way."""
    optimizer = make_optimizer(config)

    def loss(params, rng, split: Split, task: Task) -> Array:
        logits = network.apply(params, task, rng)
        if logits.shape[1] == 1:
            return binary_cross_entropy(logits[:, 0], task.labels == 1, split.train)
        return cross_entropy(logits, task.labels, split.train)

    def run(state: State, rng: Array, split: Split, task: Task) -> tuple[State, Seen]:
        def step(state: State, _) -> tuple[State, Array]:
            key = jax.random.fold_in(rng, state.step)
            value, gradient = jax.value_and_grad(loss)(state.params, key, split, task)
            updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
            return State(optax.apply_updates(state.params, updates), opt_state, state.best, state.step + 1), value

        def look(state: State, _) -> tuple[State, Seen]:
            state, losses = jax.lax.scan(step, state, length=config.evaluate_every)
            best, validation = select(state, network.apply(state.params, task), split, task)
            return state._replace(best=best), Seen(losses[-1], validation)

        return jax.lax.scan(look, state, length=steps // config.evaluate_every)

    return run


def select(state: State, logits: Array, split: Split, task: Task) -> tuple[Best, Array]:
    """The best step so far, as validation says, and this step's score on validation."""
    validation, test = (score(logits, task.labels, mask) for mask in (split.validation, split.test))
    new = Best(validation, test, state.step)
    return jax.tree.map(lambda a, b: jnp.where(validation > state.best.validation, a, b), new, state.best), validation


def score(logits: Array, labels: Array, mask: Array) -> Array:
    """ROC AUC of one number for each node, accuracy of more."""
    return roc_auc(logits[:, 0], labels, mask) if logits.shape[1] == 1 else accuracy(logits, labels, mask)
