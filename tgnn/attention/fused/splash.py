"""Complete, Causal and Window on TPUs through JAX's Splash attention, where its masks and sizes allow.

A mask that is known before compilation costs no memory, and blocks without edges are never visited. Segments, dilation
and offsets stay with the tiles of `rows.py`, which every device runs. The query is scaled in bfloat16, as Splash wants
it: a scale that is no power of two (head_dim 32 or 128) rounds each query once more than the definition does. Lowered
and run in interpret mode by the tests; not measured on a TPU.
"""

import jax
import jax.numpy as jnp

from tgnn.attention.fused import kernel
from tgnn.attention.fused.derivatives import Call
from tgnn.attention.scores import DotProduct
from tgnn.graphs.dense import Causal, Complete
from tgnn.graphs.window import Window
from tgnn.typing import Array

LANES = 128  # nodes come in multiples of a TPU's lanes
BLOCKS = 512, 256, LANES  # nodes of a block, the first that divides them all
INTERPRET = False  # True runs the kernels anywhere, slowly: for tests


def on_tpu() -> bool:
    """Whether programs are compiled for a TPU by default."""
    return jax.default_backend() == "tpu"


def fits(layout, score, query, key, value, bias, edges, edge_value) -> bool:
    """Whether Splash computes exactly this graph, up to scale and dropout."""
    if any(x is not None for x in (bias, edges, edge_value)) or type(score) is not DotProduct:
        return False
    if type(layout) not in (Complete, Causal, Window) or layout.receiver_segments is not None:
        return False
    if isinstance(layout, (Causal, Window)):
        shifted = not isinstance(layout.offset, int) or layout.offset != 0
        if shifted or layout.n_receivers != layout.n_senders or getattr(layout, "dilation", 1) != 1:
            return False
    lanes = all(n > 0 and n % LANES == 0 for n in (layout.n_receivers, layout.n_senders))
    return on_tpu() and lanes and query.dtype == key.dtype == value.dtype == jnp.bfloat16


def run(layout, query, key, value, scale) -> Array:
    """`attend` for a call that `fits`, with a scale that is None or a Python number."""
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    return kernel.run(attend_of, layout, query, key, value, scale)


def mask_of(layout, masks):
    """The layout in Splash's words."""
    shape = layout.n_receivers, layout.n_senders
    if isinstance(layout, Window):
        return masks.LocalMask(shape, (layout.left, layout.right), 0)
    return masks.CausalMask(shape) if isinstance(layout, Causal) else masks.FullMask(shape)


def attend_of(call: Call):
    """Query, key, value -> output, differentiable once."""
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_kernel as kernels
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_mask as masks

    q, kv = (next(b for b in BLOCKS if n % b == 0) for n in (call.layout.n_receivers, call.layout.n_senders))
    names = "block_kv", "block_kv_compute", "block_kv_dkv", "block_kv_dkv_compute", "block_kv_dq"
    sizes = kernels.BlockSizes(block_q=q, block_q_dkv=q, block_q_dq=q, **dict.fromkeys(names, kv))
    splash = kernels.make_splash_mha(
        masks.MultiHeadMask([mask_of(call.layout, masks)] * call.query.shape[1]),
        block_sizes=sizes,
        head_shards=1,
        q_seq_shards=1,
        interpret=INTERPRET,
    )

    def attend(query, key, value):
        heads_first = (jnp.moveaxis(x, 1, 0) for x in (query * jnp.asarray(call.scale, query.dtype), key, value))
        return jnp.moveaxis(splash(*heads_first), 0, 1)

    return attend
