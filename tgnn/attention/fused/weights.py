"""Attention weights of chosen (edge, head) pairs, from the softmax statistics of an execution.

No array of all weights exists: the fused forward pass gives maximum and log-sum of every receiver and head, and the
chosen pairs alone are scored again.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from tgnn.attention import definition
from tgnn.attention.call import Bias, Call, prepare
from tgnn.attention.fused.derivatives import Structure, take_apart
from tgnn.attention.fused.execution import Execution, Statistics
from tgnn.attention.fused.executions import choose
from tgnn.attention.scores import Score
from tgnn.compiled import compiled
from tgnn.errors import as_index
from tgnn.graphs.edge_list import EdgeList
from tgnn.graphs.layout import Layout
from tgnn.typing import Array


class Operands(NamedTuple):
    """What attention weights hang on; see `tgnn.attention_weights`."""

    layout: Layout
    query: Array
    key: Array
    score: Score
    bias: Bias
    scale: float | Array | None
    edges: Array | None

    def call(self) -> Call:
        """With values of one number per head, the least that an execution can carry."""
        layout, query, key, *rest = self
        value = jnp.zeros((*key.shape[:2], 1), key.dtype)
        return prepare(layout, query, key, value, *rest, None, 0.0, None, (0, 0, 0))


def chosen_weights(operands: Operands, at: tuple[Array, ...]) -> Array:
    """`attention_weights(...)[at]`: [k], 0 where `at` is out of range.

    Args:
      operands: those of `attention_weights`.
      at: int [k], one for each axis of a weight's place: an edge in the caller's order (or its slot), and its head.
    """
    axes = len(operands.layout.edge_shape)
    if len(at) != axes + 1:
        raise ValueError(
            f"at must be {axes + 1} index arrays, the places of edges and their heads, got {len(at)}; "
            "layout.locate(senders, receivers) gives the places"
        )
    at = tuple(jnp.asarray(as_index("at", x)) for x in at)
    if len({x.shape for x in at}) > 1 or at[0].ndim != 1:
        raise ValueError(
            f"at must be index arrays of one length, got shapes {[x.shape for x in at]}; give one entry for each weight"
        )
    return weights_at(operands, at)


@compiled
def weights_at(operands: Operands, at: tuple[Array, ...]) -> Array:
    """`chosen_weights` after its checks.

    Its derivatives are those of the definition, with the memory of all weights: the fused forward passes have gradients
    of their own for their output, none for the statistics that are used here.
    """
    at = tuple(jnp.where(x < 0, jnp.iinfo(jnp.int32).max, x) for x in at)  # negative ones would wrap around
    call = operands.call()
    if call.is_empty:
        return jnp.zeros(jnp.broadcast_shapes(*(x.shape for x in at)), call.wide)
    execution = choose(call)
    if execution is None or not execution.has_statistics:
        return define(operands, at)
    structure, floats, others = take_apart((operands, at))
    return pick(execution, structure, floats, others)


def define(operands: Operands, at: tuple[Array, ...]) -> Array:
    """The chosen ones of all weights, by the definition."""
    every = operands.layout.from_slots(definition.weights(operands.call()))
    return every.at[at].get(mode="fill", fill_value=0)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def pick(execution: Execution, structure: Structure, floats: list[Array], others: list[Array]) -> Array:
    """The chosen weights alone, from the statistics of an execution."""
    operands, at = structure.join(floats, others)
    found = execution.statistics(operands.call())
    few = lambda x: x if x is None or callable(x) else fetch(x, at[:-1])  # noqa: E731
    chosen = operands._replace(
        layout=listed(operands.layout, at[:-1]), bias=few(operands.bias), edges=few(operands.edges)
    )
    return from_statistics(found, chosen.call(), at[-1])


@pick.defjvp
def _(execution, structure, primals, tangents):
    floats, others = primals
    slope = jax.jvp(lambda *floats: define(*structure.join(floats, others)), tuple(floats), tuple(tangents[0]))[1]
    return pick(execution, structure, floats, others), slope


def from_statistics(found: Statistics, call: Call, head: Array) -> Array:
    """The weights of the edges of `call`, a list, at these heads: int [k] -> [k], float32 or wider."""
    layout, heads = call.layout, call.query.shape[1]
    logits = definition.logits(call)  # [k, heads]
    receiver, row = jnp.clip(layout.receiver_index, 0, layout.n_receivers - 1), jnp.arange(len(head))
    inside = (head >= 0) & (head < heads)
    column = jnp.where(inside, head, 0)
    maximum, log_total = (x[receiver, column] for x in found)
    # One where: a dead pair may be scored anything, and derivatives do not come this way (see `weights_at`).
    return jnp.where(layout.live & inside, jnp.exp(logits[row, column] - maximum - log_total), 0.0)


def listed(layout: Layout, slots: tuple[Array, ...]) -> EdgeList:
    """The edges in k slots, as a list in that order; slots out of range are dead edges."""
    inside, index = jnp.ones((), bool), []
    for slot, size in zip(slots, layout.edge_shape, strict=True):
        inside = inside & (slot >= 0) & (slot < size)
        index.append(jnp.clip(slot, 0, max(size - 1, 0)))

    def pick(x: Array) -> Array:
        where = (jnp.zeros_like(i) if size == 1 else i for i, size in zip(index, x.shape, strict=True))
        return x.at[tuple(where)].get(mode="promise_in_bounds")

    live = inside if layout.live is None else inside & pick(layout.live)
    return EdgeList(
        pick(layout.sender_index), pick(layout.receiver_index), layout.n_receivers, layout.n_senders, mask=live
    )


def fetch(x: Array, slots: tuple[Array, ...]) -> Array:
    """The rows of some slots, zeros where they are out of range."""
    return jnp.asarray(x).at[slots].get(mode="fill", fill_value=0)
