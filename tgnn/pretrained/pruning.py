"""Which heads can go: orders of removal from gradients of gates, from learned gates and from trying; and their curves.

Everything here sees a network as a function of its gates, `loss(gates, ...)`: any pytree whose arrays end in an axis of
heads, such as `all_gates(params, model)`. Heads are numbered through all of its arrays, in the order of its leaves.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

from tgnn.compiled import program
from tgnn.errors import check_indices, check_size
from tgnn.pretrained import hard_concrete
from tgnn.train.guard import check_finite
from tgnn.typing import Array


def head_importance(
    loss: Callable[[Any, Any], Array], gates: Any, examples: Any, *, batch_size: int = 8, normalize: bool = True
) -> Any:
    """How much the loss of an example changes with the gate of each head: the mean of absolute derivatives.

    Args:
        loss: `(gates, example) -> number`; runs under jit and vmap.
        gates: where the derivatives are taken, usually ones.
        examples: a pytree of arrays with a leading axis of examples.
        batch_size: how many examples are differentiated at once.
        normalize: whether the importances of a layer are divided by the root of the sum of their squares.

    Returns:
        Like `gates`.

    Reference: Michel, Levy and Neubig, Are Sixteen Heads Really Better than One?, arXiv:1905.10650, equation 3, and the
        norm of its section 4.1.
    """

    def run(gates, examples):
        each = jax.lax.map(lambda example: jax.grad(loss)(gates, example), examples, batch_size=batch_size)
        return jax.tree.map(lambda x: jnp.abs(x).mean(0), each)

    found = program(run)(gates, examples)
    return jax.tree.map(unit, found) if normalize else found


def unit(x: Array) -> Array:
    """A layer's importances `[..., heads]` over the root of the sum of their squares; zeros stay."""
    length = jnp.sqrt((x * x).sum(-1, keepdims=True))
    return x / jnp.where(length > 0, length, 1)


def removal_order(importance: Any) -> np.ndarray:
    """The heads' numbers, the least important one first.

    >>> removal_order([jnp.array([3.0, 1.0]), jnp.array([2.0])]).tolist()
    [1, 2, 0]
    """
    return np.argsort(np.asarray(ravel_pytree(importance)[0]), kind="stable")


def greedy_order(
    loss: Callable[[Any], Array], gates: Any, *, num_remove: int | None = None, per_step: int = 1
) -> np.ndarray:
    """Removes again and again the head without which the loss is lowest, given those that are gone.

    Args:
        loss: gates -> number; runs under jit.
        gates: open ones.
        num_remove: after how many to stop; default all.
        per_step: how many of the best to remove after each round of trying: more are faster and less exact.

    Returns:
        The numbers of the removed heads, in this order. O(heads * num_remove / per_step) calls of the loss.

    Raises:
        ValueError: for more heads than there are, or less than 1 a step.
    """
    flat, unravel = ravel_pytree(gates)
    num_remove = len(flat) if num_remove is None else check_size("num_remove", num_remove)
    per_step = check_size("per_step", per_step, minimum=1)
    if num_remove > len(flat):
        raise ValueError(f"num_remove is {num_remove}, but there are {len(flat)} heads; remove fewer")
    run = program(lambda flat: loss(unravel(flat)))
    order: list[int] = []
    while len(order) < num_remove:
        left = [head for head in range(len(flat)) if head not in order]
        losses = [float(run(closed(flat, [*order, head]))) for head in left]
        best = np.argsort(losses, kind="stable")[: min(per_step, num_remove - len(order))]
        order += [left[i] for i in best]
    return np.array(order, np.int64)


def closed(flat: Array, heads: Sequence[int]) -> Array:
    """The gates in a row, these heads' 0."""
    values = np.array(flat)
    values[np.asarray(heads, np.int64)] = 0
    return jnp.asarray(values)


class LearnedGates(NamedTuple):
    """What `learn_gates` found, with one entry for each head in the order of the leaves."""

    log_alpha: Array  # of the hard concrete distribution, after the last step
    last_open: np.ndarray  # the last step after which the gate was not 0
    num_open: np.ndarray  # [num_steps], how many were not

    @property
    def order(self) -> np.ndarray:
        """The heads' numbers: the one whose gate closed first comes first, open ones by their log_alpha at the end."""
        return np.lexsort((np.asarray(self.log_alpha), self.last_open))


def learn_gates(
    rng: Array,
    loss: Callable[[Any, Any], Array],
    gates: Any,
    batches: Callable[[int], Any],
    *,
    penalty: Callable[[int], float] | float,
    num_steps: int,
    learning_rate: float = 0.1,
    start: float = 2.0,
) -> LearnedGates:
    """Trains the probabilities with which gates are open, at a price for each that is; the network's weights stay.

    Args:
        rng: a key, of the noise.
        loss: `(gates, batch) -> number`; runs under jit.
        gates: open ones.
        batches: step -> batch.
        penalty: the price of an open gate; as a function of the step that grows, one run gives the whole order in which
            heads go.
        num_steps: how many.
        learning_rate: of Adam.
        start: log_alpha of all gates before the first step; 2 is mostly open.

    Raises:
        ValueError: what was learned is not finite.

    Reference: Voita et al., arXiv:1905.09418, section 6.1, who also train the weights and run once for each price.
    """
    flat, unravel = ravel_pytree(gates)
    num_steps = check_size("num_steps", num_steps)
    optimizer = optax.adam(learning_rate)
    price = penalty if callable(penalty) else lambda step: penalty

    def update(rng, log_alpha, state, batch, price):
        def total(log_alpha):
            drawn = unravel(flat * hard_concrete.sample(rng, log_alpha))
            return loss(drawn, batch) + price * hard_concrete.open_probability(log_alpha).sum()

        change, state = optimizer.update(jax.grad(total)(log_alpha), state)
        log_alpha = optax.apply_updates(log_alpha, change)
        return log_alpha, state, hard_concrete.expected(log_alpha) > 0  # pyright: ignore

    run, log_alpha = program(update), jnp.full_like(flat, start)
    state, last_open, num_open = optimizer.init(log_alpha), np.full(len(flat), -1), np.zeros(num_steps, np.int64)
    for step in range(num_steps):
        key = jax.random.fold_in(rng, step)
        log_alpha, state, is_open = run(key, log_alpha, state, batches(step), jnp.asarray(price(step), flat.dtype))
        is_open = np.asarray(is_open)
        last_open[is_open], num_open[step] = step, is_open.sum()
    check_finite("the gates' log_alpha", log_alpha)
    return LearnedGates(log_alpha, last_open, num_open)


def pruning_curve(measure: Callable[[Any], Any], gates: Any, order: Sequence[int], removed: Iterable[int]) -> list[Any]:
    """A quality after the removal of the first 0, 1, 2, ... heads of an order.

    Args:
        measure: gates -> anything.
        gates: open ones.
        order: heads' numbers, the first to go first.
        removed: how many to remove, for each point of the curve.

    Raises:
        ValueError: for more heads than the order has, less than none, and heads that do not exist.
    """
    flat, unravel = ravel_pytree(gates)
    removed = [check_size("removed", count) for count in removed]
    heads = check_indices("order", order, len(flat)).tolist()
    if removed and max(removed) > len(heads):
        raise ValueError(f"removed goes to {max(removed)}, but the order has {len(heads)} heads; remove fewer")
    return [measure(unravel(closed(flat, heads[:count]))) for count in removed]


def heads_of(gates: Any, order: Sequence[int]) -> list[tuple[int, int]]:
    """Numbers of heads as `(layer, head)`, for `remove_heads`, of gates that are a sequence with `[heads]` each.

    Raises:
        ValueError: for heads that do not exist.

    >>> heads_of([jnp.ones(3), jnp.ones(2)], [4, 0])
    [(1, 1), (0, 0)]
    """
    places = [(layer, head) for layer, gate in enumerate(gates) for head in range(len(gate))]
    return [places[number] for number in check_indices("order", order, len(places))]
