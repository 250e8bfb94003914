"""`attend` and `attention_weights`: operands are checked, and the first execution that accepts the call runs it."""

from typing import Any, Literal, overload

import jax
import jax.numpy as jnp
import jraph

from tgnn.attention import definition, recording
from tgnn.attention.call import Bias, prepare
from tgnn.attention.dropout import Origin
from tgnn.attention.fused.executions import run, run_with_lse
from tgnn.attention.fused.weights import Operands, chosen_weights
from tgnn.attention.scores import Score, dot_product
from tgnn.compiled import compiled
from tgnn.errors import check_call, check_numbers
from tgnn.graphs.interop import as_layout, check_graph
from tgnn.graphs.layout import Layout
from tgnn.softmax import wide_dtype
from tgnn.typing import Array, ArrayLike


@overload
def attend(
    layout: Layout | jraph.GraphsTuple,
    query: Array,
    key: Array,
    value: Array,
    *,
    score: Score = ...,
    bias: Any = ...,
    scale: float | Array | None = ...,
    edges: Array | None = ...,
    edge_value: Array | None = ...,
    dropout_rate: float = ...,
    rng: Array | None = ...,
    origin: Origin = ...,
    implementation: str | None = ...,
    return_lse: Literal[False] = False,
) -> Array: ...


@overload
def attend(
    layout: Layout | jraph.GraphsTuple,
    query: Array,
    key: Array,
    value: Array,
    *,
    score: Score = ...,
    bias: Any = ...,
    scale: float | Array | None = ...,
    edges: Array | None = ...,
    edge_value: Array | None = ...,
    dropout_rate: float = ...,
    rng: Array | None = ...,
    origin: Origin = ...,
    implementation: str | None = ...,
    return_lse: Literal[True],
) -> tuple[Array, Array]: ...


def attend(
    layout: Layout | jraph.GraphsTuple,
    query: Array,
    key: Array,
    value: Array,
    *,
    score: Score = dot_product,
    bias: Bias = None,
    scale: float | Array | None = None,
    edges: Array | None = None,
    edge_value: Array | None = None,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    origin: Origin = (0, 0, 0),
    implementation: str | None = None,
    return_lse: bool = False,
) -> Array | tuple[Array, Array]:
    """Attention over the edges of any graph: each receiver sums its senders' values, weighted by a softmax of scores.

    Args:
      layout: which edges exist: a layout, or a `jraph.GraphsTuple` (its features are ignored).
      query: [n_receivers, heads, head_dim].
      key: [n_senders, key_heads, head_dim]; query head `a` uses key head `a // (heads // key_heads)`.
      value: [n_senders, key_heads, value_dim].
      score: a pytree such as `dot_product`, `Additive`, `AdditiveV2`, `Gaussian`, or your own `Score`. With a `Kernel`
        such as `RandomFeatures` time and memory on `Complete` and `Causal` are linear in the nodes.
      bias: added to the logits, [*edge_shape, heads]: [n_edge, heads] in the caller's order for an EdgeList or a
        GraphsTuple, else see `layout.arrange`; or a callable on indices, `(i, j) -> [heads]`, finite at all pairs:
        any function, which may read arrays from outside, `lambda i, j: slopes * (j - i)`; on a mesh such an array has
        a gradient only as a leaf, `jax.tree_util.Partial(lambda slopes, i, j: slopes * (j - i), slopes)`.
      scale: a number, or one per head; default the score's own: head_dim ** -0.5 for `dot_product`, 1 for the others.
      edges: features of each edge for the score, first axes as for `bias`.
      edge_value: [..., heads, value_dim], added to the sender's value, first axes as for `bias`.
      dropout_rate: probability of dropping a weight after normalisation, in [0, 1).
      rng: PRNG key; needed where `dropout_rate > 0`.
      origin: numbers of the first receiver, sender and head, where this call is a part of a larger one (a shard, a
        graph of a batch): dropout then drops the edges that the whole would. Each may also be the numbers of all,
        int [n_receivers], [n_senders] or [heads], where they do not follow each other.
      implementation: None chooses; "definition" runs the three verbs; "fused" a fast path, or an error saying why not.
      return_lse: whether the log-sum-exp of each receiver is returned too: what `merge` joins parts of a graph by.

    Returns:
      [n_receivers, heads, value_dim] in the dtype of `value`, computed in float32 or wider. A receiver without a live
      in-edge receives zeros. There is no batch axis: use `jax.vmap`, or segments.

      With `return_lse` a pair of it and log(sum_j exp(logits_ij)), [n_receivers, heads] in float32 or wider: before
      dropout, -inf for a receiver without a live in-edge. Both have gradients.

    Raises:
      ValueError: for shapes that disagree with the layout or with each other.

    >>> from tgnn import EdgeList
    >>> layout = EdgeList.from_edges(senders=[0, 1], receivers=[2, 2], n_receivers=3)
    >>> x = jnp.arange(3.0).reshape(3, 1, 1)
    >>> attend(layout, jnp.zeros_like(x), x, x).ravel().tolist()
    [0.0, 0.0, 0.5]
    """
    check_graph(layout)  # first, so that arguments in another order are told
    query, key, value = as_rows(query=query, key=key, value=value)
    check_numbers("bias", bias)
    layout = as_layout(layout, query.shape[0] if query.ndim else None, key.shape[0] if key.ndim else None)
    check_call(layout, query, key, value, scale, dropout_rate, rng, edges, edge_value, implementation, origin)
    operands = (layout, query, key, value, score, bias, scale, edges, edge_value, dropout_rate, rng, origin)
    run_call = output_and_lse if return_lse else output
    if recording.is_recording():
        with jax.disable_jit(False):  # loops inside of a call stay loops
            recording.leave(layout, all_weights(layout, query, key, score, bias, scale, edges))
            return run_call(*operands, implementation)
    return run_call(*operands, implementation)


@compiled
def output(*operands: Any) -> Array:
    """`attend` after its checks."""
    *call, implementation = operands
    return run(prepare(*call), implementation)


@compiled
def output_and_lse(*operands: Any) -> tuple[Array, Array]:
    """`attend(..., return_lse=True)` after its checks."""
    *call, implementation = operands
    return run_with_lse(prepare(*call), implementation)


def attention_weights(
    layout: Layout | jraph.GraphsTuple,
    query: Array,
    key: Array,
    *,
    score: Score = dot_product,
    bias: Bias = None,
    scale: float | Array | None = None,
    edges: Array | None = None,
    at: tuple[Array, ...] | None = None,
) -> Array:
    """The weights that `attend` uses, before dropout: shaped and ordered as `bias`, in float32 or wider.

    Args:
      layout: as for `attend`, like the next arguments.
      query: see `attend`.
      key: see `attend`.
      score: see `attend`.
      bias: see `attend`.
      scale: see `attend`.
      edges: see `attend`.
      at: index arrays of shape [k], one for every axis: only `attention_weights(...)[at]`, [k], is computed, and zeros
        where it is out of range. The other weights are never stored where a fused execution exists.
        `(*layout.locate(senders, receivers), heads)` names pairs of nodes.

    >>> from tgnn import Complete
    >>> attention_weights(Complete(1, 2), jnp.ones((1, 1, 4)), jnp.ones((2, 1, 4))).ravel().tolist()
    [0.5, 0.5]
    """
    check_graph(layout)
    query, key = as_rows(query=query, key=key)
    check_numbers("bias", bias)
    layout = as_layout(layout, query.shape[0] if query.ndim else None, key.shape[0] if key.ndim else None)
    check_call(layout, query, key, None, scale, 0.0, None, edges)
    operands = (layout, query, key, score, bias, scale, edges)
    return all_weights(*operands) if at is None else chosen_weights(Operands(*operands), at)


def as_rows(**nodes: ArrayLike) -> list[Array]:
    """Arrays of JAX of what is given by name."""
    return [jnp.asarray(check_numbers(name, x)) for name, x in nodes.items()]


@compiled
def all_weights(
    layout: Layout, query: Array, key: Array, score: Score, bias: Bias, scale: float | Array | None, edges: Array | None
) -> Array:
    """`attention_weights` of every edge, after its checks."""
    value = jnp.zeros((*key.shape[:2], 1), key.dtype)
    call = prepare(layout, query, key, value, score, bias, scale, edges, None, 0.0, None, (0, 0, 0))
    if call.is_empty:
        return jnp.zeros((*layout.edge_shape, query.shape[1]), wide_dtype(query.dtype, key.dtype))
    return layout.from_slots(definition.weights(call))
