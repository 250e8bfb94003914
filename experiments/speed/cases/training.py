"""Sides that train: an experiment's own task, and a module of torch that starts from the same weights."""

# pyright: reportMissingImports=false
# The peers are installed where they are measured.

import time
from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np
import optax

from experiments.common.training import Task, Trainer
from experiments.speed.contestant import Arrays, Contestant
from tgnn.typing import Params

PROVED = 2  # steps from the first weights on whose outcome is compared, and the losses before and after each
TOLERANCE = 2e-4  # of the root mean square of what they change
PER_THOUSAND = 1e3  # a step changes a weight by about a thousandth: like this it is about as large as the loss
Named = dict[str, np.ndarray]  # weights by torch's names, in torch's axes


def in_jax(task: Task, num_steps: int, to_torch: Callable[[Params], Named], proved: int = PROVED) -> Contestant:
    """Steps as `experiments.common.training` takes them; a call is `num_steps` of them, batches made as they come."""
    trainer, batches = Trainer(task._replace(profile=False)), task.batches(0)

    def train(state, first: int, count: int):
        losses = []
        for i in range(first, first + count):
            state, metrics = trainer.step(state, batches(i))
            losses.append(metrics["loss"])
        return jax.block_until_ready((state, losses))

    def proof() -> Arrays:
        state, losses = train(trainer.start(), 0, proved)
        squares = optax.tree_utils.tree_get(state.opt_state, "nu")
        changed = changes(*map(to_torch, (trainer.start().params, state.params, squares)))
        return [np.array(losses + train(state, proved, 1)[1], np.float32), *changed]

    def call():
        nonlocal state, done
        state, losses = train(state, done, num_steps)
        done += num_steps
        return losses[-1]

    start = time.perf_counter()
    train(trainer.start(), 0, 1)
    costs = {"both_compile_seconds": time.perf_counter() - start}
    state, done = trainer.start(), 0
    return Contestant(None, call, lambda loss: [np.asarray(loss)], costs, proof)


def in_torch(
    training: Any,
    num_steps: int,
    batches: Callable[[int, int], Iterable],
    weights: Named,
    *,
    compile: bool = False,
    proved: int = PROVED,
) -> Contestant:
    """The same with an `experiments.speed.peers.adamw.Training`.

    Args:
      training: the module with its optimizer.
      num_steps: of a call.
      batches: first step, number of steps -> batches.
      weights: the first ones.
      compile: whether the module runs under torch.compile.
      proved: steps whose outcome is compared.
    """

    def train(first: int, count: int) -> list[float]:
        return [training.step(batch) for batch in batches(first, count)]

    def proof() -> Arrays:
        training.reset(weights)
        losses = train(0, proved)
        changed = changes(weights, *training.outcome())
        return [np.array(losses + train(proved, 1), np.float32), *changed]

    def call():
        nonlocal done
        done += num_steps
        return train(done - num_steps, num_steps)[-1]

    costs, done = {}, 0
    training.reset(weights)
    if compile:
        training.compile()
        start = time.perf_counter()
        train(0, 1)
        costs["both_compile_seconds"] = time.perf_counter() - start
    return Contestant(None, call, lambda loss: [np.asarray(loss)], costs, proof)


def changes(before: Named, after: Named, squares: Named) -> Arrays:
    """What training has done to each weight, times the root of its mean square gradient.

    Adam divides a gradient by its own size: one that is 0 but for rounding moves its weight as far as any other.
    """
    largest = max(float(np.max(x)) for x in squares.values()) ** 0.5
    return [(after[name] - x) * np.sqrt(squares[name]) / largest * PER_THOUSAND for name, x in before.items()]


def rates(schedule: Callable, num_steps: int) -> list[float]:
    """What a schedule says at each step."""
    return np.asarray(jax.vmap(schedule)(np.arange(num_steps))).tolist()


def named(tree: Any) -> Named:
    """Arrays by their dotted names."""
    pairs = jax.tree_util.tree_leaves_with_path(tree)
    return {".".join(str(getattr(x, "key", getattr(x, "idx", ""))) for x in path): np.asarray(y) for path, y in pairs}


def linear(params: Params, in_axes: int = 1) -> Params:
    """[*in_dim, *out_dim] here is [out_dim, in_dim] there."""
    kernel = np.asarray(params["kernel"])
    weight = kernel.reshape(int(np.prod(kernel.shape[:in_axes])), -1).T
    return {"weight": weight} | ({"bias": np.ravel(params["bias"])} if "bias" in params else {})


def norm(params: Params) -> Params:
    """Of rows."""
    return {"weight": params["scale"], "bias": params["bias"]}
