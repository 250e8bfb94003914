"""The attention weights of one layer of a loaded network, as matrices."""

import jax

from tgnn.compiled import compiled
from tgnn.errors import check_size
from tgnn.nn.multi_head import multi_head_weights
from tgnn.nn.stack import normed
from tgnn.pretrained.layouts import Layers, in_axes, layout_of, layouts_of_layers, to_matrix
from tgnn.pretrained.model import Model, checked_tokens, checked_types, run_text
from tgnn.typing import Array, Params


def attention(
    params: Params,
    model: Model,
    token_ids: Array,
    *,
    layer: int,
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
        layer: in `0 ... layers - 1`; those after it are not run.
        head: in `0 ... heads - 1`; default all.
        mask: see `Model`.
        layout: see `Model`.
        types: see `Model`.

    Returns:
        `[batch, heads, n, n]`, or `[batch, n, n]` of one head: rows are receivers and sum to 1, columns are senders.
        0 where there is no edge.

    Raises:
        ValueError: for a layer or head that does not exist, and as the model.
    """
    layer = check_size("layer", layer)
    if layer >= len(model.layers):
        raise ValueError(f"layer is {layer} but there are {len(model.layers)}; choose 0 ... {len(model.layers) - 1}")
    head = None if head is None else check_size("head", head)
    token_ids, keep = checked_tokens("token_ids", token_ids, mask, model.vocab_size, model.max_length)
    batch, n = token_ids.shape
    types = None if types is None else checked_types(params, types, token_ids.shape)
    layouts = layouts_of_layers(layout, len(model.layers), (n, n), batch)[: layer + 1]
    weights = run_attention(model, params, token_ids, keep, types, layouts, head)
    return weights if head is None else weights[:, 0]


@compiled
def run_attention(model, params, token_ids, keep, types, layouts, head) -> Array:
    """The equations of `attention`: `[batch, heads, n, n]`."""
    stack = params["decoder" if model.is_causal else "encoder"]
    part = stack["blocks"][model.layers[len(layouts) - 1]]["attention"]

    def weights(token_ids, keep, types, layouts):
        n = len(token_ids)
        x = run_text(model, params, token_ids, keep, types, layouts[:-1], None)[-1]
        edges = layout_of(layouts[-1], n, n, keep, model.is_causal)
        rows = normed(part, "norm_before", x, model.norm_function)
        return to_matrix(edges, multi_head_weights(part, edges, rows, head=head, rotate=model.rotate))

    return jax.vmap(weights, in_axes=(0, 0, 0, in_axes(layouts)))(token_ids, keep, types, layouts)
