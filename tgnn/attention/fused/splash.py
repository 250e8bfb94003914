"""Complete, Causal and Window on TPUs through JAX's Splash attention, where its masks and sizes allow.

A mask that is known before compilation costs no memory, and blocks without edges are never visited. Segments, dilation
and offsets stay with the tiles of `rows.py`, which every device runs. The query is scaled in bfloat16, as Splash wants
it: a scale that is no power of two (head_dim 32 or 128) rounds each query once more than the definition does. Lowered
and run in interpret mode by the tests; not measured on a TPU.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from tgnn.attention.call import Call
from tgnn.attention.fused import kernel
from tgnn.attention.fused.execution import Execution, Form, backend, is_plain
from tgnn.typing import Array

LANES = 128  # nodes come in multiples of a TPU's lanes
BLOCKS = 512, 256, LANES  # nodes of a block, the first that divides them all
INTERPRET = False  # True runs the kernels anywhere, slowly: for tests


def on_tpu() -> bool:
    """Whether programs are compiled for a TPU by default."""
    return backend() == "tpu"


class Splash(Execution):
    """JAX's Splash attention."""

    name = "Splash"
    form: Form = ("matrix", "band")
    when = "on TPUs; not measured"
    has_statistics = False

    def refusal(self, call: Call) -> str | None:
        if not on_tpu():
            return "it is for TPUs"
        if not is_plain(call):
            return "it takes dot products without bias, edge arrays and dropout, and a number as scale"
        if call.layout.known_mask() is None:
            return "its masks are complete, causal and windows, without segments, offset and dilation"
        if any(n % LANES for n in (call.layout.n_receivers, call.layout.n_senders)):
            return f"nodes must come in multiples of {LANES}"
        if not call.query.dtype == call.key.dtype == call.value.dtype == jnp.bfloat16:
            return "it computes in bfloat16"
        return None

    def is_faster(self, call: Call) -> bool:
        return True

    def run(self, call: Call) -> Array:
        return kernel.run(attend_of, call)


def mask_of(call: Call, masks: Any) -> Any:
    """The layout in Splash's words."""
    shape = call.layout.n_receivers, call.layout.n_senders
    kind, *steps = call.layout.known_mask() or ("none",)
    if kind == "local":
        return masks.LocalMask(shape, tuple(steps), 0)
    return masks.CausalMask(shape) if kind == "causal" else masks.FullMask(shape)


def attend_of(call: Call) -> Callable[[Array, Array, Array], Array]:
    """Query, key, value -> output, differentiable once."""
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_kernel as kernels
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_mask as masks

    q, kv = (next(b for b in BLOCKS if n % b == 0) for n in (call.layout.n_receivers, call.layout.n_senders))
    names = "block_kv", "block_kv_compute", "block_kv_dkv", "block_kv_dkv_compute", "block_kv_dq"
    sizes = kernels.BlockSizes(block_q=q, block_q_dkv=q, block_q_dq=q, **dict.fromkeys(names, kv))
    splash = kernels.make_splash_mha(
        masks.MultiHeadMask([mask_of(call, masks)] * call.query.shape[1]),
        block_sizes=sizes,
        head_shards=1,
        q_seq_shards=1,
        interpret=INTERPRET,
    )

    def attend(query, key, value):
        heads_first = (jnp.moveaxis(x, 1, 0) for x in (query * jnp.asarray(call.scale, query.dtype), key, value))
        return jnp.moveaxis(splash(*heads_first), 0, 1)

    return attend
