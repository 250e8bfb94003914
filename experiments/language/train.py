"""Trains a model of `language` and measures it: bits per character, step time, memory."""

import math
import statistics
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.language.config import Config
from experiments.language.data import Excerpts, windows
from experiments.language.models import num_parameters
from experiments.language.signature import LanguageModel
from tgnn.datasets.text import Characters
from tgnn.train.losses import cross_entropy
from tgnn.train.schedules import warmup_cosine
from tgnn.training import TrainState, fit, init_state, make_optimizer, make_step


class State(NamedTuple):
    """A run: weights and optimizer, and what the model remembers of each row of the last batch."""

    train: TrainState
    memory: Any

    @property
    def step(self) -> jax.Array:
        """Number of batches seen."""
        return self.train.step


class Trainer:
    """One model on one text: the compiled functions are made once and serve every seed."""

    def __init__(self, model: LanguageModel, characters: Characters, config: Config):
        self.model, self.characters, self.config = model, characters, config
        example = jnp.zeros((config.batch_size, config.context + 1), jnp.int32)
        self.step = self._make_step().lower(initial(model, config, 0), example).compile()
        self.validation = jnp.asarray(windows(characters.validation, config.context, config.batch_size))
        self.evaluation = jax.jit(self._evaluate)

    def train(self, seed: int, run_dir: Path | None, resume: bool = False) -> tuple[State, dict[str, float]]:
        """Trains, or goes on from the last checkpoint; the metrics are those of the whole validation text.

        Raises:
            ValueError: the folder holds a run that is not to be resumed.
        """
        config = self.config

        def evaluate(state: State) -> dict[str, float]:
            nats = float(self.evaluation(state.train.params))
            print(f"step {int(state.step)}: {nats:.4f} nats, {nats / math.log(2):.4f} bits a character", flush=True)
            return {"validation_nats": nats}

        state: Any = initial(self.model, config, seed)
        batches = Excerpts(self.characters.train, config, seed=seed, read_on=self.model.remembers)
        state = fit(
            state,
            self.step,
            batches,
            num_steps=config.num_steps,
            evaluate=evaluate,
            evaluate_every=config.evaluate_every,
            run_dir=run_dir,
            log_every=50,
            save_every=config.save_every,
            resume=resume,
        )
        return state, self.metrics(state, self.seconds_per_step(state, batches))

    def seconds_per_step(self, state: State, batches: Excerpts) -> float:
        """The median of three steps, so that a run which only resumes a finished one reports the same as it did."""
        state = jax.tree.map(lambda leaf: leaf.copy(), state)  # a step donates the one that it is given
        seconds = []
        for i in range(3):
            started = time.perf_counter()
            state = jax.block_until_ready(self.step(state, batches(i))[0])
            seconds.append(time.perf_counter() - started)
        return statistics.median(seconds)

    def metrics(self, state: State, seconds_per_step: float) -> dict[str, float]:
        """What a run reports."""
        nats = float(self.evaluation(state.train.params))
        memory = self.step.memory_analysis()
        return {
            "validation_nats": nats,
            "validation_bits": nats / math.log(2),
            "seconds_per_step": seconds_per_step,
            "edges_per_token": self.model.edges_per_token,
            "num_parameters": num_parameters(self.model),
            "temporary_bytes": memory.temp_size_in_bytes if memory else math.nan,
        }

    def _logits(self, params, memory, tokens, rng=None):
        """Of a batch `[rows, context]`: its `Output`."""
        rngs = None if rng is None else jax.random.split(rng, len(tokens))

        def one(tokens, memory, rng):
            return self.model.apply(params, tokens, memory, rng=rng)

        return jax.vmap(one, (0, 0, None if rngs is None else 0))(tokens, memory, rngs)

    def _make_step(self):
        """The update of `tgnn.training.make_step`, with the memory of the model beside the weights."""

        def loss(params, batch, rng):
            tokens, memory = batch
            output = self._logits(params, memory, tokens[:, :-1], rng if self.config.dropout_rate else None)
            nats = cross_entropy(output.logits, tokens[:, 1:])
            return nats + jnp.mean(output.penalty), {"nats": nats, "memory": output.state}

        update = make_step(loss, optimizer(self.config))

        def step(state: State, tokens):
            train, metrics = update(state.train, (tokens, state.memory))
            return State(train, jax.lax.stop_gradient(metrics.pop("memory"))), metrics

        return jax.jit(step, donate_argnums=0)

    def _evaluate(self, params):
        """Nats per character of the validation text, read from beginning to end in rows."""

        def read(memory, tokens):
            output = self._logits(params, memory, tokens[:, :-1])
            return output.state, cross_entropy(output.logits, tokens[:, 1:])

        return jax.lax.scan(read, memories(self.model, self.validation.shape[1]), self.validation)[1].mean()


def initial(model: LanguageModel, config: Config, seed: int) -> State:
    """Before the first step."""
    init_rng, run_rng = jax.random.split(jax.random.key(seed))
    train = init_state(run_rng, model.init(init_rng), optimizer(config))
    return State(train, memories(model, config.batch_size))


def memories(model: LanguageModel, rows: int) -> Any:
    """An empty memory for each row."""
    return jax.tree.map(lambda leaf: jnp.tile(leaf, (rows,) + (1,) * leaf.ndim), model.init_state())


def optimizer(config: Config):
    """nanoGPT's: AdamW on half a cosine down to a tenth; only matrices decay."""
    schedule = warmup_cosine(config.learning_rate, config.warmup_steps, config.num_steps, config.learning_rate / 10)
    return make_optimizer(schedule, weight_decay=config.weight_decay, b2=0.99, decay_mask=is_matrix)


def is_matrix(params):
    """Which weights decay: kernels and tables."""
    return jax.tree_util.tree_map_with_path(
        lambda path, _: getattr(path[-1], "key", None) in ("kernel", "table"), params
    )


def generate(model: LanguageModel, params, prompt: np.ndarray, length: int, context: int, rng, temperature=1.0):
    """Continues a prompt character by character; the model sees the last `context` ones and an empty memory.

    Returns:
        Ints `[length]`.
    """
    prompt = prompt[-context:]
    start = jnp.zeros(context, jnp.int32).at[: len(prompt)].set(prompt)

    def extend(carry, step_rng):
        tokens, filled = carry
        logits = model.apply(params, tokens, model.init_state()).logits[filled - 1]
        token = jax.random.categorical(step_rng, logits / temperature).astype(jnp.int32)
        full = filled == context
        tokens = jnp.where(full, jnp.roll(tokens, -1), tokens).at[jnp.where(full, context - 1, filled)].set(token)
        return (tokens, jnp.minimum(filled + 1, context)), token

    carry = start, jnp.asarray(len(prompt))
    return jax.jit(lambda carry: jax.lax.scan(extend, carry, jax.random.split(rng, length))[1])(carry)
