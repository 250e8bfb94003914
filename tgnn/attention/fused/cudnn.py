"""Complete and Causal on NVIDIA GPUs through cuDNN, where its data types, sizes and masks allow.

cuDNN gives mean(value) for a row without any edge, so only layouts in which every receiver has one come here. Reached
through `jax.nn`, so that no kernel and no compiler parameter is kept in this library.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from tgnn.attention.call import Call
from tgnn.attention.fused import kernel
from tgnn.attention.fused.execution import Execution, Form, backend, is_plain
from tgnn.typing import Array

LARGEST_HEAD_DIM = 128  # on every generation


def on_gpu() -> bool:
    """Whether programs are compiled for an NVIDIA GPU by default."""
    return backend() == "gpu"


class CuDNN(Execution):
    """cuDNN's fused attention."""

    name = "cuDNN"
    form: Form = "matrix"
    when = "on NVIDIA GPUs"
    has_statistics = False

    def refusal(self, call: Call) -> str | None:
        if not on_gpu():
            return "it is for NVIDIA GPUs"
        if not is_plain(call):
            return "it takes dot products without bias, edge arrays and dropout, and a number as scale"
        if call.layout.known_mask() not in (("full",), ("causal",)):
            return "its masks are complete and causal, without segments; its windows took longer than the definition"
        dim = call.query.shape[-1]
        if dim != call.value.shape[-1] or dim % 8 or not 0 < dim <= LARGEST_HEAD_DIM:
            return f"head_dim is {dim} and value_dim {call.value.shape[-1]}; it needs one multiple of 8 up to 128"
        if not call.query.dtype == call.key.dtype == call.value.dtype in (jnp.bfloat16, jnp.float16):
            return "it computes in bfloat16 or float16"
        return None

    def is_faster(self, call: Call) -> bool:
        return True

    def run(self, call: Call) -> Array:
        return kernel.run(attend_of, call)


def attend_of(call: Call) -> Callable[[Array, Array, Array], Array]:
    """Query, key, value -> output, differentiable once."""

    def attend(query, key, value):
        batch = (x[None] for x in (query, key, value))
        is_causal = call.layout.known_mask() == ("causal",)
        return jax.nn.dot_product_attention(*batch, scale=call.scale, is_causal=is_causal, implementation="cudnn")[0]

    return attend
