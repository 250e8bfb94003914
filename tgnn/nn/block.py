"""The Transformer block: attention along edges, then a map of every node, each inside a residual connection.

Where a block normalises is part of its parameters: a part with a `"norm_before"` is pre-LN, one with a `"norm_after"`
is post-LN, one with a `"norm_inside"` normalises what it adds, and applying it needs no flag. So it is with a gate in
place of the residual sum, a `"gru"`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax

from tgnn.errors import check_dropout, check_size
from tgnn.nn.basic import dropout, init_layer_norm, init_linear, init_rms_norm, layer_norm, linear
from tgnn.nn.gating import init_gru_gate
from tgnn.nn.multi_head import KeyValue, Rotate, init_multi_head_attention, multi_head_attention, project_key_value
from tgnn.nn.stack import Norm as Norm
from tgnn.nn.stack import map_blocks as map_blocks
from tgnn.nn.stack import run_blocks as run_blocks
from tgnn.nn.stack import run_parts as run_parts
from tgnn.nn.stack import run_stacked as run_stacked
from tgnn.typing import Array, Graph, Params

Activation = Callable[[Array], Array]


@dataclass(frozen=True)
class TransformerConfig:
    """Sizes and parts of a Transformer; only the `init_` functions need it.

    Reference: Vaswani et al., Attention Is All You Need, arXiv:1706.03762. The default is pre-LN (Xiong et al., On
        Layer Normalization in the Transformer Architecture, arXiv:2002.04745); `norm_first=False` is the original.
        `sandwich`: Ding et al., CogView, arXiv:2105.13290. `gru_bias`: Parisotto et al., Stabilizing Transformers for
        Reinforcement Learning, arXiv:1910.06764; what a part adds goes through a ReLU there. `mixed`: Wang et al.,
        Learning Deep Transformer Models for Machine Translation, arXiv:1906.01787.
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
    sandwich: bool = False  # also a norm of what each part adds: LN, MLP, LN
    gru_bias: float | None = None  # of a gate in place of each residual sum, 2 in the paper; None: the sum
    mixed: bool = False  # each block reads a learnt combination of the outputs of all before it (DLCL)
    rms: bool = False  # rms_norm's parameters; apply with norm=rms_norm
    gated: bool = False  # a gated map of every node, such as SwiGLU
    use_bias: bool = True
    tied: bool = True  # the output projection is the embedding's table
    stacked: bool = True  # blocks as one pytree for lax.scan; False: a list of pytrees

    def __post_init__(self) -> None:
        """Sizes are at least 1, or a ValueError names the one that is not."""
        for name in ("vocab_size", "model_dim", "num_layers", "num_heads"):
            check_size(name, getattr(self, name), minimum=1)
        for name in ("source_vocab_size", "num_key_heads", "head_dim", "hidden_dim", "max_length"):
            if getattr(self, name) is not None:
                check_size(name, getattr(self, name), minimum=1)
        if self.gru_bias is not None and not math.isfinite(self.gru_bias):
            raise ValueError(f"gru_bias must be finite, got {self.gru_bias}; 2 is usual, None is a residual sum")


def init_block(rng: Array, config: TransformerConfig, *, cross: bool = False) -> Params:
    """Initialises one block: `{"attention", ["cross"], "mlp"}`, each with its norms and perhaps a gate, `"gru"`."""
    attention_rng, cross_rng, mlp_rng = jax.random.split(rng, 3)
    parts = {"attention": _init_attention(attention_rng, config), "mlp": _init_mlp(mlp_rng, config)}
    if cross:
        parts["cross"] = _init_attention(cross_rng, config)
    where = ["norm_before" if config.norm_first else "norm_after"] + ["norm_inside"] * config.sandwich
    parts = {name: part | {place: init_norm(config) for place in where} for name, part in parts.items()}
    if config.gru_bias is None:
        return parts
    gates = enumerate(sorted(parts))  # keys of their own: the maps are those of a block without gates
    grus = {
        name: init_gru_gate(jax.random.fold_in(rng, i), config.model_dim, bias=config.gru_bias) for i, name in gates
    }
    return {name: part | {"gru": grus[name]} for name, part in parts.items()}


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

    Args:
        params: `{"up", "down", ["gate"]}`, linear maps.
        x: `[n, model_dim]`.
        activation: of the hidden layer, or of the gate if there is one.
        dropout_rate: of the hidden features.
        rng: key of the dropout, wherever its rate is not 0.

    Reference: gated units: Shazeer, GLU Variants Improve Transformer, arXiv:2002.05202.
    """
    hidden = linear(params["up"], x)  # [n, hidden_dim]
    hidden = activation(linear(params["gate"], x)) * hidden if "gate" in params else activation(hidden)
    return linear(params["down"], dropout(rng, hidden, dropout_rate))


def transformer_block(
    params: Params,
    layout: Graph,
    x: Array,
    memory: Array | KeyValue | None = None,
    memory_layout: Graph | None = None,
    *,
    past: KeyValue | None = None,
    bias: Any = None,
    scale: float | Array | None = None,
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
        scale: of the logits of self-attention and cross-attention; default `head_dim ** -0.5` (T5's is 1).
        rotate: of self-attention; see `multi_head_attention`.
        positions: ints `[n]` for the rotations; default row numbers.
        cross_rotate: of cross-attention, so that it sees how far apart two positions are in their sequences.
        memory_positions: ints `[n_memory]` for cross_rotate; default row numbers. A `KeyValue` is rotated already.
        norm: `layer_norm` or `rms_norm`, perhaps with another epsilon.
        activation: of the hidden layer.
        dropout_rate: of attention weights, hidden layer and the output of each part.
        rng: key of the dropout, wherever its rate is not 0.
        implementation: see `tgnn.attend`.

    Returns:
        `[n, model_dim]`.

    Raises:
        ValueError: if only some of the `"cross"` part, the memory and its layout are there, and for a dropout rate
            without a key.

    >>> from tgnn.graphs import Complete
    >>> params = init_block(jax.random.key(0), TransformerConfig(vocab_size=7, model_dim=8))
    >>> transformer_block(params, Complete(5), jax.numpy.ones((5, 8))).shape
    (5, 8)
    """
    check_dropout(dropout_rate, rng)
    if len({"cross" in params, memory is not None, memory_layout is not None}) > 1:
        raise ValueError(
            f"cross-attention in params is {'cross' in params}, memory given is {memory is not None}, memory_layout "
            f"given is {memory_layout is not None}, but all must agree; pass memory and memory_layout exactly to a "
            "block made with cross=True"
        )
    shared = {"scale": scale, "dropout_rate": dropout_rate, "implementation": implementation}

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


def block_of(attention: Callable[..., Array]) -> Callable[..., Array]:
    """A block for `language_model` and `decoder`: an attention of its own, then the map of every node.

    Args:
        attention: `(params, graph, x [n, model_dim], *, dropout_rate, rng) -> [n, model_dim]`.
    """

    def block(params, graph, x, memory=None, memory_layout=None, *, dropout_rate=0.0, rng=None):
        parts = {
            "attention": lambda h, rng: attention(params["attention"], graph, h, dropout_rate=dropout_rate, rng=rng),
            "mlp": lambda h, rng: feed_forward(params["mlp"], h, dropout_rate=dropout_rate, rng=rng),
        }
        return run_parts(params, parts, x, dropout_rate=dropout_rate, rng=rng)

    return block
