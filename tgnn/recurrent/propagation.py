"""Propagation over a directed acyclic graph: each node computes its state from its input and its senders' states.

Nodes are put on levels on the host, so that a level needs only earlier ones; one `lax.scan` runs over the levels, all
nodes of a level at once. A chain has one node a level and is the ordinary recurrent network; a batch of sequences or
trees is the disjoint union of their graphs, and its levels are as wide as the batch.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from tgnn.errors import widen_index
from tgnn.recurrent.levels import Levels
from tgnn.typing import Array, Params


def propagate(
    cell: Callable[[Any, Any], Any],
    plan: Levels,
    inputs: Any,
    zero: Any,
    given: Any = None,
    *,
    prepare: Callable[[Params], Params] | None = None,
) -> Any:
    """Runs a cell over the nodes of a schedule, senders first.

    Args:
        cell: `(inputs, states) -> state` of many nodes at once: inputs [width, ...] and the states of their senders
            [width, arity, ...], zeros where there are fewer.
        plan: a schedule.
        inputs: pytree of [n_node, ...].
        zero: pytree of arrays shaped as the state of one node; tells shapes and dtypes.
        given: pytree of [n_given, ...], the states of the senders that are no nodes; default zeros.
        prepare: applied to the gathered inputs of all steps at once, [n_step, width, ...], before the scan: the place
            of large matrix products.

    Returns:
        The states: pytree of [n_node, ...]; zeros at masked nodes.

    Cost: n_step * width cells in n_step steps. The backward pass stores what the cell needs, not the states of earlier
    steps; without `plan.columns` it touches all n_node states in every step, which a tree has few of.
    """
    plan = jax.tree.map(widen_index, plan)
    gathered = jax.tree.map(lambda x: rows(x, plan.nodes), inputs)  # [n_step, width, ...]
    gathered = gathered if prepare is None else prepare(gathered)
    if given is None:
        given = jax.tree.map(lambda x: jnp.zeros((plan.n_given, *x.shape), x.dtype), zero)
    walk = over_all if plan.columns is None else over_steps
    return walk(cell, plan, gathered, zero, given)


def over_steps(cell: Callable[[Any, Any], Any], plan: Levels, gathered: Params, zero: Params, given: Params) -> Params:
    """The scan carries the states of one step, [width, ...]."""

    def step(states, work):
        columns, mine = work  # [width, arity], [width, ...]
        fresh = cell(mine, jax.tree.map(lambda x, y: rows(jnp.concatenate([x, y]), columns), states, given))
        fresh = jax.tree.map(lambda x, y: y.astype(x.dtype), states, fresh)
        return fresh, fresh

    given = jax.tree.map(lambda x, y: y.astype(x.dtype), zero, given)
    start = jax.tree.map(lambda x: jnp.zeros((plan.nodes.shape[1], *x.shape), x.dtype), zero)
    _, fresh = jax.lax.scan(step, start, (plan.columns, gathered))
    empty = jax.tree.map(lambda x: jnp.zeros((plan.n_node, *x.shape), x.dtype), zero)
    return jax.tree.map(lambda x, y: put(x, plan.nodes, y), empty, fresh)


def over_all(cell: Callable[[Any, Any], Any], plan: Levels, gathered: Params, zero: Params, given: Params) -> Params:
    """The scan carries the states of all nodes and the given ones, [n_node + n_given, ...]."""

    def step(states, work):
        nodes, senders, mine = work  # [width], [width, arity], [width, ...]
        fresh = cell(mine, jax.tree.map(lambda x: rows(x, senders), states))
        return jax.tree.map(lambda x, y: put(x, nodes, y), states, fresh), None

    states = jax.tree.map(
        lambda x, y: jnp.concatenate([jnp.zeros((plan.n_node, *x.shape), x.dtype), y.astype(x.dtype)]), zero, given
    )
    nodes = jnp.where(plan.nodes < plan.n_node, plan.nodes, plan.nodes + plan.n_given)  # never a given state
    states, _ = jax.lax.scan(step, states, (nodes, plan.senders, gathered))
    return jax.tree.map(lambda x: x[: plan.n_node], states)


def rows(x: Array, index: Array) -> Array:
    """Rows of `x`, zeros where there is no such row; no gradient reaches a row that is not asked for."""
    if x.shape[0] == 0:
        return jnp.zeros(index.shape + x.shape[1:], x.dtype)
    return x.at[index].get(mode="fill", fill_value=0)


def put(x: Array, index: Array, y: Array) -> Array:
    """Writes rows; slots without a node have distinct indices out of range, and theirs are dropped."""
    return x.at[index].set(y.astype(x.dtype), mode="drop", unique_indices=True)
