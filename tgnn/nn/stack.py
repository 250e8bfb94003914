"""What runs one after the other: the parts of a block inside residual connections, and the blocks of a stack."""

from collections.abc import Callable
from typing import Any

import jax

from tgnn.nn.basic import dropout, fold, layer_norm
from tgnn.typing import Array, Params

Norm = Callable[[Params, Array], Array]


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
        rng: key of the dropout, wherever its rate is not 0.

    Returns:
        `[n, model_dim]`.
    """
    for i, (name, part) in enumerate(parts.items()):
        if name in params:
            x = residual(params[name], part, x, norm, dropout_rate, fold(rng, i))
    return x


def residual(params: Params, part: Callable, x: Array, norm: Norm, dropout_rate: float, rng: Array | None) -> Array:
    """A part inside its residual connection, with its norm before or after."""
    new = part(normed(params, "norm_before", x, norm), fold(rng, 1))
    return normed(params, "norm_after", x + dropout(fold(rng, 0), new, dropout_rate), norm)


def normed(params: Params, name: str, x: Array, norm: Norm = layer_norm) -> Array:
    """Rows normalised where the parameters have a norm of that name, else as they are.

    `"norm_before"` is what a pre-LN part has, `"norm_after"` a post-LN one, `"norm"` the end of a pre-LN stack.
    """
    return norm(params[name], x) if name in params else x


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
