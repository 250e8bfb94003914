"""Multi-head attention: project to queries, keys and values, attend along the edges, project back."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from tgnn.attention.api import attention_weights
from tgnn.attention.scores import dot_product
from tgnn.errors import check_dropout, check_size
from tgnn.nn.basic import init_linear, linear
from tgnn.nn.per_head import PerHead, attend_per_head, gated
from tgnn.printing import one_line
from tgnn.typing import Array, Graph, Params

Rotate = Callable[[Array, Array], Array]


class KeyValue(NamedTuple):
    """Senders that are projected already: what cross-attention reads and what cached decoding appends to."""

    key: Array  # [n_senders, key_heads, head_dim]
    value: Array  # [n_senders, key_heads, head_dim]

    __repr__ = one_line


def init_multi_head_attention(
    rng: Array,
    model_dim: int,
    num_heads: int,
    *,
    num_key_heads: int | None = None,
    head_dim: int | None = None,
    memory_dim: int | None = None,
    use_bias: bool = True,
) -> Params:
    """Initialises the four projections of multi-head attention.

    Args:
        rng: a key.
        model_dim: size of the receivers' features and of the output.
        num_heads: heads of the query.
        num_key_heads: heads of key and value, a divisor of `num_heads` (grouped queries); default `num_heads`.
        head_dim: size of a head; default `model_dim // num_heads`.
        memory_dim: size of the senders' features; default `model_dim`.
        use_bias: whether the projections have biases.

    Returns:
        `{"query", "key", "value", "output"}`, with kernels `[model_dim, heads, head_dim]` and, for the output,
        `[heads, head_dim, model_dim]`.

    Raises:
        ValueError: if heads do not divide the sizes that they must divide, or a size is 0.
    """
    num_heads = check_size("num_heads", num_heads, minimum=1)
    num_key_heads = num_heads if num_key_heads is None else check_size("num_key_heads", num_key_heads, minimum=1)
    if head_dim is None and model_dim % num_heads:
        raise ValueError(f"model_dim {model_dim} is not a multiple of num_heads {num_heads}; pass head_dim")
    head_dim = model_dim // num_heads if head_dim is None else check_size("head_dim", head_dim, minimum=1)
    if num_heads % num_key_heads:
        raise ValueError(f"num_heads {num_heads} is not a multiple of num_key_heads {num_key_heads}; choose a divisor")
    memory_dim = model_dim if memory_dim is None else memory_dim
    query_rng, key_rng, value_rng, output_rng = jax.random.split(rng, 4)
    return {
        "query": init_linear(query_rng, model_dim, (num_heads, head_dim), use_bias=use_bias),
        "key": init_linear(key_rng, memory_dim, (num_key_heads, head_dim), use_bias=use_bias),
        "value": init_linear(value_rng, memory_dim, (num_key_heads, head_dim), use_bias=use_bias),
        "output": init_linear(output_rng, (num_heads, head_dim), model_dim, use_bias=use_bias),
    }


def project_key_value(
    params: Params, x: Array, *, rotate: Rotate | None = None, positions: Array | None = None
) -> KeyValue:
    """Projects senders `x [n_senders, memory_dim]` to keys and values, keys rotated to their positions."""
    key, value = linear(params["key"], x), linear(params["value"], x)  # [n_senders, key_heads, head_dim]
    return KeyValue(rotated(rotate, key, positions), value)


def rotated(rotate: Rotate | None, x: Array, positions: Array | None = None) -> Array:
    """Queries or keys turned to their positions, default row numbers; as they are without a rotation."""
    return x if rotate is None else rotate(x, jnp.arange(x.shape[0]) if positions is None else positions)


def multi_head_attention(
    params: Params,
    layout: Graph | PerHead,
    x: Array,
    memory: Array | KeyValue | None = None,
    *,
    score: Any = dot_product,
    bias: Any = None,
    scale: float | None = None,
    rotate: Rotate | None = None,
    positions: Array | None = None,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
) -> Array:
    """Projects to queries, keys and values, attends along the edges of the layout, and projects back.

    Args:
        params: what `init_multi_head_attention` made; a `"gate"` `[heads]` multiplies the output of each head.
        layout: who attends to whom; n_receivers rows of x, n_senders rows of the memory. `per_head` makes one that
            gives heads graphs of their own.
        x: receivers `[n_receivers, model_dim]`.
        memory: senders `[n_senders, memory_dim]`, or a `KeyValue` of projected ones; default x itself.
        score: see `tgnn.attend`.
        bias: see `tgnn.attend`.
        scale: see `tgnn.attend`.
        rotate: `(x [n, heads, head_dim], positions [n]) -> [n, heads, head_dim]`, such as `tgnn.nn.positions.rotary`,
            applied to queries and, unless memory is a `KeyValue`, to keys.
        positions: ints `[n_receivers]`, those of the queries and of the keys of self-attention; default row numbers.
            Keys of another memory are at their row numbers; use `project_key_value` for other ones.
        dropout_rate: of the attention weights.
        rng: key of the dropout, wherever its rate is not 0.
        implementation: see `tgnn.attend`.

    Returns:
        `[n_receivers, model_dim]`. A receiver without any live edge gets the output projection's bias.

    Raises:
        ValueError: for shapes that disagree with the layout, and for a dropout rate without a key.

    >>> from tgnn.graphs import Causal
    >>> params = init_multi_head_attention(jax.random.key(0), 6, 2)
    >>> multi_head_attention(params, Causal(5), jnp.ones((5, 6))).shape
    (5, 6)

    Reference: Vaswani et al., Attention Is All You Need, arXiv:1706.03762, section 3.2. Grouped queries: Ainslie et
        al., GQA, arXiv:2305.13245.
    """
    check_dropout(dropout_rate, rng)
    if memory is None:
        memory = project_key_value(params, x, rotate=rotate, positions=positions)
    elif not isinstance(memory, KeyValue):
        memory = project_key_value(params, memory, rotate=rotate)
    query = rotated(rotate, linear(params["query"], x), positions)  # [n_receivers, heads, head_dim]
    output = attend_per_head(
        layout,
        query,
        memory.key,
        memory.value,
        score=score,
        bias=bias,
        scale=scale,
        dropout_rate=dropout_rate,
        rng=rng,
        implementation=implementation,
    )
    output = gated(params, output)
    return linear(params["output"], output, in_axes=2)  # [n_receivers, heads, head_dim] -> [n_receivers, model_dim]


def multi_head_weights(
    params: Params,
    layout: Graph,
    x: Array,
    memory: Array | None = None,
    *,
    head: int | None = None,
    bias: Any = None,
    scale: float | None = None,
    rotate: Rotate | None = None,
    positions: Array | None = None,
    at: tuple[Array, ...] | None = None,
) -> Array:
    """The weights with which `multi_head_attention` sums, of every head or of one: `[*edge_shape, heads]`.

    Args:
        params: as for `multi_head_attention`.
        layout: as for `multi_head_attention`, like all that follow.
        x: see `multi_head_attention`.
        memory: `[n_senders, memory_dim]`; default x itself.
        head: the one that is asked for, in `0 ... heads - 1`: the last axis is then 1; default all.
        bias: see `tgnn.attend`.
        scale: see `tgnn.attend`.
        rotate: see `multi_head_attention`.
        positions: see `multi_head_attention`.
        at: the weights that are asked for, see `tgnn.attention_weights`: the result is `[k]`.

    Raises:
        ValueError: for a head that does not exist, and as `multi_head_attention`.

    >>> from tgnn.graphs import Causal
    >>> params = init_multi_head_attention(jax.random.key(0), 6, 2)
    >>> multi_head_weights(params, Causal(2), jnp.ones((2, 6)), head=1)[..., 0].tolist()
    [[1.0, 0.0], [0.5, 0.5]]
    """
    heads, key_heads = (params[name]["kernel"].shape[1] for name in ("query", "key"))
    if head is not None:
        if not 0 <= head < heads:
            raise ValueError(f"head is {head} but there are {heads}; choose one in 0 ... {heads - 1}")
        one = {"query": head, "key": head // (heads // key_heads)}
        params = {name: jax.tree.map(lambda w, i=i: w[..., i : i + 1, :], params[name]) for name, i in one.items()}
    key = linear(params["key"], x if memory is None else memory)  # [n_senders, key_heads, head_dim]
    key = rotated(rotate, key, positions if memory is None else None)
    query = rotated(rotate, linear(params["query"], x), positions)  # [n_receivers, heads, head_dim]
    return attention_weights(layout, query, key, bias=bias, scale=scale, at=at)
