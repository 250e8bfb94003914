"""A loaded encoder–decoder: three graphs, source to source, target to target and source to target."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.attention.recording import scope
from tgnn.compiled import compiled
from tgnn.errors import check_size
from tgnn.graphs import Complete
from tgnn.graphs.layout import is_traced
from tgnn.nn.cached_block import cached_block
from tgnn.nn.decoding import decode_step, init_cache
from tgnn.nn.search import greedy
from tgnn.nn.tokens import unembed
from tgnn.nn.transformer import Layouts
from tgnn.pretrained.layouts import in_axes, layout_of, layouts_of_layers, own_graph
from tgnn.pretrained.model import Model, checked_tokens, run_text
from tgnn.typing import Array, Params


class Translation(NamedTuple):
    """What an encoder–decoder says of a batch of pairs."""

    memory: Array  # [batch, n_source, model_dim]: the encoder's last hidden state
    logits: Array  # [batch, n_target, vocab_size]: of the next target token at each


@dataclass(frozen=True)
class EncoderDecoder:
    """The post-LN Transformer of 2017, such as ANARCII: what it does, without its numbers; hashable.

    Attributes:
        architecture: its name.
        encoder: of the source.
        decoder: of the target, whose blocks also attend to the memory.
        padding_id: the token of both sides that sends nothing.
    """

    architecture: str
    encoder: Model
    decoder: Model
    padding_id: int

    def __call__(
        self,
        params: Params,
        source_ids: Array,
        target_ids: Array,
        *,
        mask: Array | None = None,
        layout: Layouts | None = None,
        gates: Layouts | None = None,
        implementation: str | None = None,
    ) -> Translation:
        """The memory of a source, and the logits of each next token of a target.

        Args:
            params: what `load` gave.
            source_ids: ints `[batch, n_source]`.
            target_ids: ints `[batch, n_target]`, of which padding sends nothing.
            mask: bool or 0/1 `[batch, n_source]`, True = token; default all that are no padding.
            layout: `tgnn.nn.transformer.Layouts`, each part of which is None for the network's own graph, or what
                `Model` takes as its layout.
            gates: likewise, the numbers that multiply the outputs of heads: each part None or what `Model` takes.
            implementation: see `tgnn.attend`.

        Returns:
            A `Translation`.

        Raises:
            ValueError: for token ids or lengths out of range, and shapes that disagree.
        """
        arrays, layouts = self.checked(source_ids, target_ids, mask, layout)
        params, self = (params, self) if gates is None else self.with_gates(params, gates)
        return Translation(*run_pairs(self, params, *arrays, layouts, implementation))

    def checked(
        self, source_ids: Array, target_ids: Array, mask: Array | None, layout: Layouts | None
    ) -> tuple[Any, ...]:
        """The ids of both sides, each with which of them send, and the layouts of every layer; or a ValueError."""
        source_ids, keep = self.checked_source(source_ids, mask)
        target_ids, kept = checked_tokens(
            "target_ids", target_ids, no_padding(target_ids, self.padding_id), *self.decoder.limits
        )
        if len(source_ids) != len(target_ids):
            raise ValueError(f"{len(source_ids)} sources have {len(target_ids)} targets; give one for each")
        batch, n, m = len(target_ids), target_ids.shape[1], source_ids.shape[1]
        layout = Layouts(None, None, None) if layout is None else layout
        depths, shapes = (self.encoder, self.decoder, self.decoder), ((m, m), (n, n), (n, m))
        layouts = [
            layouts_of_layers(part, len(model.layers), shape, batch)
            for part, model, shape in zip(layout, depths, shapes, strict=True)
        ]
        return (source_ids, keep, target_ids, kept), layouts

    def graph(self, n_source: int, n_target: int) -> Layouts:
        """The network's own edges."""
        return Layouts(
            self.encoder.graph(n_source), self.decoder.graph(n_target), own_graph(n_target, n_source, is_causal=False)
        )

    def all_gates(self, params: Params) -> Layouts:
        """Open gates of the three kinds of attention; see `tgnn.pretrained.all_gates`."""
        target, cross = (self.decoder.all_gates(params, part) for part in ("attention", "cross"))
        return Layouts(self.encoder.all_gates(params["source"]), target, cross)

    def with_gates(self, params: Params, gates: Layouts) -> tuple[Params, "EncoderDecoder"]:
        """The network with gates in its parameters; see `tgnn.pretrained.with_gates`."""
        return self.edited(params, gates, "with_gates")

    def without_heads(self, params: Params, heads: Layouts) -> tuple[Params, "EncoderDecoder"]:
        """The network with smaller weights; see `tgnn.pretrained.remove_heads`."""
        return self.edited(params, heads, "without_heads")

    def edited(self, params: Params, parts: Layouts, verb: str) -> tuple[Params, "EncoderDecoder"]:
        """A verb of `Model` on the three kinds of attention."""
        source, target, cross = parts
        encoder, decoder = self.encoder, self.decoder
        if source is not None:
            inner, encoder = getattr(encoder, verb)(params["source"], source)
            params = params | {"source": inner}
        for part, values in (("attention", target), ("cross", cross)):
            if values is not None:
                params, decoder = getattr(decoder, verb)(params, values, part)
        return params, replace(self, encoder=encoder, decoder=decoder)

    def checked_source(self, source_ids: Array, mask: Array | None) -> tuple[Array, Array | None]:
        """The source's ids, and which of them send."""
        mask = no_padding(source_ids, self.padding_id) if mask is None else mask
        return checked_tokens("source_ids", source_ids, mask, *self.encoder.limits)


def no_padding(ids: Array, padding_id: int) -> Array:
    """Which ids are no padding."""
    return ids != padding_id if is_traced(ids) else np.asarray(ids) != padding_id


@compiled
def run_pairs(
    model: EncoderDecoder, params: Params, source_ids, keep, target_ids, kept, layouts, implementation
) -> tuple[Array, Array]:
    """The equations of an encoder–decoder."""

    def run(*pair):
        memory, x = run_pair(model, params, *pair, implementation)
        return memory, unembed(params, x)

    axes = (0, 0, 0, 0, *map(in_axes, layouts))
    return jax.vmap(run, in_axes=axes)(source_ids, keep, target_ids, kept, *layouts)


def run_pair(
    model: EncoderDecoder,
    params: Params,
    source_ids: Array,
    keep: Array | None,
    target_ids: Array,
    kept: Array | None,
    source: tuple[Any, ...],
    target: tuple[Any, ...],
    cross: tuple[Any, ...],
    implementation: str | None = None,
) -> tuple[Array, Array]:
    """The memory of one source and the last hidden states of its target; layouts of as many layers as are to run."""
    n, m = len(target_ids), len(source_ids)
    with scope("encoder"):
        memory = run_text(model.encoder, params["source"], source_ids, keep, None, source, implementation)[-1]
    cross = tuple(layout_of(layout, n, m, keep, False) for layout in cross)
    sides = {"memory": memory, "cross": cross}
    with scope("decoder"):
        x = run_text(model.decoder, params, target_ids, kept, None, target, implementation, **sides)[-1]
    return memory, x


def translate(
    params: Params,
    model: EncoderDecoder,
    source_ids: Array,
    *,
    start: int,
    end: int,
    max_length: int,
    mask: Array | None = None,
) -> Array:
    """The most probable target of each source, token by token, with the past kept.

    Args:
        params: what `load` gave.
        model: what `load` gave, an encoder–decoder.
        source_ids: ints `[batch, n_source]`.
        start: the token before the first one.
        end: the token that ends a target; -1 never comes.
        max_length: how many tokens to decode at most.
        mask: as for the model.

    Returns:
        Ints `[batch, max_length]`, without start, filled with `end`.

    Raises:
        ValueError: as the model, and for more tokens than fit.
    """
    source_ids, keep = model.checked_source(source_ids, mask)
    if check_size("max_length", max_length, minimum=1) > model.decoder.max_length:
        raise ValueError(f"max_length is {max_length}, but {model.decoder.max_length} tokens fit; choose fewer")
    checked_tokens("start", np.array([[start]]), None, *model.decoder.limits)
    return run_translate(model, params, source_ids, keep, start, end, max_length)


@compiled
def run_translate(
    model: EncoderDecoder, params: Params, source_ids: Array, keep: Array | None, start: int, end: int, max_length: int
) -> Array:
    """The searches of `translate`."""
    options = model.decoder.options
    places = {"block": partial(cached_block, **options), "norm": options["norm"], "encoding": None}

    def run(source_ids, keep):
        own = (None,) * len(model.encoder.layers)
        memory = run_text(model.encoder, params["source"], source_ids, keep, None, own, None)[-1]
        edges = layout_of(Complete(1, len(memory)), 1, len(memory), keep, False)

        def step(cache, tokens):
            return decode_step(params, cache, tokens, edges, embedding_scale=1.0, **places)

        cache = init_cache(params, max_length, memory)
        return greedy(step, cache, jnp.int32(start), end=end, max_length=max_length)

    return jax.vmap(run)(source_ids, keep)
