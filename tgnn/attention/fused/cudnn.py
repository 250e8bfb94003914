"""Complete and Causal on NVIDIA GPUs through cuDNN, where its data types, sizes and masks allow.

cuDNN gives mean(value) for a row without any edge, so only layouts in which every receiver has one come here. Reached
through `jax.nn`, so that no kernel and no compiler parameter is kept in this library.
"""

import jax
import jax.numpy as jnp

from tgnn.attention.fused import kernel
from tgnn.attention.fused.derivatives import Call
from tgnn.attention.scores import DotProduct
from tgnn.graphs.dense import Causal, Complete
from tgnn.typing import Array

LARGEST_HEAD_DIM = 128  # on every generation


def on_gpu() -> bool:
    """Whether programs are compiled for an NVIDIA GPU by default."""
    return jax.default_backend() == "gpu"


def fits(layout, score, query, key, value, bias, edges, edge_value) -> bool:
    """Whether cuDNN computes exactly this graph, up to scale and dropout."""
    if any(x is not None for x in (bias, edges, edge_value)) or type(score) is not DotProduct:
        return False
    if type(layout) not in (Complete, Causal) or layout.receiver_segments is not None:
        return False
    if isinstance(layout, Causal) and not (
        isinstance(layout.offset, int) and layout.offset == 0 and layout.n_receivers == layout.n_senders
    ):
        return False
    dim = query.shape[-1]
    same = query.dtype == key.dtype == value.dtype and dim == value.shape[-1]
    small = query.dtype in (jnp.bfloat16, jnp.float16) and dim % 8 == 0 and 0 < dim <= LARGEST_HEAD_DIM
    return on_gpu() and same and small and layout.n_receivers > 0 and layout.n_senders > 0


def run(layout, query, key, value, scale) -> Array:
    """`attend` for a call that `fits`, with a scale that is None or a Python number."""
    return kernel.run(attend_of, layout, query, key, value, scale)


def attend_of(call: Call):
    """Query, key, value -> output, differentiable once."""

    def attend(query, key, value):
        batch = (x[None] for x in (query, key, value))
        is_causal = isinstance(call.layout, Causal)
        return jax.nn.dot_product_attention(*batch, scale=call.scale, is_causal=is_causal, implementation="cudnn")[0]

    return attend
