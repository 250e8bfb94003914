"""The attention weights of a loaded encoder–decoder: of the source, of the target, or from the target to the source."""

import jax

from tgnn.analysis.reading import attention_of
from tgnn.compiled import compiled
from tgnn.errors import check_size
from tgnn.nn.transformer import Layouts
from tgnn.pretrained.encoder_decoder import EncoderDecoder, run_pair
from tgnn.pretrained.layouts import in_axes
from tgnn.typing import Array, Params

PARTS = {"source": "encoder/attention", "target": "decoder/attention", "cross": "decoder/cross"}


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
    arrays, (source, target, cross) = model.checked(source_ids, target_ids, mask, layout)
    own = target[: layer + 1], cross[: layer + 1]  # later layers are not run
    layouts = (source[: layer + 1], (), ()) if part == "source" else (source, *own)
    weights = run_pair_attention(model, params, *arrays, layouts, part, layer, head)
    return weights if head is None else weights[:, 0]


@compiled
def run_pair_attention(model, params, source_ids, keep, target_ids, kept, layouts, part, layer, head) -> Array:
    """The equations of `read_pairs`: `[batch, heads, n_receivers, n_senders]`."""

    def read(*pair):
        layers = [x for x in attention_of(run_pair, model, params, *pair) if x.name == PARTS[part]]
        return (layers[layer] if head is None else layers[layer].of(head)).matrix()

    axes = (0, 0, 0, 0, *map(in_axes, layouts))
    return jax.vmap(read, in_axes=axes)(source_ids, keep, target_ids, kept, *layouts)
