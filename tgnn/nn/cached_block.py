"""The Transformer block token by token: the past is a set of senders, to which each step appends its own."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from tgnn.graphs import Causal
from tgnn.nn.basic import layer_norm
from tgnn.nn.block import Activation, transformer_block
from tgnn.nn.multi_head import KeyValue, Rotate, project_key_value
from tgnn.nn.stack import Norm, normed
from tgnn.typing import Array, Graph, Params


def cached_block(
    params: Params,
    past: KeyValue,
    step: Array,
    x: Array,
    memory: KeyValue | None = None,
    memory_layout: Graph | None = None,
    *,
    bias: Any = None,
    scale: float | Array | None = None,
    rotate: Rotate | None = None,
    cross_rotate: Rotate | None = None,
    layout: Callable[..., Graph] = Causal,
    norm: Norm = layer_norm,
    activation: Activation = jax.nn.relu,
    implementation: str | None = None,
) -> tuple[Array, KeyValue]:
    """The causal block for the nodes at `step ... step + n - 1`; the past is a set of senders that it appends to.

    Args:
        params: as for `transformer_block`.
        past: keys and values `[key_heads, max_length, head_dim]`, of which the first `step` rows of each head are
            filled: heads first, so that a step reads every head in the order of memory.
        step: position of the first row of x, perhaps traced.
        x: `[n, model_dim]`, usually one row.
        memory: as for `transformer_block`.
        memory_layout: as for `transformer_block`.
        bias: None, or a callable with a leaf `offset`, such as `Alibi`, to which step is added.
        scale: as for `transformer_block`.
        rotate: as for `transformer_block`.
        cross_rotate: as for `transformer_block`; the memory's keys are rotated by `init_cache`.
        layout: makes the edges from the past, `(n, max_length, offset=step)`: what the model was trained on, such as
            `lambda n, m, offset: Window(n, 4, 0, n_senders=m, offset=offset)`.
        norm: as for `transformer_block`.
        activation: as for `transformer_block`.
        implementation: as for `transformer_block`.

    Returns:
        `[n, model_dim]` and the past with n more rows; rows beyond max_length are dropped. Time and memory
        O(n max_length).

    Raises:
        ValueError: for a bias that cannot be moved to the step.
    """
    if bias is not None and not hasattr(bias, "offset"):
        raise ValueError(
            f"bias must be None or have a leaf offset, such as Alibi, to which the step is added, got {type(bias)}"
        )
    n, max_length = x.shape[0], past.key.shape[1]
    positions = step + jnp.arange(n, dtype=jnp.int32)
    senders = normed(params["attention"], "norm_before", x, norm)
    new = project_key_value(params["attention"], senders, rotate=rotate, positions=positions)
    past = jax.tree.map(partial(append, positions), past, new)
    x = transformer_block(
        params,
        layout(n, max_length, offset=step),
        x,
        memory,
        memory_layout,
        past=KeyValue(*(rows.swapaxes(0, 1) for rows in past)),  # [max_length, key_heads, head_dim]
        bias=None if bias is None else replace(bias, offset=bias.offset + step),
        scale=scale,
        rotate=rotate,
        positions=positions,
        cross_rotate=cross_rotate,
        norm=norm,
        activation=activation,
        implementation=implementation,
    )
    return x, past


def append(positions: Array, past: Array, rows: Array) -> Array:
    """Writes rows `[n, heads, dim]` into the past `[heads, max_length, dim]` at ascending positions, none beyond it."""
    options = {"mode": "drop", "unique_indices": True, "indices_are_sorted": True}
    return past.at[:, positions].set(rows.swapaxes(0, 1).astype(past.dtype), **options)
