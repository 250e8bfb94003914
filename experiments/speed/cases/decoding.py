"""A language model token by token with a cache, beside the same weights in torch: a batch of whole sequences."""

# pyright: reportMissingImports=false
# The peers are installed where they are measured.

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from experiments.speed.cases.case import Case
from experiments.speed.contestant import Contestant, from_jax
from tgnn.nn import stack
from tgnn.nn.decoding import decode_step, init_cache
from tgnn.nn.transformer import TransformerConfig, init_language_model
from tgnn.planning.cost import Cost
from tgnn.typing import Array, Params

VOCAB = 65  # characters of Tiny Shakespeare
SIZES = {"small": (4, 128, 4, 256), "tiny": (2, 16, 2, 8)}  # blocks, features, heads, tokens


def cases(family, size, config, data_dir) -> list[Case]:
    """By model and batch, such as decode-small-32; all tokens are given, so that both sides read the same."""
    name, batch = size.split("-")
    depth, dim, heads, length = SIZES[name]
    sizes = TransformerConfig(
        VOCAB, model_dim=dim, num_layers=depth, num_heads=heads, max_length=length, use_bias=False
    )
    params = jax.tree.map(np.asarray, init_language_model(jax.random.key(0), sizes))
    tokens = np.random.default_rng(0).integers(0, VOCAB, (int(batch), length)).astype(np.int32)
    sides = {
        "torch": partial(in_torch, params, tokens, heads),
        "tgnn": lambda: from_jax(jax.vmap(decode, (None, 0)), listed(params), [tokens], tokens, gradients=False),
        "tgnn, stacked": lambda: from_jax(jax.vmap(decode, (None, 0)), params, [tokens], tokens, gradients=False),
    }
    nothing = Cost(0, 0, 0, 0, 0)
    return [Case(f"{family}-{size}", "torch", sides, nothing, nothing)]


def decode(params: Params, tokens: Array) -> Array:
    """The logits after each token: [length, vocab_size]."""

    def step(cache, token):
        logits, cache = decode_step(params, cache, token[None], encoding=None)
        return cache, logits[0]

    return jax.lax.scan(step, init_cache(params, len(tokens)), jnp.asarray(tokens))[1]


def listed(params: Params) -> Params:
    """The blocks one by one, as they are read: of a stack each would be cut out at every token."""
    decoder = params["decoder"]
    return params | {"decoder": decoder | {"blocks": stack.listed(decoder["blocks"])}}


def in_torch(params: Params, tokens: np.ndarray, heads: int) -> Contestant:
    """Keys and values in tensors that each step fills, read by scaled_dot_product_attention."""
    import torch

    tree = jax.tree.map(lambda x: torch.from_numpy(np.array(x)), params)
    given = torch.from_numpy(tokens.astype(np.int64))
    run = torch.inference_mode()(lambda: logits_of(tree, given, heads))
    run()
    return Contestant(run, None, lambda found: [found.numpy()])


def logits_of(params, tokens, heads: int):
    """The equations of `language_model`, a token at a time."""
    import torch
    from torch.nn.functional import layer_norm, linear, relu, scaled_dot_product_attention

    blocks, table = params["decoder"]["blocks"], params["embedding"]["table"]
    depth, dim = blocks["attention"]["norm_before"]["scale"].shape
    batch, length = tokens.shape
    shape = batch, heads, length, dim // heads
    past = [[torch.zeros(shape), torch.zeros(shape)] for _ in range(depth)]

    def norm(part, x):
        return layer_norm(x, (dim,), part["scale"], part["bias"])

    def of(part: str, name: str, i: int):  # [dim_out, dim_in]
        return kernel(blocks[part][name]["kernel"][i], dim)

    weights = [
        {
            "qkv": torch.cat([of("attention", x, i) for x in ("query", "key", "value")]),
            "output": blocks["attention"]["output"]["kernel"][i].reshape(dim, dim).T.contiguous(),
            "up": of("mlp", "up", i),
            "down": blocks["mlp"]["down"]["kernel"][i].T.contiguous(),
            **{part: {k: x[i] for k, x in blocks[part]["norm_before"].items()} for part in ("attention", "mlp")},
        }
        for i in range(depth)
    ]
    result = []
    for t in range(length):
        x = (table[tokens[:, t]] + params["positions"]["table"][t]) * dim**0.5
        for own, (keys, values) in zip(weights, past, strict=True):
            query, key, value = linear(norm(own["attention"], x), own["qkv"]).view(batch, 3, heads, -1).unbind(1)
            keys[:, :, t], values[:, :, t] = key, value
            mixed = scaled_dot_product_attention(query[:, :, None], keys[:, :, : t + 1], values[:, :, : t + 1])
            x = x + linear(mixed.reshape(batch, dim), own["output"])
            x = x + linear(relu(linear(norm(own["mlp"], x), own["up"])), own["down"])
        result.append(linear(norm(params["decoder"]["norm"], x), table))
    return torch.stack(result, 1)


def kernel(x, dim: int):
    """[dim_in, ...] -> [dim_out, dim_in], in memory too."""
    return x.reshape(dim, -1).T.contiguous()
