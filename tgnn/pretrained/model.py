"""A loaded network: the blocks of `tgnn.nn` with the choices of its config, on graphs that the caller may replace."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.compiled import compiled
from tgnn.errors import as_index
from tgnn.graphs.layout import Layout, is_traced
from tgnn.nn.basic import layer_norm, rms_norm
from tgnn.nn.block import Activation, transformer_block
from tgnn.nn.positions import rotary
from tgnn.nn.stack import run_blocks
from tgnn.nn.tokens import embed, unembed
from tgnn.pretrained.layouts import Layers, in_axes, layout_of, layouts_of_layers, own_graph
from tgnn.pretrained.surgery import Gates, Heads, blocks_with_gates, blocks_without, count_heads
from tgnn.printing import one_line
from tgnn.typing import Array, Params

ACTIVATIONS: dict[str, Activation] = {
    "relu": jax.nn.relu,
    "silu": jax.nn.silu,
    "gelu": partial(jax.nn.gelu, approximate=False),
    "gelu_tanh": partial(jax.nn.gelu, approximate=True),
}
NORMS = {"layer": layer_norm, "rms": rms_norm}


class Output(NamedTuple):
    """What a network says of a batch of texts."""

    hidden: Array  # [layers + 1, batch, n, model_dim]: the input of the first layer and the output of each
    logits: Array | None  # [batch, n, vocab_size] of a decoder, None of an encoder

    __repr__ = one_line


@dataclass(frozen=True)
class Model:
    """An encoder (BERT, RoBERTa, ALBERT) or a decoder (GPT-2, Llama): what it does, without its numbers; hashable.

    Attributes:
        architecture: the `model_type` of its config.
        layers: for each layer, which of the blocks it runs; ALBERT's share one.
        vocab_size: token ids are below it.
        max_length: most tokens of a text.
        is_causal: whether its own graph is `Causal`, not `Complete`.
        activation: "relu", "silu", "gelu" (with the error function) or "gelu_tanh".
        norm: "layer" or "rms".
        epsilon: of every norm.
        rope_base: of rotary positions; None where positions are learned.
        rope_interleaved: see `tgnn.nn.positions.rotary`.
        padding_id: where the positions of RoBERTa begin: after that of its padding; None: they are row numbers.
    """

    architecture: str
    layers: tuple[int, ...]
    vocab_size: int
    max_length: int
    is_causal: bool
    activation: str
    norm: str
    epsilon: float
    rope_base: float | None = None
    rope_interleaved: bool = False
    padding_id: int | None = None

    def __call__(
        self,
        params: Params,
        token_ids: Array,
        *,
        mask: Array | None = None,
        layout: Layers = None,
        types: Array | None = None,
        gates: Gates | None = None,
        implementation: str | None = None,
    ) -> Output:
        """Hidden states of every layer and, of a decoder, the logits of the next token.

        Args:
            params: what `load` gave.
            token_ids: ints `[batch, n]`; texts shorter than n are padded, with any id, and masked, or with -1.
            mask: bool or 0/1 `[batch, n]`, True = token. Tokens that are not there send nothing; their own rows of the
                output mean nothing, as in the original.
            layout: edges between the n tokens in place of the network's own: one for all layers, a sequence with one or
                None for each layer, or a mapping from layers, from heads as `(layer, head)`, and from None, which means
                all layers that are not named. A layout from `tgnn.stack` holds a graph for each text; any other is
                that of all. `replace`, `intersect`, `extend` and `knock_out` make such mappings.
            types: ints `[batch, n]`, which part of a pair of texts a token stands in (BERT, ALBERT); default 0.
            gates: numbers that multiply the outputs of heads: `[layers, heads]`, or a sequence with `[heads]`, or None,
                for each layer.
            implementation: see `tgnn.attend`.

        Returns:
            An `Output`. As in the original, the last hidden state of a decoder is the one after its final norm.

        Raises:
            ValueError: for token ids or lengths out of range, and shapes that disagree.
        """
        token_ids, keep = checked_tokens("token_ids", token_ids, mask, self.vocab_size, self.max_length)
        batch, n = token_ids.shape
        if types is not None:
            types = checked_types(params, types, token_ids.shape)
        layouts = layouts_of_layers(layout, len(self.layers), (n, n), batch)
        params, self = (params, self) if gates is None else self.with_gates(params, gates)
        hidden = run_batch(self, params, token_ids, keep, types, layouts, implementation)
        logits = run_unembed(params, hidden[-1]) if self.is_causal else None
        return Output(stack(hidden), logits)

    def graph(self, n: int) -> Layout:
        """The network's own edges between n tokens."""
        return own_graph(n, n, self.is_causal)

    @property
    def stack(self) -> str:
        """The name of its blocks among the parameters."""
        return "decoder" if self.is_causal else "encoder"

    def all_gates(self, params: Params, part: str = "attention") -> tuple[Array, ...]:
        """Open gates: ones `[heads]` for each layer; see `tgnn.pretrained.all_gates`."""
        return tuple(jnp.ones(count_heads(params[self.stack]["blocks"][i][part])) for i in self.layers)

    def with_gates(self, params: Params, gates: Gates, part: str = "attention") -> tuple[Params, "Model"]:
        """The network with gates in its parameters; see `tgnn.pretrained.with_gates`."""
        blocks, layers = blocks_with_gates(params[self.stack]["blocks"], self.layers, gates, part)
        return params | {self.stack: params[self.stack] | {"blocks": blocks}}, replace(self, layers=layers)

    def without_heads(self, params: Params, heads: Heads, part: str = "attention") -> tuple[Params, "Model"]:
        """The network with smaller weights; see `tgnn.pretrained.remove_heads`."""
        blocks, layers = blocks_without(params[self.stack]["blocks"], self.layers, heads, part)
        return params | {self.stack: params[self.stack] | {"blocks": blocks}}, replace(self, layers=layers)

    @property
    def limits(self) -> tuple[int, int]:
        """How many tokens there are, and how many a text may have."""
        return self.vocab_size, self.max_length

    @property
    def norm_function(self) -> Callable[[Params, Array], Array]:
        """The norm with its epsilon."""
        return partial(NORMS[self.norm], epsilon=self.epsilon)

    @property
    def rotate(self) -> Callable[[Array, Array], Array] | None:
        """The rotation of queries and keys, or None."""
        if self.rope_base is None:
            return None
        return partial(rotary, base=self.rope_base, interleaved=self.rope_interleaved)

    @property
    def options(self) -> dict[str, Any]:
        """The keywords of `transformer_block` and `cached_block`."""
        activation = ACTIVATIONS[self.activation]
        return {"norm": self.norm_function, "activation": activation, "rotate": self.rotate}

    def embed(self, params: Params, token_ids: Array, types: Array | None = None) -> Array:
        """The input of the first layer, `[n] -> [n, model_dim]`."""
        positions = None
        if self.padding_id is not None:
            real = token_ids != self.padding_id
            positions = jnp.where(real, jnp.cumsum(real), 0) + self.padding_id
        return embed(params, token_ids, positions, encoding=None, scale=1.0, types=types, norm=self.norm_function)


def run_text(
    model: Model,
    params: Params,
    token_ids: Array,
    keep: Array | None,
    types: Array | None,
    layouts: tuple[Any, ...],
    implementation: str | None,
    memory: Array | None = None,
    cross: tuple[Any, ...] | None = None,
) -> list[Array]:
    """The hidden states of one text, through as many layers as there are layouts: `[n, model_dim]` each."""
    n, stack = len(token_ids), params[model.stack]
    block = partial(transformer_block, implementation=implementation, **model.options)

    def apply(x, layer):
        parameters, (layout, memory_layout), _ = layer
        x = block(parameters, layout, x, memory, memory_layout)
        return x, x

    edges = [layout_of(layout, n, n, keep, model.is_causal) for layout in layouts]
    blocks = [stack["blocks"][i] for i in model.layers[: len(layouts)]]
    x = model.embed(params, token_ids, types)
    _, hidden = run_blocks(apply, blocks, x, list(zip(edges, cross or [None] * len(edges), strict=True)))
    if len(layouts) == len(model.layers) and "norm" in stack:
        hidden[-1] = model.norm_function(stack["norm"], hidden[-1])
    return [x, *hidden]


@compiled
def run_batch(
    model: Model,
    params: Params,
    token_ids: Array,
    keep: Array | None,
    types: Array | None,
    layouts: tuple[Any, ...],
    implementation: str | None,
) -> list[Array]:
    """`run_text` of every text: `[batch, n, model_dim]` each."""

    def run(token_ids, keep, types, layouts):
        return run_text(model, params, token_ids, keep, types, layouts, implementation)

    return jax.vmap(run, in_axes=(0, 0, 0, in_axes(layouts)))(token_ids, keep, types, layouts)


run_unembed: Callable[[Params, Array], Array] = compiled(unembed)


@compiled
def stack(arrays: list[Array]) -> Array:
    """Hidden states as one array."""
    return jnp.stack(arrays)


def checked_tokens(
    name: str, token_ids: Array, mask: Array | None, vocab_size: int, max_length: int
) -> tuple[Array, Array | None]:
    """Ids `[batch, n]` and which of them are there, None for all; or a ValueError."""
    given, token_ids = token_ids, as_index(name, token_ids)
    if np.ndim(token_ids) != 2:
        raise ValueError(f"{name} must have shape [batch, n], got {np.shape(token_ids)}; one text is {name}[None]")
    if not 1 <= token_ids.shape[1] <= max_length:
        raise ValueError(f"{name} has texts of {token_ids.shape[1]} tokens, but 1 ... {max_length} fit; cut them")
    keep = None if mask is None else _checked_mask(mask, token_ids.shape)
    if is_traced(token_ids):
        real = token_ids >= 0
        return token_ids, real if keep is None else keep & real
    known = np.asarray(given)  # where int64 is cut to int32, a negative id has become -1
    if known.size and (known.min() < -1 or known.max() >= vocab_size):
        raise ValueError(
            f"{name} go from {known.min()} to {known.max()}, but the vocabulary has {vocab_size}; use ids in 0 ... "
            f"{vocab_size - 1} of the network's own tokenizer, and -1 for padding"
        )
    if known.size and known.min() < 0:
        keep = jnp.asarray(known >= 0) if keep is None else keep & (known >= 0)
    return jnp.asarray(token_ids), keep


def _checked_mask(mask: Array, shape: tuple[int, ...]) -> Array:
    if np.shape(mask) != shape:
        raise ValueError(f"mask must have the shape of the tokens {shape}, got {np.shape(mask)}; give one per token")
    mask = jnp.asarray(mask)
    if mask.dtype != bool and not jnp.issubdtype(mask.dtype, jnp.integer):
        raise ValueError(f"mask must be bool (True = token), got {mask.dtype}; pass mask != 0")
    return mask != 0


def checked_types(params: Params, types: Array, shape: tuple[int, ...]) -> Array:
    """Ids of parts that exist, in the shape of the tokens."""
    types = as_index("types", types)
    if "types" not in params or np.shape(types) != shape:
        raise ValueError(
            f"types must be None or, for networks that have them, of the tokens' shape {shape}, got {np.shape(types)}; "
            "leave it out"
        )
    rows = params["types"]["table"].shape[0]
    if not is_traced(types) and np.size(types) and not 0 <= np.min(types) <= np.max(types) < rows:
        raise ValueError(f"types go from {np.min(types)} to {np.max(types)}, expected 0 ... {rows - 1}; renumber them")
    return jnp.asarray(types)
