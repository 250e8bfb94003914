"""Blocks that read a learnt combination of everything before them, in place of the last block's output alone."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tgnn.errors import check_size
from tgnn.typing import Array, Params

Norm = Callable[[Params, Array], Array]


def init_mixing(num_layers: int, norm: Params, *, norm_first: bool = True) -> Params:
    """Initialises `{"weights": [num_layers + 1, num_layers + 1], "norm_before" or "norm_after"}`: averages.

    Args:
        num_layers: blocks of the stack.
        norm: a norm's initial parameters, such as `init_layer_norm(dim)`, of which each row of the weights gets a copy.
        norm_first: whether each output is normalised before it is combined, or each combination afterwards.
    """
    size = check_size("num_layers", num_layers, minimum=1) + 1
    weights = np.tril(np.ones((size, size))) / np.arange(1, size + 1)[:, None]
    norms = jax.tree.map(lambda leaf: jnp.tile(leaf, (size,) + (1,) * leaf.ndim), norm)
    return {"weights": jnp.asarray(weights, jnp.float32), "norm_before" if norm_first else "norm_after": norms}


def mix(params: Params, outputs: Array, row: Any, norm: Norm) -> Array:
    """The dynamic linear combination of layers: what the block in that row reads.

    Block l reads the sum over k <= l of weights[l, k] * norm(y_k), y_0 being the input of the stack and y_k the output
    of block k; the stack's output is the sum in the last row. Post-LN, the sum is normalised and not its terms. The
    weights of what comes later (the upper triangle) meet zeros.

    Args:
        params: what `init_mixing` made; without a norm nothing is normalised, and with an identity for weights the
            stack is then the plain one.
        outputs: `[num_layers + 1, n, dim]`, what `begin_mixing` and `put_output` made.
        row: int, perhaps traced.
        norm: `layer_norm` or `rms_norm`.

    Returns:
        `[n, dim]`. Outputs take num_layers * n * dim numbers, and the backward pass keeps them for every block.

    Reference: Wang et al., Learning Deep Transformer Models for Machine Translation, arXiv:1906.01787, section 3: the
        first weights are those of an average. Its equations give every y_k a norm, which its code does not do for y_0;
        here y_0 has one.
    """
    # [num_layers + 1] and [num_layers + 1, n, dim] -> [n, dim]
    mixed = jnp.tensordot(params["weights"][row].astype(outputs.dtype), outputs, 1)
    return normed_in_row(params, "norm_after", row, mixed, norm)


def begin_mixing(params: Params, x: Array, norm: Norm) -> Array:
    """What there is before the first block: `[n, dim] -> [num_layers + 1, n, dim]`, zeros but for the first."""
    return put_output(params, jnp.zeros((len(params["weights"]), *x.shape), x.dtype), 0, x, norm)


def put_output(params: Params, outputs: Array, row: Any, y: Array, norm: Norm) -> Array:
    """The outputs with one more."""
    return outputs.at[row].set(normed_in_row(params, "norm_before", row, y, norm))


def normed_in_row(params: Params, name: str, row: Any, x: Array, norm: Norm) -> Array:
    """Rows normalised with the norm of one place in the stack, where there are norms of that name."""
    return norm(jax.tree.map(lambda leaf: leaf[row], params[name]), x) if name in params else x
