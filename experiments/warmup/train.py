"""Trains one network as one program, whose learning rates are its argument: it serves all rates and starts."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.language.data import Excerpts, Text, windows
from experiments.warmup.config import Config, Start
from experiments.warmup.model import Model
from tgnn.train import schedules
from tgnn.typing import Array


class Trained(NamedTuple):
    """What comes of a run."""

    losses: Array  # [num_steps], of the batches
    validation: Array  # nats a character, with the last weights


def schedule_config(start: Start, learning_rate: float, num_steps: int) -> dict:
    """The schedule of a run, for `make_schedule`: from its start half a cosine down to 0, or to the peak / 300."""
    given = {"learning_rate": learning_rate, "num_steps": num_steps}
    if start == "compressive":
        return {"schedule": "compressive"} | given
    return {"schedule": "warmup_cosine", "warmup_steps": num_steps // 10 if start == "tenth" else 0} | given


def rates_of(start: Start, learning_rate: float, num_steps: int) -> np.ndarray:
    """The learning rate of every step, [num_steps]."""
    schedule = schedules.make_schedule(**schedule_config(start, learning_rate, num_steps))
    return np.asarray(jax.vmap(schedule)(np.arange(num_steps)))


def trainer(model: Model) -> Callable[..., Trained]:
    """The program of a model: (rng, rates [steps], batches [steps, rows, n], validation [looks, rows, n]).

    Adam as in Xiong et al. (b2 = .98), without decay and without clipping, which would hide what the start does.
    """
    adam = optax.scale_by_adam(b2=0.98)

    def step(state, given):
        (params, moments), (rate, tokens) = state, given
        loss, gradient = jax.value_and_grad(model.loss)(params, tokens)
        updates, moments = adam.update(gradient, moments)
        params = optax.apply_updates(params, jax.tree.map(lambda update: -rate * update, updates))
        return (params, moments), loss

    def train(rng: Array, rates: Array, batches: Array, validation: Array) -> Trained:
        params = model.init(rng)
        (params, _), losses = jax.lax.scan(step, (params, adam.init(params)), (rates, batches))
        return Trained(losses, jax.lax.map(partial(model.loss, params), validation).mean())

    return jax.jit(train)


def batches_of(text: Text, config: Config, seed: int) -> np.ndarray:
    """All batches of a seed, the same for every arrangement: `[num_steps, rows, context + 1]`."""
    excerpts = Excerpts(text.train, config.text, seed=seed, read_on=False)
    return np.stack([excerpts(step) for step in range(config.num_steps)])


def gradient_batch(text: Text, config: Config, seed: int) -> np.ndarray:
    """Excerpts for the look before the first step, others than any of the training's: `[rows, context + 1]`."""
    sizes = dataclasses.replace(config.text, batch_size=config.gradient_batch)
    return Excerpts(text.train, sizes, seed=seed, read_on=False)(config.num_steps)


def validation_of(text: Text, config: Config) -> np.ndarray:
    """The validation text in as large pieces as a batch: `[looks, rows, context + 1]`."""
    return windows(text.scored["validation"], config.context, config.batch_size)


def unigram_nats(text: Text) -> float:
    """Nats a character of the validation text under the frequencies of the training text, one added to each count."""
    counts = np.bincount(text.train, minlength=len(text.vocabulary)) + 1
    return float(-np.log(counts / counts.sum())[text.scored["validation"]].mean())


def has_diverged(nats: float, unigram: float) -> bool:
    """Whether a network knows less than how often each character comes."""
    return not nats <= unigram  # which NaN is not


def key_of(seed: int) -> Array:
    """The key of a seed's weights."""
    return jax.random.key(jnp.uint32(seed))
