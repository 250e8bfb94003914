"""Training: a pure jitted step, and a loop around it that logs, evaluates, saves and resumes.

The whole state of a run is one pytree, and the batch is a function of the step, so a run that resumes from a
checkpoint repeats the uninterrupted one bit by bit on the CPU.
"""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from tgnn.train import checkpoint
from tgnn.train.metrics_log import MetricsLog
from tgnn.typing import Array, Params

Metrics = dict[str, Any]
LossFn = Callable[[Params, Any, Array], tuple[Array, Metrics]]


class TrainState(NamedTuple):
    """Everything that a run is, in one pytree.

    Attributes:
        params: the weights.
        opt_state: the optimizer's.
        step: number of batches seen, so a checkpoint named 100 holds the effect of 100 batches.
        rng: the key of the run; step number s draws from `fold_in(rng, s)`, so it never changes.
        skipped: number of those batches whose loss or gradient was not finite and that changed no weight.
    """

    params: Params
    opt_state: optax.OptState
    step: Array
    rng: Array
    skipped: Array


def init_state(rng: Array, params: Params, optimizer: optax.GradientTransformation) -> TrainState:
    """The state before the first step.

    The weights and the key are copied, because the step donates its state: the caller's own stay valid.

    Args:
        rng: a typed key (`jax.random.key`) for dropout and the like; not the one that made the weights.
        params: a pytree of arrays.
        optimizer: any optax transformation.

    Returns:
        A `TrainState` at step 0.

    Raises:
        ValueError: `rng` is not a typed key.
    """
    if not jnp.issubdtype(getattr(rng, "dtype", np.float32), jax.dtypes.prng_key):
        raise ValueError("rng must be a typed key, got a plain array or number; make it with jax.random.key(seed)")
    params = jax.tree.map(lambda leaf: jnp.array(leaf, dtype=jnp.asarray(leaf).dtype, copy=True), params)
    zero = functools.partial(jnp.zeros, (), jnp.int32)
    return TrainState(params, optimizer.init(params), zero(), jnp.copy(rng), zero())


def make_optimizer(
    learning_rate: float | optax.Schedule,
    *,
    weight_decay: float = 0.0,
    clip_norm: float | None = 1.0,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    decay_mask: Any = None,
) -> optax.GradientTransformation:
    """AdamW behind clipping by global norm: what nearly every model here trains with.

    Args:
        learning_rate: a number, or a schedule of `tgnn.schedules`.
        weight_decay: decoupled decay, times the learning rate.
        clip_norm: largest norm of the whole gradient; None does not clip.
        b1: decay of the mean of gradients.
        b2: decay of the mean of their squares.
        eps: added to the root of the latter.
        decay_mask: pytree of bools like the weights, or a function that makes one: which of them decay; None is all.

    Returns:
        An optax transformation.

    Raises:
        ValueError: `clip_norm` is not positive or `weight_decay` is negative.

    Reference: Loshchilov and Hutter, Decoupled Weight Decay Regularization, arXiv 1711.05101.
    """
    if clip_norm is not None and not clip_norm > 0:
        raise ValueError(f"clip_norm must be positive, got {clip_norm}; None switches clipping off")
    if not weight_decay >= 0:
        raise ValueError(f"weight_decay must be 0 or more, got {weight_decay}")
    adamw = optax.adamw(learning_rate, b1=b1, b2=b2, eps=eps, weight_decay=weight_decay, mask=decay_mask)
    return adamw if clip_norm is None else optax.chain(optax.clip_by_global_norm(clip_norm), adamw)


def make_step(
    loss_fn: LossFn, optimizer: optax.GradientTransformation
) -> Callable[[TrainState, Any], tuple[TrainState, Metrics]]:
    """Compiles one update of the weights.

    A batch whose loss or gradient is not finite leaves weights and optimizer as they were, however many follow one
    another (`optax.apply_if_finite` gives in after a number of them), and is counted in `TrainState.skipped`.

    Args:
        loss_fn: (params, batch, rng) -> (loss, metrics), where `rng` differs in every step.
        optimizer: the one that `init_state` was given.

    Returns:
        A jitted function (state, batch) -> (state, metrics). It donates the state: keep the new one only. Metrics are
        those of `loss_fn` and "loss", "gradient_norm" (before clipping) and "skipped" (so far).
    """

    def step(state: TrainState, batch: Any) -> tuple[TrainState, Metrics]:
        rng = jax.random.fold_in(state.rng, state.step)
        (loss, metrics), gradients = jax.value_and_grad(loss_fn, has_aux=True)(state.params, batch, rng)
        gradient_norm = _wide_norm(gradients)
        finite = jnp.isfinite(loss) & jnp.isfinite(gradient_norm)
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        # A select, not a branch: it fuses with the update, which reads the old values anyway.
        params, opt_state = jax.tree.map(
            lambda new, old: jnp.where(finite, new, old), (params, opt_state), (state.params, state.opt_state)
        )
        skipped = state.skipped + jnp.where(finite, 0, 1)
        metrics = {**metrics, "loss": loss, "gradient_norm": gradient_norm, "skipped": skipped}
        return TrainState(params, opt_state, state.step + 1, state.rng, skipped), metrics

    return jax.jit(step, donate_argnums=0)


def fit(
    state: TrainState,
    step: Callable[[TrainState, Any], tuple[TrainState, Metrics]],
    batch_at: Callable[[int], Any],
    *,
    num_steps: int,
    evaluate: Callable[[TrainState], Metrics] | None = None,
    evaluate_every: int = 0,
    run_dir: str | os.PathLike | None = None,
    log_every: int = 10,
    save_every: int = 0,
    resume: bool = False,
    quiet: bool = False,
) -> TrainState:
    """Trains until the state has seen `num_steps` batches.

    Args:
        state: donated; use only the one returned.
        step: what `make_step` made.
        batch_at: step number -> batch. Being a function of the step, the position in the data is in every checkpoint.
        num_steps: length of the whole run, counted from step 0 also when it resumes.
        evaluate: state -> metrics, at the end and every `evaluate_every` steps. The next step donates the state, so
            copy what should outlive the call.
        evaluate_every: steps between evaluations; 0 means at the end only, like the next two.
        run_dir: gets `metrics.jsonl` and `checkpoints/`; None writes nothing.
        log_every: steps between lines of metrics. Reading metrics waits for the device, so 1 is slower.
        save_every: steps between checkpoints.
        resume: start from the newest intact checkpoint in `run_dir`, if there is one.
        quiet: no progress bar; there is none either where the output is not a terminal.

    Returns:
        The state at `num_steps`.

    Raises:
        ValueError: a count is negative, `resume` lacks a `run_dir`, or `run_dir` holds a run that is not resumed.
    """
    for name, value in [("evaluate_every", evaluate_every), ("log_every", log_every), ("save_every", save_every)]:
        if value < 0:
            raise ValueError(f"{name} must be 0 or more, got {value}; 0 means at the end only")
    state = _begin(state, run_dir, resume)
    start = int(state.step)
    with _Report(run_dir, start, num_steps, quiet) as report:
        for done in range(start + 1, num_steps + 1):
            state, metrics = step(state, batch_at(done - 1))
            record = metrics if _is_due(done, log_every, num_steps) else {}
            if evaluate is not None and _is_due(done, evaluate_every, num_steps):
                record = {**metrics, **evaluate(state)}
            if record:
                report.write(done, record)
            if run_dir is not None and _is_due(done, save_every, num_steps):
                checkpoint.save(_checkpoints(run_dir), done, state)
    return state


def batch_indices(step: int, n_examples: int, batch_size: int, *, seed: int) -> np.ndarray:
    """Which examples are in the batch of a step: shuffled epochs without replacement, as a pure function.

    An epoch has `n_examples // batch_size` batches; what is left over by its permutation waits for the next one.

    Args:
        step: 0 or more.
        n_examples: size of the data set.
        batch_size: 1 to `n_examples`.
        seed: of the permutations, one per epoch.

    Returns:
        int array [batch_size].

    Raises:
        ValueError: `batch_size` is out of range.

    >>> sorted(int(i) for step in range(2) for i in batch_indices(step, 6, 3, seed=0))
    [0, 1, 2, 3, 4, 5]
    """
    if not 1 <= batch_size <= n_examples:
        raise ValueError(f"batch_size must be in 1 to n_examples {n_examples}, got {batch_size}")
    epoch, index = divmod(step, n_examples // batch_size)
    return _permutation(seed, epoch, n_examples)[index * batch_size : (index + 1) * batch_size].copy()


@functools.lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, n_examples: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(n_examples)


def _wide_norm(gradients: Params) -> Array:
    """Global norm, summed in float32 or wider whatever the weights are."""
    wide = jax.tree.map(lambda leaf: leaf.astype(jnp.promote_types(leaf.dtype, jnp.float32)), gradients)
    return optax.tree.norm(wide)


def _is_due(done: int, every: int, num_steps: int) -> bool:
    return done == num_steps or (every > 0 and done % every == 0)


def _checkpoints(run_dir: str | os.PathLike) -> Path:
    return Path(run_dir) / "checkpoints"


def _begin(state: TrainState, run_dir: str | os.PathLike | None, resume: bool) -> TrainState:
    if run_dir is None:
        if resume:
            raise ValueError("resume needs run_dir, the folder of the run to continue; got None")
        return state
    saved = checkpoint.latest_step(_checkpoints(run_dir))
    if saved is None:
        return state
    if not resume:
        raise ValueError(f"{run_dir} holds a run at step {saved}; pass resume=True or choose another folder")
    return checkpoint.restore(_checkpoints(run_dir), state)[0]


class _Report:
    """The two places where progress shows: the file of metrics and the bar, each only where wanted."""

    def __init__(self, run_dir: str | os.PathLike | None, start: int, num_steps: int, quiet: bool):
        from rich import console, progress  # here, because applying a model needs no terminal

        self._log = None if run_dir is None else MetricsLog(Path(run_dir) / "metrics.jsonl", start)
        terminal = console.Console(stderr=True)
        columns = (*progress.Progress.get_default_columns(), progress.TextColumn("{task.fields[loss]}"))
        self._bar = progress.Progress(*columns, console=terminal, disable=quiet or not terminal.is_terminal)
        self._task = self._bar.add_task("training", total=num_steps, completed=start, loss="")

    def write(self, done: int, metrics: Metrics) -> None:
        if self._log is not None:
            self._log.write(done, metrics)
        loss = f"loss {float(metrics['loss']):.4f}" if "loss" in metrics else ""
        self._bar.update(self._task, completed=done, loss=loss)

    def __enter__(self) -> "_Report":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._bar.disable:  # else some versions print an empty line
            self._bar.stop()
        if self._log is not None:
            self._log.close()
