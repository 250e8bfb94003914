"""Complete and causal graphs: what Transformers run, 8 heads of 64."""

# pyright: reportMissingImports=false
# The peers are installed where they are measured.

from functools import partial

import jax
import jax.numpy as jnp

import tgnn
from experiments.speed.cases.case import Case, arrays, tensors
from experiments.speed.contestant import from_jax, from_torch
from tgnn.planning.cost import cost

HEADS, HEAD_DIM = 8, 64
BFLOAT16_TOLERANCE = 0.02  # weights and gradients of the logits are rounded to 8 bits on the way
FLEX_SIZES = 64, 2048  # FlexAttention takes 20 seconds to compile


def cases(family, size, config, data_dir) -> list[Case]:
    """Complete or causal, by the number of nodes."""
    nodes, _, dtype = size.partition("-")
    n, causal = int(nodes), family == "causal"
    layout = tgnn.Causal(n) if causal else tgnn.Complete(n)
    *inputs, cotangent = arrays(1, *[(n, HEADS, HEAD_DIM)] * 4)
    if dtype:
        *inputs, cotangent = (jnp.asarray(x, dtype) for x in (*inputs, cotangent))
    peer = partial(from_jax, inputs=inputs, cotangent=cotangent)
    sides = {
        "SDPA": lambda: sdpa(inputs, cotangent, is_causal=causal),
        "jax.nn": lambda: peer(partial(jax_nn, is_causal=causal), None),
        "tgnn": lambda: peer(tgnn.attend, layout),
    }
    if n <= 2048:  # it computes what jax.nn does
        past_mask = jnp.tril(jnp.ones((n, n), bool))[None] if causal else None
        sides["flax"] = lambda: peer(flax_attention, past_mask)
    if n in FLEX_SIZES:
        sides["FlexAttention"] = lambda: flex(inputs, cotangent, past if causal else None)
    costs = (cost(layout, HEADS, HEAD_DIM, gradients=yes) for yes in (False, True))
    return [Case(f"{family}-{size}", "SDPA", sides, *costs, *((BFLOAT16_TOLERANCE,) if dtype else ()))]


def sdpa(inputs, cotangent, *, mask=None, is_causal: bool = False):
    """torch's scaled_dot_product_attention: a fused kernel on CPU as well."""
    from torch.nn.functional import scaled_dot_product_attention

    attention = partial(scaled_dot_product_attention, attn_mask=mask, is_causal=is_causal)
    return in_torch(attention, inputs, cotangent)


def flex(inputs, cotangent, mask_mod=None):
    """FlexAttention under torch.compile, which has no backward pass on CPU."""
    import torch
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    n, gpu = inputs[0].shape[0], torch.cuda.is_available()
    block_mask = mask_mod and create_block_mask(mask_mod, None, None, n, n, device="cuda" if gpu else "cpu")
    attention = partial(flex_attention, block_mask=block_mask)
    return in_torch(attention, inputs, cotangent, compile=True, gradients=gpu)


def past(batch, head, receiver, sender):
    """Causal, in the words of FlexAttention."""
    return receiver >= sender


def in_torch(attention, inputs, cotangent, **options):
    """[n, heads, dim] here is [1, heads, n, dim] there, contiguous as its own models have it."""
    heads_first = [x.transpose(1, 0, 2)[None] for x in (*inputs, cotangent)]
    *inputs, cotangent = tensors(*heads_first)
    return from_torch(attention, inputs, cotangent, views=lambda x: x[0].transpose(1, 0, 2), **options)


def jax_nn(_, query, key, value, **options):
    """What JAX ships."""
    return jax.nn.dot_product_attention(query[None], key[None], value[None], **options)[0]


def flax_attention(mask, query, key, value):
    """What Flax's modules call."""
    from flax import linen

    return linen.dot_product_attention(query, key, value, mask=mask)
