"""Trains one model from one seed until its validation scores stop improving; under vmap, many seeds at once."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from experiments.citation.config import Recipe
from experiments.citation.data import Task
from experiments.citation.models import Model
from experiments.citation.stopping import Selection, begin, select
from tgnn.train.losses import accuracy, cross_entropy


class State(NamedTuple):
    """What an epoch carries on to the next."""

    epoch: jax.Array
    params: Any
    opt_state: Any
    best: Selection


def make_optimizer(recipe: Recipe) -> optax.GradientTransformation:
    """Adam on the loss with its L2 term, whose gradient is l2 times the parameters (this is not AdamW)."""

    def decayed(params):
        return jax.tree_util.tree_map_with_path(
            lambda path, _: not recipe.l2_first_kernels_only or (path[0].idx == 0 and path[-1].key == "kernel"), params
        )

    return optax.chain(optax.add_decayed_weights(recipe.l2, mask=decayed), optax.adam(recipe.learning_rate))


def fit(rng: jax.Array, task: Task, model: Model, recipe: Recipe, max_epochs: int | None = None) -> State:
    """Trains until patience is over; `best.params` of the result are those to use. The task holds no test label."""
    optimizer = make_optimizer(recipe)
    num_epochs = min(recipe.num_epochs, max_epochs or recipe.num_epochs)
    init_rng, run_rng = jax.random.split(rng)

    def loss(params, rng):
        return cross_entropy(model.apply(params, task.layout, task.words, rng=rng), task.train_labels)

    def epoch(state: State) -> State:
        gradient = jax.grad(loss)(state.params, jax.random.fold_in(run_rng, state.epoch))
        updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        logits = model.apply(params, task.layout, task.words)
        scores = (measure(logits, task.validation_labels) for measure in (cross_entropy, accuracy))
        done = state.epoch + 1
        return State(done, params, opt_state, select(recipe.stop, state.best, params, done, *scores))

    def goes_on(state: State) -> jax.Array:
        return (state.epoch < num_epochs) & (state.best.waited < recipe.patience)

    params = model.init(init_rng)
    return jax.lax.while_loop(goes_on, epoch, State(jnp.int32(0), params, optimizer.init(params), begin(params)))
