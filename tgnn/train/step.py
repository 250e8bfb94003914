"""Training: the state of a run as one pytree, and a pure jitted step that keeps NaN and infinity out of it.

The whole state of a run is one pytree, and the batch is a function of the step, so a run that resumes from a
checkpoint repeats the uninterrupted one bit by bit on the CPU.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from tgnn.train import guard
from tgnn.train.accumulation import accumulated, accumulated_loss
from tgnn.typing import Array, Params

Metrics = dict[str, Any]
LossFn = Callable[[Params, Any, Array], tuple[Array, Metrics]]
CarryingLossFn = Callable[[Params, Any, Any, Array], tuple[Array, tuple[Metrics, Any]]]
Step = Callable[["TrainState", Any], tuple["TrainState", Metrics]]


class TrainState(NamedTuple):
    """Everything that a run is, in one pytree.

    Attributes:
        params: the weights.
        opt_state: the optimizer's.
        step: number of batches seen, so a checkpoint named 100 holds the effect of 100 batches.
        rng: the key of the run; step number s draws from `fold_in(rng, s)`, so it never changes.
        skipped: number of those batches of which something was not finite and that changed nothing.
        carry: what one batch hands to the next beside the weights (`make_carrying_step`); () is nothing.
    """

    params: Params
    opt_state: optax.OptState
    step: Array
    rng: Array
    skipped: Array
    carry: Any = ()

    def __repr__(self) -> str:
        size = sum(getattr(leaf, "size", 1) for leaf in jax.tree.leaves(self.params))
        return f"TrainState(step={_shown(self.step)}, skipped={_shown(self.skipped)}, params=<{size:,} numbers>)"


def init_state(rng: Array, params: Params, optimizer: optax.GradientTransformation, carry: Any = ()) -> TrainState:
    """The state before the first step.

    Everything is copied, because the step donates its state: the caller's own arrays stay valid, and an optimizer may
    keep the weights themselves, or one array twice, in its state.

    Args:
        rng: a typed key (`jax.random.key`) for dropout and the like; not the one that made the weights.
        params: a pytree of arrays.
        optimizer: any optax transformation.
        carry: a pytree of arrays, for `make_carrying_step`: the memory before the first batch.

    Returns:
        A `TrainState` at step 0.

    Raises:
        ValueError: `rng` is not a typed key.

    >>> init_state(jax.random.key(0), {"kernel": jnp.zeros((3, 4))}, optax.sgd(0.1))
    TrainState(step=0, skipped=0, params=<12 numbers>)
    """
    if not jnp.issubdtype(getattr(rng, "dtype", np.float32), jax.dtypes.prng_key):
        raise ValueError("rng must be a typed key, got a plain array or number; make it with jax.random.key(seed)")
    params = jax.tree.map(_copy, params)
    rest = jax.tree.map(_copy, (optimizer.init(params), np.int32(0), rng, np.int32(0), carry))
    return TrainState(params, *rest)


def make_step(
    loss_fn: LossFn,
    optimizer: optax.GradientTransformation,
    *,
    weight_fn: Callable[[Any], Array] | None = None,
) -> Step:
    """Compiles one update of the weights.

    A batch whose loss, gradient, new weights or moments are not finite leaves weights and optimizer as they were,
    however many follow one another (`optax.apply_if_finite` gives in after a number of them), and is counted in
    `TrainState.skipped`; `fit` ends a run of them with a reason.

    Args:
        loss_fn: (params, batch, rng) -> (loss, metrics), where `rng` differs in every step.
        optimizer: the one that `init_state` was given. Of the extra arguments that optax knows it is passed `value`
            (the loss), `grad` and `value_fn` (params -> loss, on the same batch and with the same `rng`), as line
            searches, `polyak_sgd` and `reduce_on_plateau` need them; one that needs others must be wrapped.
        weight_fn: for a batch that does not fit into memory: part of it -> number of labels that the loss averages
            over, such as `lambda part: jnp.sum(part.labels >= 0)`. The batch is then a stack of parts, [parts, ...] in
            every leaf; gradients are summed part by part, weighed so that the update equals that of the whole batch to
            rounding. Metrics are means weighed likewise. Costs the memory of one part and of one more gradient.

    Returns:
        A jitted function (state, batch) -> (state, metrics). It donates the state: keep the new one only. Metrics are
        those of `loss_fn` and "loss", "gradient_norm" (before clipping), "skipped" (so far) and "not_finite" (bool, one
        for each of `tgnn.train.guard.part_names`; `fit` takes it out).

    Raises:
        ValueError: when it is traced, if `loss_fn` returns something else.

    >>> optimizer = optax.sgd(0.5)
    >>> step = make_step(lambda params, batch, rng: (jnp.square(params - batch), {}), optimizer)
    >>> state, metrics = step(init_state(jax.random.key(0), jnp.float32(3.0), optimizer), jnp.float32(1.0))
    >>> float(state.params), float(metrics["loss"]), float(metrics["gradient_norm"])
    (1.0, 4.0, 4.0)
    """

    def carrying(params: Params, carry: Any, batch: Any, rng: Array):
        found = loss_fn(params, batch, rng)
        if not (isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], Mapping)):
            got = type(found[1] if isinstance(found, tuple) and len(found) == 2 else found).__name__
            raise ValueError(f"loss_fn must return loss and a dict of metrics, got {got}; return loss, {{}} for none")
        return found[0], (found[1], carry)

    return make_carrying_step(carrying, optimizer, weight_fn=weight_fn)


def make_carrying_step(
    loss_fn: CarryingLossFn,
    optimizer: optax.GradientTransformation,
    *,
    weight_fn: Callable[[Any], Array] | None = None,
) -> Step:
    """`make_step` for a loss that hands something to the next batch, such as a recurrent state or a memory.

    The carry is inside the guard: a batch that makes it NaN or infinite is dropped like any other that is not finite,
    and the old carry stays. No gradient flows from one batch into another.

    Args:
        loss_fn: (params, carry, batch, rng) -> (loss, (metrics, carry)).
        optimizer: as in `make_step`.
        weight_fn: as in `make_step`; leaves of the carry are then [parts, ...] like those of the batch.

    Returns:
        As `make_step`; `state.carry` is what `init_state` was given, then what the last good batch left.

    >>> optimizer = optax.sgd(0.1)
    >>> step = make_carrying_step(lambda params, seen, batch, rng: (params * batch, ({}, seen + batch)), optimizer)
    >>> state = init_state(jax.random.key(0), jnp.float32(3.0), optimizer, carry=jnp.float32(0.0))
    >>> for batch in (1.0, jnp.nan, 2.0):
    ...     state, _ = step(state, batch)
    >>> float(state.carry), int(state.skipped)
    (3.0, 1)
    """
    optimizer = optax.with_extra_args_support(optimizer)
    if weight_fn is None:
        value_and_grad = jax.value_and_grad(loss_fn, has_aux=True)
        loss_of = lambda *args: loss_fn(*args)[0]  # noqa: E731
    else:
        value_and_grad, loss_of = accumulated(loss_fn, weight_fn), accumulated_loss(loss_fn, weight_fn)

    def step(state: TrainState, batch: Any) -> tuple[TrainState, Metrics]:
        given = state.carry, batch, jax.random.fold_in(state.rng, state.step)
        (loss, (metrics, carry)), gradients = value_and_grad(state.params, *given)
        squares = guard.squared_norms(gradients)
        known = {"value": loss, "grad": gradients, "value_fn": lambda params: loss_of(params, *given)}
        with jax.numpy_dtype_promotion("standard"):  # optax mixes integers with floats, whatever the caller allows
            updates, opt_state = optimizer.update(gradients, state.opt_state, state.params, **known)
            params = optax.apply_updates(state.params, updates)
        new, old = (params, opt_state, carry), (state.params, state.opt_state, state.carry)
        not_finite = guard.not_finite(loss, squares, new, old)
        # a sum of integers: XLA turns `any` into a chain of `or`s, and copies it whole into the update of every array
        finite = jnp.sum(not_finite.astype(jnp.int32)) == 0
        params, opt_state, carry = guard.choose(finite, new, old)
        skipped = state.skipped + jnp.where(finite, 0, 1)
        metrics = {**metrics, "loss": loss, "gradient_norm": jnp.sqrt(sum(squares, jnp.zeros(()))), "skipped": skipped}
        metrics["not_finite"] = not_finite
        return TrainState(params, opt_state, state.step + 1, state.rng, skipped, carry), metrics

    return jax.jit(step, donate_argnums=0)


def _copy(leaf: Any) -> Array:
    """An array of its own, of a strong type, so that the second step finds the types of the first."""
    return jnp.array(leaf, dtype=jnp.asarray(leaf).dtype, copy=True)


def _shown(count: Any) -> str:
    """A number if there is one: traced, donated and abstract counts have none."""
    try:
        return str(int(count))
    except (TypeError, RuntimeError):
        return "?"
