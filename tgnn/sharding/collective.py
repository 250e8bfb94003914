"""What devices that hold parts of a graph put together: `tgnn.attention.merge`, over an axis of a mesh."""

import jax

from tgnn.softmax import group_log_sum_exp, group_softmax
from tgnn.typing import Array


def merge_over(axis: str, output: Array, lse: Array) -> tuple[Array, Array]:
    """The whole, on every device, from the parts of all: inside `shard_map`.

    Each device sends [n_receivers, heads] twice (maxima and sums) and [n_receivers, heads, value_dim] once.

    Args:
      axis: of the mesh.
      output: of this device's edges, [n_receivers, heads, value_dim], float32 or wider.
      lse: of this device's edges, [n_receivers, heads].
    """

    def reduce(x, op):
        return jax.lax.pmax(x, axis) if op == "max" else jax.lax.psum(x, axis)

    rules = None, reduce, lambda x: x
    share = group_softmax(lse, *rules)
    return jax.lax.psum(share[..., None] * output, axis), group_log_sum_exp(lse, *rules)
