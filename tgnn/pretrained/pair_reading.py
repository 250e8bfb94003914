"""The attention weights of a loaded encoder–decoder: of the source, of the target, or from the target to the source."""

import jax

from tgnn.compiled import compiled
from tgnn.errors import check_size
from tgnn.nn.block import transformer_block
from tgnn.nn.stack import normed
from tgnn.nn.transformer import Layouts
from tgnn.pretrained.encoder_decoder import EncoderDecoder
from tgnn.pretrained.layouts import in_axes, layout_of, weight_matrices
from tgnn.pretrained.model import run_text
from tgnn.typing import Array, Params

PARTS = Layouts._fields


def read_pairs(
    params: Params,
    model: EncoderDecoder,
    source_ids: Array,
    target_ids: Array | None,
    *,
    part: str | None,
    layer: int,
    head: int | None,
    mask: Array | None,
    layout: Layouts | None,
) -> Array:
    """`attention` of an encoder–decoder; its `part` is a name of `Layouts`, and "source" needs no target.

    Returns:
        `[batch, heads, n_receivers, n_senders]`, or without heads those of one.

    Raises:
        ValueError: for a part, layer or head that does not exist, a missing target, and as the model.
    """
    if part not in PARTS:
        raise ValueError(f"part must be one of {', '.join(PARTS)}, got {part!r}; name a graph of the encoder–decoder")
    if target_ids is None and part != "source":
        raise ValueError(f"part {part!r} needs the target's tokens; pass target_ids after the source's")
    depth = len((model.encoder if part == "source" else model.decoder).layers)
    layer = check_size("layer", layer)
    if layer >= depth:
        raise ValueError(f"layer is {layer} but there are {depth}; choose 0 ... {depth - 1}")
    head = None if head is None else check_size("head", head)
    # The source's own weights hang on no target: any that fits will do.
    target_ids = source_ids[:, :1] if target_ids is None else target_ids
    arrays, layouts = model.checked(source_ids, target_ids, mask, layout)
    weights = run_pair_attention(model, params, *arrays, layouts, part, layer, head)
    return weights if head is None else weights[:, 0]


@compiled
def run_pair_attention(model, params, source_ids, keep, target_ids, kept, layouts, part, layer, head) -> Array:
    """The equations of `read_pairs`: `[batch, heads, n_receivers, n_senders]`."""
    side = model.encoder if part == "source" else model.decoder
    blocks = params["source"]["encoder"]["blocks"] if part == "source" else params["decoder"]["blocks"]
    block = blocks[side.layers[layer]]

    def of_rows(name, edges, x, memory=None):
        own, rotate = block[name], side.rotate if memory is None else None
        rows = normed(own, "norm_before", x, side.norm_function)
        return weight_matrices(own, edges, rows, memory, head=head, rotate=rotate)

    def read(source_ids, keep, target_ids, kept, source, target, cross):
        n, m = len(target_ids), len(source_ids)
        run = source[:layer] if part == "source" else source
        memory = run_text(model.encoder, params["source"], source_ids, keep, None, run, None)[-1]
        if part == "source":
            return of_rows("attention", layout_of(source[layer], m, m, keep, False), memory)
        cross = tuple(layout_of(layout, n, m, keep, False) for layout in cross[: layer + 1])
        sides = {"memory": memory, "cross": cross[:-1]}
        x = run_text(model.decoder, params, target_ids, kept, None, target[:layer], None, **sides)[-1]
        edges = layout_of(target[layer], n, n, kept, True)
        if part == "target":
            return of_rows("attention", edges, x)
        x = transformer_block({"attention": block["attention"]}, edges, x, **side.options)
        return of_rows("cross", cross[-1], x, memory)

    axes = (0, 0, 0, 0, *map(in_axes, layouts))
    return jax.vmap(read, in_axes=axes)(source_ids, keep, target_ids, kept, *layouts)
