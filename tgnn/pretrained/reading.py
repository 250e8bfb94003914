"""The attention weights of a loaded network: matrices of one layer or of all, or only those that are asked for."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.compiled import compiled
from tgnn.errors import as_index, check_size
from tgnn.graphs.layout import is_traced
from tgnn.nn.multi_head import multi_head_weights
from tgnn.nn.stack import before
from tgnn.pretrained.layouts import Layers, in_axes, is_stacked, layout_of, layouts_of_layers, to_matrix
from tgnn.pretrained.model import Model, checked_tokens, checked_types, run_text
from tgnn.typing import Array, Params


def attention(
    params: Params,
    model: Model,
    token_ids: Array,
    *,
    layer: int | None,
    head: int | None = None,
    mask: Array | None = None,
    layout: Layers = None,
    types: Array | None = None,
) -> Array:
    """How much each token attends to each other one in a layer.

    Args:
        params: what `load` gave.
        model: what `load` gave.
        token_ids: as for the model, like all that follow the next two.
        layer: in `0 ... layers - 1`, those after it are not run; None for all, from one run.
        head: in `0 ... heads - 1`; default all.
        mask: see `Model`.
        layout: see `Model`.
        types: see `Model`.

    Returns:
        `[batch, heads, n, n]`, or `[batch, n, n]` of one head: rows are receivers and sum to 1, columns are senders.
        0 where there is no edge. Of all layers with an axis of layers in front. `attention_at` makes no matrices.

    Raises:
        ValueError: for a layer or head that does not exist, and as the model.
    """
    depth = len(model.layers)
    wanted = tuple(range(depth)) if layer is None else (checked_layer("layer", layer, depth),)
    head = None if head is None else check_size("head", head)
    token_ids, keep = checked_tokens("token_ids", token_ids, mask, model.vocab_size, model.max_length)
    batch, n = token_ids.shape
    types = None if types is None else checked_types(params, types, token_ids.shape)
    layouts = layouts_of_layers(layout, depth, (n, n), batch)[: wanted[-1] + 1]
    weights = run_attention(model, params, token_ids, keep, types, layouts, wanted, head)
    weights = weights if layer is None else weights[0]  # [batch, heads, n, n]
    return weights if head is None else weights[..., 0, :, :]


def checked_layer(name: str, layer: Any, depth: int) -> int:
    """The number of a layer that exists, or a ValueError."""
    layer = check_size(name, layer)
    if layer >= depth:
        raise ValueError(f"{name} is {layer} but there are {depth}; choose 0 ... {depth - 1}")
    return layer


@compiled
def run_attention(model, params, token_ids, keep, types, layouts, wanted, head) -> Array:
    """The equations of `attention`: `[len(wanted), batch, heads, n, n]`."""

    def read(layer, part, edges, x):
        return to_matrix(edges, multi_head_weights(part, edges, x, head=head, rotate=model.rotate))

    return jnp.stack(read_layers(model, params, token_ids, keep, types, layouts, wanted, read))


def read_layers(model, params, token_ids, keep, types, layouts, wanted, read, *each) -> list[Array]:
    """What `read(layer, part, edges, x, *each)` gives of every layer that is wanted, `[batch, ...]` each, from one run.

    `part` are the weights of its attention, `edges` its graph, `x` the rows that it reads, `each` what else belongs to
    a text.
    """
    stack = params["decoder" if model.is_causal else "encoder"]

    def read_text(token_ids, keep, types, layouts, *each):
        n, found = len(token_ids), []
        hidden = run_text(model, params, token_ids, keep, types, layouts[:-1], None)
        for layer in wanted:
            part = stack["blocks"][model.layers[layer]]["attention"]
            edges = layout_of(layouts[layer], n, n, keep, model.is_causal)
            found.append(read(layer, part, edges, before(part, hidden[layer], model.norm_function), *each))
        return found

    axes = (0, 0, 0, in_axes(layouts), *(0 for _ in each))
    return jax.vmap(read_text, in_axes=axes)(token_ids, keep, types, layouts, *each)


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
    wanted = tuple(sorted(set(asked[0].tolist())))
    if not wanted:
        return jnp.zeros((batch, 0))
    layouts = layouts_of_layers(layout, depth, (n, n), batch)[: wanted[-1] + 1]
    entries = [np.flatnonzero(asked[0] == layer) for layer in wanted]
    places = []
    for layer, own in zip(wanted, entries, strict=True):
        places.append(places_of(layouts[layer], model.is_causal, keep, (batch, n), *(x[:, own] for x in asked[1:])))
    found = run_attention_at(model, params, token_ids, keep, types, layouts, wanted, places)
    order = np.argsort(np.concatenate(entries), kind="stable")
    return jnp.concatenate(found, axis=1)[:, order]  # [batch, k], as asked


def checked_places(layers, heads, receivers, senders, depth: int, batch: int) -> tuple[np.ndarray, Any, Any, Any]:
    """Layers `[k]` on the host; heads, receivers and senders `[batch, k]`."""
    layers = np.asarray(as_index("layers", layers))
    for layer in np.unique(layers):
        checked_layer("layers", layer, depth)
    given = {"heads": heads, "receivers": receivers, "senders": senders}
    given = {name: as_index(name, x) for name, x in given.items()}
    shapes = [np.shape(x) for x in (layers, *given.values())]
    try:
        k = np.broadcast_shapes(*(shape[-1:] for shape in shapes), (1,))
        host = not any(map(is_traced, given.values()))
        spread = np.broadcast_to if host else jnp.broadcast_to
        heads, receivers, senders = (spread(x, (batch, *k)) for x in given.values())
        return np.broadcast_to(layers, k), heads, receivers, senders
    except ValueError:
        raise ValueError(
            f"layers, heads, receivers and senders have shapes {shapes}, expected [k], or [{batch}, k] of the texts' "
            "own edges; give one entry for each weight"
        ) from None


def places_of(layout, is_causal: bool, keep, shape: tuple[int, int], heads, receivers, senders) -> tuple[Array, ...]:
    """Where the weights of each text stand, `[batch, k]` for each axis of the edges and for the heads."""
    batch, n = shape
    kept = None if keep is None else jnp.ones(n, bool)  # which edges are dead is known in the run

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
    return *(jnp.stack(x) for x in zip(*each, strict=True)), jnp.asarray(heads)


@compiled
def run_attention_at(model, params, token_ids, keep, types, layouts, wanted, places) -> list[Array]:
    """The equations of `attention_at`: `[batch, k]` of each layer that is wanted."""

    def read(layer, part, edges, x, places):
        return multi_head_weights(part, edges, x, rotate=model.rotate, at=places[wanted.index(layer)])

    return read_layers(model, params, token_ids, keep, types, layouts, wanted, read, places)
