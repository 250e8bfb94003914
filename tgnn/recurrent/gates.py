"""What recurrent cells share: gates, their states, and the way over the graph."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.errors import check_floating, check_size
from tgnn.nn.basic import init_linear, linear
from tgnn.printing import one_line
from tgnn.recurrent.levels import Levels, as_levels
from tgnn.recurrent.propagation import propagate
from tgnn.typing import Array, Graph, Params


class LSTMState(NamedTuple):
    """The state of each node: hidden (its output) and cell (its memory), [n_node, hidden_dim] each."""

    hidden: Array
    cell: Array

    __repr__ = one_line


def remember(gates: Array, recurrent: Array, kept: Array) -> LSTMState:
    """The new memory and what it shows; `recurrent` adds to the gates input, candidate and output."""
    input_gate, output_gate = (jax.nn.sigmoid(gates[:, a] + recurrent[:, b]) for a, b in ((0, 0), (3, 2)))
    memory = input_gate * jnp.tanh(gates[:, 2] + recurrent[:, 1]) + kept
    return LSTMState(output_gate * jnp.tanh(memory), memory)


def init_gates(rng: Array, in_dim: int, hidden_dim: int, gates: int) -> Params:
    """Input kernel [in_dim, gates, hidden_dim] with bias, state kernel [hidden_dim, gates, hidden_dim] without."""
    check_size("in_dim", in_dim)
    check_size("hidden_dim", hidden_dim, minimum=1)
    input_rng, state_rng = jax.random.split(rng)
    parts = [init_linear(key, in_dim, hidden_dim) for key in jax.random.split(input_rng, gates)]
    draw = jax.nn.initializers.orthogonal(column_axis=-1)
    states = [draw(key, (hidden_dim, hidden_dim)) for key in jax.random.split(state_rng, gates)]
    kernel = jnp.stack([part["kernel"] for part in parts], axis=1)
    bias = jnp.stack([part["bias"] for part in parts])
    return {"input": {"kernel": kernel, "bias": bias}, "state": {"kernel": jnp.stack(states, axis=1)}}


def zero_state(params: Params, x: Array) -> Array:
    """The state of a sender that does not exist: zeros [hidden_dim]."""
    return jnp.zeros(params["input"]["kernel"].shape[-1], x.dtype)


def run(params: Params, graph: Graph | Levels, x: Array, given: Any, cell: Callable, zero: Any) -> Any:
    """Checks the sizes; projects the inputs of all steps at once; propagates.

    Args:
        params: `{"input"}`, the linear map of the inputs, [in_dim, gates, hidden_dim].
        graph: a directed acyclic layout (concrete), or its `schedule`.
        x: [n_node, in_dim].
        given: states of the senders that are no nodes, or None.
        cell: `(inputs [width, gates, hidden_dim], states of senders [width, arity, hidden_dim]) -> state`.
        zero: the state of a sender that does not exist, [hidden_dim].

    Returns:
        The states of all nodes, [n_node, hidden_dim].
    """
    plan = checked(params, graph, x, given)
    # [n_step, width, in_dim] -> [n_step, width, gates, hidden_dim]
    return propagate(cell, plan, x, zero, given, prepare=lambda rows: linear(params["input"], rows))


def checked(params: Params, graph: Graph | Levels, x: Array, given: Any) -> Levels:
    """The schedule of the graph, or a ValueError for sizes that disagree with it."""
    check_floating("x", x)
    plan = as_levels(graph)
    if x.ndim != 2 or x.shape[0] != plan.n_node:
        raise ValueError(f"x has shape {x.shape}, but the graph has {plan.n_node} nodes; pass [n_node, in_dim]")
    for state in jax.tree.leaves(given):
        expected = (plan.n_given, *zero_state(params, x).shape)
        if np.shape(state) != expected:
            raise ValueError(
                f"given has shape {np.shape(state)}, but must be {expected}: one state per given sender; "
                "pass the states of the senders that are no nodes"
            )
    if given is None and plan.n_given:
        raise ValueError(f"given is missing, but {plan.n_given} senders of the graph are no nodes; pass their states")
    return plan
