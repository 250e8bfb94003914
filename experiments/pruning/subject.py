"""What all methods see of a network: its gates, a loss that needs no test data, and what is measured afterwards."""

from collections.abc import Callable
from typing import Any, NamedTuple


class Subject(NamedTuple):
    """A network to prune.

    Attributes:
        gates: open ones of the heads that may go: a tuple with `[heads]` for each layer.
        removed: how many to remove, for each point of the curves.
        loss: (gates, example) -> number.
        examples: for the gradients, a pytree of arrays with a leading axis.
        batches: step -> batch of learned gates.
        batch_loss: (gates, batch) -> number.
        tried: the batch on which greedy removal tries.
        per_step: how many heads greedy removal takes after each round of trying.
        measure: gates -> qualities by name, on data that no method has seen; higher is better.
        removal: heads as `(layer, head)` -> shares of parameters and of time that are left without them.
    """

    gates: Any
    removed: tuple[int, ...]
    loss: Callable[[Any, Any], Any]
    examples: Any
    batches: Callable[[int], Any]
    batch_loss: Callable[[Any, Any], Any]
    tried: Any
    per_step: int
    measure: Callable[[Any], dict[str, float]]
    removal: Callable[[list[tuple[int, int]]], dict[str, float]]
