"""The Transformer block: attention along edges, then a map of every node, each inside a residual connection.

Where a block normalises is part of its parameters: a part with a `"norm_before"` is pre-LN, one with a `"norm_after"`
is post-LN, and applying it needs no flag.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp

from tgnn.graphs import Causal
from tgnn.nn.basic import dropout, fold, init_layer_norm, init_linear, init_rms_norm, layer_norm, linear
from tgnn.nn.multi_head import KeyValue, Rotate, init_multi_head_attention, multi_head_attention, project_key_value
from tgnn.typing import Array, Params

Norm = Callable[[Params, Array], Array]
Activation = Callable[[Array], Array]


@dataclass(frozen=True)
class TransformerConfig:
    """Sizes and parts of a Transformer; only the `init_` functions need it.

    Reference: Vaswani et al., Attention Is All You Need, arXiv:1706.03762. The default is pre-LN (Xiong et al., On
        Layer Normalization in the Transformer Architecture, arXiv:2002.04745); `norm_first=False` is the original.
    """

    vocab_size: int  # of the tokens that are predicted
    source_vocab_size: int | None = None  # of an encoder–decoder's source; default vocab_size
    model_dim: int = 128
    num_layers: int = 2  # of each stack
    num_heads: int = 4
    num_key_heads: int | None = None  # fewer than num_heads: grouped queries
    head_dim: int | None = None  # default model_dim // num_heads
    hidden_dim: int | None = None  # default 4 * model_dim
    max_length: int | None = None  # rows of a table of learned positions; None: no such table
    norm_first: bool = True  # pre-LN; False: post-LN
    rms: bool = False  # rms_norm's parameters; apply with norm=rms_norm
    gated: bool = False  # a gated map of every node, such as SwiGLU
    use_bias: bool = True
    tied: bool = True  # the output projection is the embedding's table
    stacked: bool = True  # blocks as one pytree for lax.scan; False: a list of pytrees


def init_block(rng: Array, config: TransformerConfig, *, cross: bool = False) -> Params:
    """Initialises one block: `{"attention", ["cross"], "mlp"}`, each with its norm."""
    attention_rng, cross_rng, mlp_rng = jax.random.split(rng, 3)
    parts = {"attention": _init_attention(attention_rng, config), "mlp": _init_mlp(mlp_rng, config)}
    if cross:
        parts["cross"] = _init_attention(cross_rng, config)
    where = "norm_before" if config.norm_first else "norm_after"
    return {name: part | {where: init_norm(config)} for name, part in parts.items()}


def init_norm(config: TransformerConfig) -> Params:
    """Initialises a norm of the kind that the config asks for."""
    return init_rms_norm(config.model_dim) if config.rms else init_layer_norm(config.model_dim)


def _init_attention(rng: Array, config: TransformerConfig) -> Params:
    return init_multi_head_attention(
        rng,
        config.model_dim,
        config.num_heads,
        num_key_heads=config.num_key_heads,
        head_dim=config.head_dim,
        use_bias=config.use_bias,
    )


def _init_mlp(rng: Array, config: TransformerConfig) -> Params:
    hidden_dim = config.hidden_dim or 4 * config.model_dim
    sizes = {"up": (config.model_dim, hidden_dim), "down": (hidden_dim, config.model_dim)}
    if config.gated:
        sizes["gate"] = sizes["up"]
    rngs = jax.random.split(rng, len(sizes))
    return {
        name: init_linear(part_rng, *size, use_bias=config.use_bias)
        for part_rng, (name, size) in zip(rngs, sizes.items(), strict=True)
    }


def feed_forward(
    params: Params,
    x: Array,
    *,
    activation: Activation = jax.nn.relu,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> Array:
    """Maps every node `[n, model_dim] -> [n, model_dim]` through a hidden layer, gated if there is a `"gate"`.

    Reference: gated units: Shazeer, GLU Variants Improve Transformer, arXiv:2002.05202.
    """
    hidden = linear(params["up"], x)
    hidden = activation(linear(params["gate"], x)) * hidden if "gate" in params else activation(hidden)
    return linear(params["down"], dropout(rng, hidden, dropout_rate))


def transformer_block(
    params: Params,
    layout: Any,
    x: Array,
    memory: Array | KeyValue | None = None,
    memory_layout: Any = None,
    *,
    past: KeyValue | None = None,
    bias: Any = None,
    rotate: Rotate | None = None,
    positions: Array | None = None,
    cross_rotate: Rotate | None = None,
    memory_positions: Array | None = None,
    norm: Norm = layer_norm,
    activation: Activation = jax.nn.relu,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
    implementation: str | None = None,
) -> Array:
    """Attends along the layout, then, with a `"cross"` part, to the memory, then maps every node.

    Args:
        params: what `init_block` made.
        layout: edges of self-attention, `n_receivers` = n.
        x: `[n, model_dim]`.
        memory: senders of cross-attention `[n_memory, model_dim]`, or a `KeyValue`.
        memory_layout: edges from the memory to x.
        past: the projected senders of self-attention, where they are others than x.
        bias: of self-attention; see `tgnn.attend`.
        rotate: of self-attention; see `multi_head_attention`.
        positions: ints `[n]` for the rotations; default row numbers.
        cross_rotate: of cross-attention, so that it sees how far apart two positions are in their sequences.
        memory_positions: ints `[n_memory]` for cross_rotate; default row numbers. A `KeyValue` is rotated already.
        norm: `layer_norm` or `rms_norm`, perhaps with another epsilon.
        activation: of the hidden layer.
        dropout_rate: of attention weights, hidden layer and the output of each part.
        rng: key of the dropout; None switches it off.
        implementation: see `tgnn.attend`.

    Returns:
        `[n, model_dim]`.

    Raises:
        ValueError: if only some of the `"cross"` part, the memory and its layout are there.
    """
    if len({"cross" in params, memory is not None, memory_layout is not None}) > 1:
        raise ValueError(
            f"cross-attention in params is {'cross' in params}, memory given is {memory is not None}, memory_layout "
            f"given is {memory_layout is not None}, but all must agree; pass memory and memory_layout exactly to a "
            "block made with cross=True"
        )
    shared = {"dropout_rate": dropout_rate, "implementation": implementation}

    def attention(h, rng):
        places = {"bias": bias, "rotate": rotate, "positions": positions}
        return multi_head_attention(params["attention"], layout, h, past, rng=rng, **places, **shared)

    def cross(h, rng):
        senders = memory
        if not isinstance(memory, KeyValue):
            senders = project_key_value(params["cross"], memory, rotate=cross_rotate, positions=memory_positions)
        places = {"rotate": cross_rotate, "positions": positions}
        return multi_head_attention(params["cross"], memory_layout, h, senders, rng=rng, **places, **shared)

    def mlp(h, rng):
        return feed_forward(params["mlp"], h, activation=activation, dropout_rate=dropout_rate, rng=rng)

    parts = {"attention": attention, "cross": cross, "mlp": mlp}
    return run_parts(params, parts, x, norm=norm, dropout_rate=dropout_rate, rng=rng)


def run_parts(
    params: Params,
    parts: dict[str, Callable[[Array, Array | None], Array]],
    x: Array,
    *,
    norm: Norm = layer_norm,
    dropout_rate: float = 0.0,
    rng: Array | None = None,
) -> Array:
    """Runs the parts of a block one after the other, each inside a residual connection with its norm: any block.

    Args:
        params: of each part, under its name: its norm, and whatever else the part looks up; others are skipped.
        parts: `(x [n, model_dim], rng) -> [n, model_dim]` each.
        x: `[n, model_dim]`.
        norm: `layer_norm` or `rms_norm`.
        dropout_rate: of the output of each part.
        rng: key of the dropout; None switches it off.

    Returns:
        `[n, model_dim]`.
    """
    for i, (name, part) in enumerate(parts.items()):
        if name in params:
            x = _residual(params[name], part, x, norm, dropout_rate, fold(rng, i))
    return x


def block_of(attention: Callable[..., Array]) -> Callable[..., Array]:
    """A block for `language_model` and `decoder`: an attention of its own, then the map of every node.

    Args:
        attention: `(params, graph, x [n, model_dim], *, dropout_rate, rng) -> [n, model_dim]`.
    """

    def block(params, graph, x, memory=None, memory_layout=None, *, dropout_rate=0.0, rng=None):
        rate = 0.0 if rng is None else dropout_rate
        parts = {
            "attention": lambda h, rng: attention(params["attention"], graph, h, dropout_rate=rate, rng=rng),
            "mlp": lambda h, rng: feed_forward(params["mlp"], h, dropout_rate=rate, rng=rng),
        }
        return run_parts(params, parts, x, dropout_rate=rate, rng=rng)

    return block


def _residual(params: Params, part: Callable, x: Array, norm: Norm, dropout_rate: float, rng: Array | None) -> Array:
    x = x + dropout(fold(rng, 0), part(_before(params, x, norm), fold(rng, 1)), dropout_rate)
    return norm(params["norm_after"], x) if "norm_after" in params else x


def _before(params: Params, x: Array, norm: Norm) -> Array:
    return norm(params["norm_before"], x) if "norm_before" in params else x


def cached_block(
    params: Params,
    past: KeyValue,
    step: Array,
    x: Array,
    memory: KeyValue | None = None,
    memory_layout: Any = None,
    *,
    bias: Any = None,
    rotate: Rotate | None = None,
    cross_rotate: Rotate | None = None,
    layout: Callable[..., Any] = Causal,
    norm: Norm = layer_norm,
    activation: Activation = jax.nn.relu,
    implementation: str | None = None,
) -> tuple[Array, KeyValue]:
    """The causal block for the nodes at `step ... step + n - 1`; the past is a set of senders that it appends to.

    Args:
        params: as for `transformer_block`.
        past: keys and values `[max_length, ...]`, of which the first `step` rows are filled.
        step: position of the first row of x, perhaps traced.
        x: `[n, model_dim]`, usually one row.
        memory: as for `transformer_block`.
        memory_layout: as for `transformer_block`.
        bias: None, or a callable with a leaf `offset`, such as `Alibi`, to which step is added.
        rotate: as for `transformer_block`.
        cross_rotate: as for `transformer_block`; the memory's keys are rotated by `init_cache`.
        layout: makes the edges from the past, `(n, max_length, offset=step)`: what the model was trained on, such as
            `lambda n, m, offset: Window(n, 4, 0, n_senders=m, offset=offset)`.
        norm: as for `transformer_block`.
        activation: as for `transformer_block`.
        implementation: as for `transformer_block`.

    Returns:
        `[n, model_dim]` and the past with n more rows. Time and memory O(n max_length).
    """
    n, max_length = x.shape[0], past.key.shape[0]
    positions = step + jnp.arange(n)
    before = _before(params["attention"], x, norm)
    new = project_key_value(params["attention"], before, rotate=rotate, positions=positions)
    past = jax.tree.map(
        lambda old, rows: jax.lax.dynamic_update_slice_in_dim(old, rows.astype(old.dtype), step, 0), past, new
    )
    x = transformer_block(
        params,
        layout(n, max_length, offset=step),
        x,
        memory,
        memory_layout,
        past=past,
        bias=None if bias is None else replace(bias, offset=bias.offset + step),
        rotate=rotate,
        positions=positions,
        cross_rotate=cross_rotate,
        norm=norm,
        activation=activation,
        implementation=implementation,
    )
    return x, past


def run_blocks(
    apply: Callable, blocks: Params, x: Array, each: Any = None, *, rng: Array | None = None
) -> tuple[Array, Any]:
    """Carries x through the blocks, under `lax.scan` if they are stacked, in a Python loop if they are a list.

    Args:
        apply: `(x, (block, extra, rng)) -> (x, output)`.
        blocks: one pytree with a leading axis of layers, or a list of pytrees.
        x: what the first block receives.
        each: something for each block, stacked or listed as the blocks are; or None.
        rng: a key, split between the blocks alike in both cases.

    Returns:
        The last x and the outputs, stacked or listed.
    """
    listed = isinstance(blocks, (list, tuple))
    depth = len(blocks) if listed else jax.tree.leaves(blocks)[0].shape[0]
    rngs = None if rng is None else jax.random.split(rng, depth)
    if not listed:
        return jax.lax.scan(apply, x, (blocks, each, rngs))
    outputs = []
    for i, block in enumerate(blocks):
        x, output = apply(x, (block, None if each is None else each[i], None if rngs is None else rngs[i]))
        outputs.append(output)
    return x, outputs


def map_blocks(f: Callable, blocks: Params) -> Any:
    """Applies f to every block: stacked blocks give stacked results, a list gives a list."""
    return [f(block) for block in blocks] if isinstance(blocks, (list, tuple)) else jax.vmap(f)(blocks)
