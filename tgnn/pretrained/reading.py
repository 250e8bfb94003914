"""The attention weights of a loaded network, of one layer or of all, as matrices."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from tgnn.analysis.reading import attention_of
from tgnn.compiled import compiled
from tgnn.errors import check_size
from tgnn.nn.stack import normed
from tgnn.pretrained.encoder_decoder import EncoderDecoder
from tgnn.pretrained.layouts import Layers, in_axes, layout_of, layouts_of_layers
from tgnn.pretrained.model import Model, checked_tokens, checked_types, run_text
from tgnn.pretrained.pair_reading import read_pairs
from tgnn.typing import Array, Params


def attention(
    params: Params,
    model: Model | EncoderDecoder,
    token_ids: Array,
    target_ids: Array | None = None,
    *,
    part: str | None = None,
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
        token_ids: as for the model, like all that follow layer and head; of an encoder–decoder those of the source.
        target_ids: of an encoder–decoder.
        part: which graph of an encoder–decoder: "source" (which needs no target_ids), "target" or "cross", from the
            source to the target.
        layer: in `0 ... layers - 1`, those after it are not run; None for all of a `Model`, from one run.
        head: in `0 ... heads - 1`; default all.
        mask: see `Model`.
        layout: see `Model`.
        types: see `Model`.

    Returns:
        `[batch, heads, n, n]`, or `[batch, n, n]` of one head: rows are receivers and sum to 1, columns are senders.
        0 where there is no edge. Of an encoder–decoder `[batch, heads, n_receivers, n_senders]`. Of all layers with an
        axis of layers in front. `attention_at` makes no matrices.

    Raises:
        ValueError: for a layer or head that does not exist, and as the model.
    """
    if isinstance(model, EncoderDecoder):
        options = {"layer": layer, "head": head, "mask": mask, "layout": layout}
        return read_pairs(params, model, token_ids, target_ids, part=part, **options)
    if target_ids is not None or part is not None:
        raise ValueError(f"{model.architecture} has one graph; target_ids and part are an encoder–decoder's")
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
def run_attention(
    model: Model,
    params: Params,
    token_ids: Array,
    keep: Array | None,
    types: Array | None,
    layouts: tuple[Any, ...],
    wanted: Sequence[int],
    head: int | None,
) -> Array:
    """The equations of `attention`: `[len(wanted), batch, heads, n, n]`."""

    def read(*text):
        layers = attention_of(run_text, model, params, *text, None)
        return jnp.stack([(layers[i] if head is None else layers[i].of(head)).matrix() for i in wanted])

    return jax.vmap(read, in_axes=(0, 0, 0, in_axes(layouts)), out_axes=1)(token_ids, keep, types, layouts)


def read_layers(
    model: Model,
    params: Params,
    token_ids: Array,
    keep: Array | None,
    types: Array | None,
    layouts: tuple[Any, ...],
    wanted: Sequence[int],
    read: Callable[..., Array],
    each: Any = None,
) -> list[Array]:
    """What `read(i, part, edges, x, each[i])` gives of the layers `wanted[i]`, from one run: `[batch, ...]` each.

    `part` are the weights of its attention, `edges` its graph, `x` the rows that it reads; `each` are arrays with an
    axis of texts in front, a list of what belongs to each layer, or None.
    """
    stack = params["decoder" if model.is_causal else "encoder"]

    def read_text(token_ids, keep, types, layouts, each):
        n, found = len(token_ids), []
        hidden = run_text(model, params, token_ids, keep, types, layouts[:-1], None)
        for i, layer in enumerate(wanted):
            part = stack["blocks"][model.layers[layer]]["attention"]
            edges = layout_of(layouts[layer], n, n, keep, model.is_causal)
            rows = normed(part, "norm_before", hidden[layer], model.norm_function)
            found.append(read(i, part, edges, rows, None if each is None else each[i]))
        return found

    return jax.vmap(read_text, in_axes=(0, 0, 0, in_axes(layouts), 0))(token_ids, keep, types, layouts, each)
