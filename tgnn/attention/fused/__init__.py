"""Faster executions of the definition, one file per layout family, each proven equal to it by the laws.

Each module of `EXECUTIONS` has `run`, which takes the arguments of `attend` and gives its output; `why_not`, the reason
why it cannot run a call, or None; and `is_faster`, whether it should where the caller has no preference.
"""

import jax
import jax.numpy as jnp

from tgnn.attention.fused import blocks, dense, weights, window
from tgnn.attention.fused import edges as edge_list
from tgnn.errors import check_bias
from tgnn.graphs.blocks import Blocks
from tgnn.graphs.dense import Causal, Complete, Dense
from tgnn.graphs.edge_list import EdgeList
from tgnn.graphs.planned import Planned
from tgnn.graphs.prefix import Prefix
from tgnn.graphs.window import Window

DENSE = dict.fromkeys((Complete, Causal, Prefix, Dense), dense)
EXECUTIONS = {EdgeList: edge_list} | DENSE | {Window: window, Blocks: blocks}


def choose(implementation, layout, score, query, key, value, bias, edges, edge_value):
    """The function that runs a call of `attend`, or None for the definition.

    Raises:
      ValueError: for an unknown implementation, or "fused" where none exists; the message names what exists.
    """
    if implementation not in (None, "definition", "fused"):
        raise ValueError(f'implementation must be None, "definition" or "fused", got {implementation!r}')
    if implementation == "definition":
        return None
    chosen = layout.chosen if isinstance(layout, Planned) else layout
    module, call = EXECUTIONS.get(type(chosen)), (chosen, score, query, key, value, bias, edges, edge_value)
    reason = why_not(module, call)
    if module and reason is None:
        run = module.run if implementation == "fused" or module.is_faster(*call) else None
        return run if run is None or chosen is layout else through(run)
    if implementation is None:
        return None
    raise ValueError(
        f"no fused execution exists for {type(chosen).__name__} with {type(score).__name__}: {reason}; "
        'use implementation=None or "definition"'
    )


def why_not(module, call) -> str | None:
    """None where a module can run a call, else the reason why not."""
    return module.why_not(*call) if module else "they exist for " + ", ".join(x.__name__ for x in EXECUTIONS)


def through(run):
    """`run` for a Planned layout: arrays per edge go to the slots of the chosen one."""

    def planned(layout, query, key, value, score, bias, scale, edges, edge_value, dropout_rate, rng):
        if bias is not None and not callable(bias):
            bias = check_bias(layout, jnp.asarray(bias), query.shape[1])
        place = lambda x: x if x is None or callable(x) else in_slots(layout, x)  # noqa: E731
        per_edge = place(bias), scale, place(edges), place(edge_value)
        return run(layout.chosen, query, key, value, score, *per_edge, dropout_rate, rng)

    return planned


def reason(layout, score, query, key, value, bias, edges, edge_value) -> str:
    """Which implementation runs a call of `attend` with `implementation=None`, and why, in words."""
    module, call = EXECUTIONS.get(type(layout)), (layout, score, query, key, value, bias, edges, edge_value)
    refusal = why_not(module, call)
    if module is None or refusal is not None:
        return f"the definition, because no fused execution takes this call: {refusal}"
    name = module.__name__.removeprefix("tgnn.attention.")
    why = " ".join((module.is_faster.__doc__ or "").split())
    return f"{name} ({why})" if module.is_faster(*call) else f"the definition, not {name} ({why})"


def weights_at(every, at, layout, query, key, score, bias, scale, edges):
    """`every(...)[at]`, 0 where `at` is out of range: from a fused execution where `attend` would take one.

    Its derivatives are those of the definition, with the memory of all weights: the fused forward passes have gradients
    of their own for their output, none for the statistics that are used here.

    Args:
      every: makes all weights by the definition, from the arguments of `attention_weights`.
      at: int [k], one for each axis of a weight's place: an edge in the caller's order (or its slot), and its head.
      layout: as for `attention_weights`, like the next arguments.
      query: as for `attention_weights`.
      key: as for `attention_weights`.
      score: as for `attention_weights`.
      bias: as for `attention_weights`.
      scale: as for `attention_weights`.
      edges: as for `attention_weights`.
    """
    if len(at) != len(layout.caller_shape) + 1:
        raise ValueError(
            f"at must be {len(layout.caller_shape) + 1} index arrays, the places of edges and their heads, "
            f"got {len(at)}; layout.locate(senders, receivers) gives the places"
        )
    at = tuple(outside_if_negative(jnp.asarray(x)) for x in at)
    define = lambda *rest: every(layout, *rest).at[at].get(mode="fill", fill_value=0)  # noqa: E731
    chosen = layout.chosen if isinstance(layout, Planned) else layout
    module, call = EXECUTIONS.get(type(chosen)), (chosen, score, query, key, key, bias, edges, None)
    if (
        module is None
        or why_not(module, call)
        or not module.is_faster(*call)
        or 0 in (*query.shape, *key.shape, *chosen.edge_shape)
    ):
        return define(query, key, score, bias, scale, edges)
    if bias is not None and not callable(bias):
        bias = check_bias(layout, jnp.asarray(bias), query.shape[1])
    both = lambda x: x if x is None or callable(x) else (in_slots(layout, x), fetch(x, at[:-1]))  # noqa: E731
    slots = layout.own_slots(at[:-1])

    @jax.custom_jvp
    def pick(query, key, score, bias, scale, edges):
        return weights.weights_at(module, chosen, query, key, score, both(bias), scale, both(edges), (*slots, at[-1]))

    pick.defjvp(lambda primals, tangents: (pick(*primals), jax.jvp(define, primals, tangents)[1]))
    return pick(query, key, score, bias, scale, edges)


def outside_if_negative(index):
    """Negative indices would wrap around; these are out of range."""
    return jnp.where(index < 0, jnp.iinfo(jnp.int32).max, index)


def in_slots(layout, x):
    """Per-edge values as the execution of a layout takes them: in the caller's order for lists, else in slots."""
    return layout.from_caller(jnp.asarray(x)) if isinstance(layout, Planned) else jnp.asarray(x)


def fetch(x, slots):
    """The rows of some slots, zeros where they are out of range."""
    return jnp.asarray(x).at[slots].get(mode="fill", fill_value=0)
