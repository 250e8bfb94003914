"""Published networks once more, in NumPy float64 and straight from the published tensors and their names."""

import numpy as np
from scipy.special import erf


def wide(tensors):
    return {name: np.asarray(x, np.float64) for name, x in tensors.items()}


def layer_norm(t, name, x, epsilon):
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon)
    return scaled * t[f"{name}.weight"] + t[f"{name}.bias"]


def dense(t, name, x):
    return x @ t[f"{name}.weight"].T + t[f"{name}.bias"]


def gelu(x):
    return x * (1 + erf(x / np.sqrt(2))) / 2


def gelu_tanh(x):
    return x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2


def attend(query, key, value, heads, edges):
    """`[n, dim]` each -> output `[n, dim]` and weights `[heads, n, m]`, on edges `[n, m]`."""
    query, key, value = (x.reshape(len(x), heads, -1).transpose(1, 0, 2) for x in (query, key, value))
    logits = np.where(edges, query @ key.transpose(0, 2, 1) / np.sqrt(query.shape[-1]), -np.inf)
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    weights = weights / weights.sum(-1, keepdims=True)
    return (weights @ value).transpose(1, 0, 2).reshape(query.shape[1], -1), weights


def bert(t, config, ids, edges, positions=None, types=None):
    """Hidden states of every layer and weights of every layer of one text; t without prefix."""
    heads, epsilon = config["num_attention_heads"], config["layer_norm_eps"]
    positions = np.arange(len(ids)) if positions is None else positions
    x = t["embeddings.word_embeddings.weight"][ids] + t["embeddings.position_embeddings.weight"][positions]
    x = x + t["embeddings.token_type_embeddings.weight"][np.zeros_like(ids) if types is None else types]
    x = layer_norm(t, "embeddings.LayerNorm", x, epsilon)
    hidden, weights = [x], []
    for i in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{i}"
        parts = [dense(t, f"{name}.attention.self.{part}", x) for part in ("query", "key", "value")]
        mixed, layer_weights = attend(*parts, heads, edges)
        mixed = dense(t, f"{name}.attention.output.dense", mixed)
        x = layer_norm(t, f"{name}.attention.output.LayerNorm", x + mixed, epsilon)
        inner = dense(t, f"{name}.output.dense", gelu(dense(t, f"{name}.intermediate.dense", x)))
        x = layer_norm(t, f"{name}.output.LayerNorm", x + inner, epsilon)
        hidden.append(x)
        weights.append(layer_weights)
    return hidden, weights


def albert(t, config, ids, edges):
    """As `bert`; t without prefix."""
    heads, epsilon = config["num_attention_heads"], config["layer_norm_eps"]
    x = t["embeddings.word_embeddings.weight"][ids] + t["embeddings.position_embeddings.weight"][: len(ids)]
    x = layer_norm(t, "embeddings.LayerNorm", x + t["embeddings.token_type_embeddings.weight"][0], epsilon)
    x = dense(t, "encoder.embedding_hidden_mapping_in", x)
    hidden, weights = [x], []
    name = "encoder.albert_layer_groups.0.albert_layers.0"
    for _ in range(config["num_hidden_layers"]):
        parts = [dense(t, f"{name}.attention.{part}", x) for part in ("query", "key", "value")]
        mixed, layer_weights = attend(*parts, heads, edges)
        x = layer_norm(t, f"{name}.attention.LayerNorm", x + dense(t, f"{name}.attention.dense", mixed), epsilon)
        inner = dense(t, f"{name}.ffn_output", gelu(dense(t, f"{name}.ffn", x)))
        x = layer_norm(t, f"{name}.full_layer_layer_norm", x + inner, epsilon)
        hidden.append(x)
        weights.append(layer_weights)
    return hidden, weights


def relative_error(found, expected):
    """The largest error over the largest number."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    assert found.shape == expected.shape
    return np.abs(found - expected).max() / np.abs(expected).max()
