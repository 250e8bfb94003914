"""The attention weights of some edges of a loaded network: no matrix of all is made where a fused path exists."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.compiled import compiled
from tgnn.errors import as_index
from tgnn.graphs.layout import is_traced
from tgnn.nn.multi_head import multi_head_weights
from tgnn.nn.per_head import PerHead
from tgnn.pretrained.layouts import Layers, is_stacked, layout_of, layouts_of_layers
from tgnn.pretrained.model import Model, checked_tokens, checked_types
from tgnn.pretrained.reading import checked_layer, read_layers
from tgnn.typing import Array, ArrayLike, Params


class Asked(NamedTuple):
    """Which weights: entry i is that of one edge, head and layer."""

    layers: np.ndarray  # [k]
    heads: Any  # [k]
    receivers: Any  # [batch, k]
    senders: Any  # [batch, k]


def attention_at(
    params: Params,
    model: Model,
    token_ids: Array,
    *,
    layers: int | Sequence[int],
    heads: Array,
    receivers: Array,
    senders: Array,
    mask: Array | None = None,
    layout: Layers = None,
    types: Array | None = None,
) -> Array:
    """The attention weights of some edges alone, from one run: no matrix of all is made where a fused path exists.

    What is asked for has shape `[k]`, or is one number for all k: entry i is the weight of the edge from `senders[i]`
    to `receivers[i]` in head `heads[i]` of layer `layers[i]`. The statistics of the softmax are recovered from fused
    runs, and only these edges are scored again (`tgnn.attention_weights(at=)`).

    Args:
        params: what `load` gave.
        model: what `load` gave.
        token_ids: as for the model, like those that follow the edges.
        layers: Python ints, known before jit; layers after the last of them are not run.
        heads: ints.
        receivers: ints, or `[batch, k]` of each text its own.
        senders: ints, or `[batch, k]` of each text its own.
        mask: see `Model`.
        layout: see `Model`.
        types: see `Model`.

    Returns:
        `[batch, k]`; 0 where there is no such edge, node or head.

    Raises:
        ValueError: for a layer that does not exist, shapes that disagree, and as the model.
    """
    depth = len(model.layers)
    token_ids, keep = checked_tokens("token_ids", token_ids, mask, model.vocab_size, model.max_length)
    batch, n = token_ids.shape
    types = None if types is None else checked_types(params, types, token_ids.shape)
    asked = checked_places(layers, heads, receivers, senders, depth, batch)
    if not asked.layers.size:
        return jnp.zeros((batch, 0))
    layouts = layouts_of_layers(layout, depth, (n, n), batch)[: asked.layers.max() + 1]
    parts = parts_of(asked, layouts)
    places = [places_of(part, layouts, model.is_causal, keep, (batch, n), asked) for part in parts]
    wanted = tuple(part.layer for part in parts)
    found = run_attention_at(model, params, token_ids, keep, types, layouts, wanted, [x.head for x in parts], places)
    order = np.argsort(np.concatenate([part.entries for part in parts]), kind="stable")
    return jnp.concatenate(found, axis=1)[:, order]  # [batch, k], as asked


def checked_places(
    layers: ArrayLike, heads: ArrayLike, receivers: ArrayLike, senders: ArrayLike, depth: int, batch: int
) -> Asked:
    """What is asked for, in one shape, on the host where it is known."""
    layers = np.asarray(as_index("layers", layers))
    for layer in np.unique(layers):
        checked_layer("layers", layer, depth)
    given = {"heads": heads, "receivers": receivers, "senders": senders}
    given = {name: as_index(name, x) for name, x in given.items()}
    shapes = [np.shape(x) for x in (layers, *given.values())]
    spread = jnp.broadcast_to if any(map(is_traced, given.values())) else np.broadcast_to
    try:
        k = np.broadcast_shapes(*(shape[-1:] for shape in shapes), (1,))
        ends = (spread(given[name], (batch, *k)) for name in ("receivers", "senders"))
        return Asked(np.broadcast_to(layers, k), spread(given["heads"], k), *ends)
    except ValueError:
        raise ValueError(
            f"layers, heads, receivers and senders have shapes {shapes}, expected [k], or [{batch}, k] of the texts' "
            "own edges; give one entry for each weight"
        ) from None


class Part(NamedTuple):
    """Entries that are read together."""

    layer: int
    head: int | None  # where heads have graphs of their own
    entries: np.ndarray  # [k of this part]


def parts_of(asked: Asked, layouts: Sequence[Any]) -> list[Part]:
    """The entries of each layer, or of each head where heads have graphs of their own."""
    parts = []
    for layer in np.unique(asked.layers).tolist():
        own = np.flatnonzero(asked.layers == layer)
        if not isinstance(layouts[layer], PerHead):
            parts.append(Part(layer, None, own))
            continue
        heads = np.asarray(asked.heads)[own]
        parts += [Part(layer, head, own[heads == head]) for head in np.unique(heads).tolist()]
    return parts


def places_of(
    part: Part, layouts: Sequence[Any], is_causal: bool, keep: Array | None, shape: tuple[int, int], asked: Asked
) -> tuple[Array, ...]:
    """Where the weights of each text stand, `[batch, k]` for each axis of the edges and for the heads."""
    batch, n = shape
    layout = layouts[part.layer] if part.head is None else layouts[part.layer].of(part.head)
    kept = None if keep is None else jnp.ones(n, bool)  # which edges are dead is known in the run
    heads = asked.heads[part.entries] if part.head is None else np.zeros(len(part.entries), np.int32)
    receivers, senders = asked.receivers[:, part.entries], asked.senders[:, part.entries]

    def locate(text: int) -> tuple[Array, ...]:
        own = jax.tree.map(lambda x: x[text], layout) if is_stacked(layout) else layout
        own = layout_of(own, n, n, kept, is_causal)
        if any(map(is_traced, (senders, receivers))):
            return own.locate(senders[text], receivers[text])
        ends = np.stack([senders[text], receivers[text]])
        once, back = np.unique(ends, axis=1, return_inverse=True)  # locate takes a pair's k-th copy for the k-th edge
        return tuple(x[back.ravel()] for x in own.locate(*once))

    same = not is_stacked(layout) and all(not is_traced(x) and (x == x[:1]).all() for x in (receivers, senders))
    each = [locate(0)] * batch if same else [locate(text) for text in range(batch)]
    places = *(jnp.stack(x) for x in zip(*each, strict=True)), jnp.broadcast_to(heads, (batch, len(part.entries)))
    return places


@compiled
def run_attention_at(model, params, token_ids, keep, types, layouts, wanted, heads, places) -> list[Array]:
    """The equations of `attention_at`: `[batch, k]` of each part."""

    def read(i, part, edges, x, at):
        head = heads[i]
        edges = edges if head is None else edges.of(head)
        return multi_head_weights(part, edges, x, head=head, rotate=model.rotate, at=at)

    return read_layers(model, params, token_ids, keep, types, layouts, wanted, read, places)
