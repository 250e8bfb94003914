"""What runs one after the other: the parts of a block inside residual connections, and the blocks of a stack."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from tgnn.attention.recording import is_recording, scope
from tgnn.nn.basic import dropout, fold, layer_norm
from tgnn.nn.gating import gru_gate
from tgnn.nn.layer_mixing import Norm, begin_mixing, mix, put_output
from tgnn.typing import Array, Params


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
            with scope(name):
                x = residual(params[name], part, x, norm, dropout_rate, fold(rng, i))
    return x


def residual(params: Params, part: Callable, x: Array, norm: Norm, dropout_rate: float, rng: Array | None) -> Array:
    """A part inside its residual connection, with the norms that its parameters have, and their gate for the sum."""
    new = part(normed(params, "norm_before", x, norm), fold(rng, 1))
    new = dropout(fold(rng, 0), normed(params, "norm_inside", new, norm), dropout_rate)
    joined = gru_gate(params["gru"], x, jax.nn.relu(new)) if "gru" in params else x + new
    return normed(params, "norm_after", joined, norm)


def normed(params: Params, name: str, x: Array, norm: Norm = layer_norm) -> Array:
    """Rows normalised where the parameters have a norm of that name, else as they are.

    `"norm_before"` is what a pre-LN part has, `"norm_after"` a post-LN one, `"norm_inside"` a sandwich for what it
    adds; `"norm"` is the end of a pre-LN stack.
    """
    return norm(params[name], x) if name in params else x


def run_stacked(
    apply: Callable,
    params: Params,
    x: Array,
    each: Any = None,
    *,
    norm: Norm = layer_norm,
    rng: Array | None = None,
) -> tuple[Array, Any]:
    """`run_blocks` on `params["blocks"]`, each block reading what `params["mixing"]` makes of all before it.

    Args:
        apply: as for `run_blocks`.
        params: `{"blocks", ["mixing"]}`; without the latter a block reads the output of the one before.
        x: what the stack receives.
        each: as for `run_blocks`.
        norm: of the mixing.
        rng: as for `run_blocks`.
    """
    blocks, mixing = params["blocks"], params.get("mixing")
    if mixing is None:
        return run_blocks(apply, blocks, x, each, rng=rng)

    def apply_mixed(outputs, block_params):
        block, (extra, row), block_rng = block_params
        y, output = apply(mix(mixing, outputs, row, norm), (block, extra, block_rng))
        return put_output(mixing, outputs, row + 1, y, norm), output

    depth = len(mixing["weights"]) - 1
    if isinstance(blocks, (list, tuple)):
        places: Any = [(None if each is None else each[i], i) for i in range(depth)]
    else:
        places = each, jnp.arange(depth)
    outputs, found = run_blocks(apply_mixed, blocks, begin_mixing(mixing, x, norm), places, rng=rng)
    return mix(mixing, outputs, depth, norm), found


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
    if not listed and not is_recording():
        return jax.lax.scan(apply, x, (blocks, each, rngs))
    if not listed:
        blocks, each = unstacked(blocks, depth), None if each is None else unstacked(each, depth)
    outputs = []
    for i, block in enumerate(blocks):
        x, output = apply(x, (block, None if each is None else each[i], None if rngs is None else rngs[i]))
        outputs.append(output)
    return x, outputs if listed else jax.tree.map(lambda *leaves: jnp.stack(leaves), *outputs)


def unstacked(tree: Any, depth: int) -> list[Any]:
    """What is stacked along a leading axis, as a list: one program for all, also where nothing else is jitted."""
    with jax.disable_jit(False):
        return slices(tree, depth)


@partial(jax.jit, static_argnames="depth")
def slices(tree: Any, depth: int) -> list[Any]:
    """The program of `unstacked`, kept for every depth."""
    return [jax.tree.map(lambda x, i=i: x[i], tree) for i in range(depth)]


def listed(blocks: Params) -> list[Params]:
    """One pytree for each block, stacked or not. A scan over stacked caches would copy all of them at every step."""
    if isinstance(blocks, (list, tuple)):
        return list(blocks)
    return unstacked(blocks, jax.tree.leaves(blocks)[0].shape[0])


def map_blocks(f: Callable, blocks: Params) -> Any:
    """Applies f to every block: stacked blocks give stacked results, a list gives a list."""
    return [f(block) for block in blocks] if isinstance(blocks, (list, tuple)) else jax.vmap(f)(blocks)
