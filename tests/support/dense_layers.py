"""The parts of Transformers in plain matrix products: nothing here comes from the library."""

import jax
import jax.numpy as jnp
import numpy as np


def affine(params, x):
    """A linear map whose output may have heads."""
    y = jnp.einsum("...i,io->...o", x, params["kernel"].reshape(x.shape[-1], -1))
    bias = params.get("bias")
    y = y.reshape(*x.shape[:-1], *params["kernel"].shape[1:])
    return y if bias is None else y + jnp.broadcast_to(bias, y.shape)


def merge(params, x):
    """A linear map from heads."""
    y = x.reshape(*x.shape[:-2], -1) @ params["kernel"].reshape(-1, params["kernel"].shape[-1])
    return y + jnp.broadcast_to(params["bias"], y.shape) if "bias" in params else y


def standardise(params, x):
    x = (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return x * jnp.broadcast_to(params["scale"], x.shape) + jnp.broadcast_to(params["bias"], x.shape)


def perceptron(params, x, activation=jax.nn.relu):
    return affine(params["down"], activation(affine(params["up"], x)))


def masked_softmax(logits, mask):
    """Over senders, [n, m, heads]."""
    logits = jnp.where(mask[..., None], logits, -1e9)
    raw = jnp.where(mask[..., None], jnp.exp(logits - logits.max(axis=1, keepdims=True)), 0)
    return raw / jnp.maximum(raw.sum(axis=1, keepdims=True), 1e-30)


def dense_attention(params, x, mask, bias=0.0):
    """Multi-head attention of a Transformer."""
    query, key, value = (affine(params[name], x) for name in ("query", "key", "value"))
    logits = jnp.einsum("nhd,mhd->nmh", query, key) / np.sqrt(query.shape[-1]) + bias
    return merge(params["output"], jnp.einsum("nmh,mhd->nhd", masked_softmax(logits, mask), value))


def dense_update(params, x, heads):
    x = standardise(params["norm"], x + merge(params["output"], heads))
    return standardise(params["mlp_norm"], x + perceptron(params["mlp"], x))
