"""A model of `language` as a task: nats and bits a character of whole texts, seconds and memory of a step."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.common.training import Task, num_parameters
from experiments.language.config import Config
from experiments.language.data import Excerpts, Text, windows
from experiments.language.signature import LanguageModel
from tgnn.train.losses import cross_entropy
from tgnn.train.optimizer import make_optimizer
from tgnn.train.schedules import warmup_cosine
from tgnn.typing import Array, Params


def make_task(model: LanguageModel, config: Config, text: Text) -> Task:
    """What is trained; what a model remembers of a row of the last batch is the task's carry."""

    def loss(params: Params, memory: Any, tokens: Array, rng: Array):
        # tokens [rows, context + 1]: inputs and, one character later, targets
        output = apply_rows(model, params, memory, tokens[:, :-1], rng if config.dropout_rate else None)
        nats = cross_entropy(output.logits, tokens[:, 1:])
        return nats + jnp.mean(output.penalty), ({"nats": nats}, output.state)

    measures = make_measures(model, config, text)

    def score(params: Params) -> dict[str, float]:
        found = {}
        for part, measure in measures.items():
            nats = float(measure(params))
            found |= {f"{part}_nats": nats, f"{part}_bits": nats / math.log(2)}
        return found | {"edges_per_token": model.edges_per_token, "num_parameters": num_parameters(model.init)}

    return Task(
        init=model.init,
        loss=loss,
        optimizer=optimizer(config),
        batches=lambda seed: Excerpts(text.train, config, seed=seed, read_on=model.remembers),
        num_steps=config.num_steps,
        score=score,
        evaluate=lambda params: {"validation_nats": float(measures["validation"](params))},
        evaluate_every=config.evaluate_every,
        carry=lambda: memories(model, config.batch_size),
        log_every=50,
        profile=True,
    )


def make_measures(model: LanguageModel, config: Config, text: Text) -> dict[str, Callable[[Params], Array]]:
    """For each text that is scored, weights -> nats a character, read from beginning to end in rows."""

    def measure(params: Params, rows: Array) -> Array:
        def read(memory, tokens):
            output = apply_rows(model, params, memory, tokens[:, :-1])
            return output.state, cross_entropy(output.logits, tokens[:, 1:])

        return jax.lax.scan(read, memories(model, rows.shape[1]), rows)[1].mean()

    compiled = jax.jit(measure)

    def of(tokens: np.ndarray) -> Callable[[Params], Array]:
        rows = jnp.asarray(windows(tokens, config.context, config.batch_size))
        return lambda params: compiled(params, rows)

    return {part: of(tokens) for part, tokens in text.scored.items()}


def apply_rows(model: LanguageModel, params: Params, memory: Any, tokens: Array, rng: Array | None = None):
    """The `Output` of a batch `[rows, context]`."""
    rngs = None if rng is None else jax.random.split(rng, len(tokens))

    def one(tokens, memory, rng):
        return model.apply(params, tokens, memory, rng=rng)

    return jax.vmap(one, (0, 0, None if rngs is None else 0))(tokens, memory, rngs)


def memories(model: LanguageModel, rows: int) -> Any:
    """An empty memory for each row."""
    return jax.tree.map(lambda leaf: jnp.tile(leaf, (rows,) + (1,) * leaf.ndim), model.init_state())


def optimizer(config: Config, schedule: optax.Schedule | None = None) -> optax.GradientTransformation:
    """nanoGPT's: AdamW on half a cosine down to a tenth, or on another schedule; only matrices decay."""
    schedule = schedule_of(config) if schedule is None else schedule
    return make_optimizer(schedule, weight_decay=config.weight_decay, b2=0.99, decay_mask=is_matrix)


def schedule_of(config: Config) -> optax.Schedule:
    """Half a cosine down to a tenth."""
    rate = config.learning_rate
    return warmup_cosine(rate, config.warmup_steps, config.num_steps, rate / 10)


def is_matrix(params: Params) -> Any:
    """Which weights decay: kernels and tables."""
    return jax.tree_util.tree_map_with_path(
        lambda path, _: getattr(path[-1], "key", None) in ("kernel", "table"), params
    )
