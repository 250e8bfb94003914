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
    """Hidden states of every layer and weights of every layer of one text; t without prefix.

    Edges are `[n, n]`, `[heads, n, n]`, or a list of these for each layer.
    """
    heads, epsilon = config["num_attention_heads"], config["layer_norm_eps"]
    positions = np.arange(len(ids)) if positions is None else positions
    x = t["embeddings.word_embeddings.weight"][ids] + t["embeddings.position_embeddings.weight"][positions]
    x = x + t["embeddings.token_type_embeddings.weight"][np.zeros_like(ids) if types is None else types]
    x = layer_norm(t, "embeddings.LayerNorm", x, epsilon)
    hidden, weights = [x], []
    for i in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{i}"
        parts = [dense(t, f"{name}.attention.self.{part}", x) for part in ("query", "key", "value")]
        mixed, layer_weights = attend(*parts, heads, edges[i] if isinstance(edges, list) else edges)
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


def gpt2(t, config, ids):
    """Hidden states, the last one normalised, and logits of one text; t without prefix."""
    epsilon, edges = config["layer_norm_epsilon"], np.tril(np.ones((len(ids), len(ids)), bool))
    conv = lambda name, x: x @ t[f"{name}.weight"] + t[f"{name}.bias"]  # noqa: E731
    x = t["wte.weight"][ids] + t["wpe.weight"][: len(ids)]
    hidden = [x]
    for i in range(config["n_layer"]):
        parts = np.split(conv(f"h.{i}.attn.c_attn", layer_norm(t, f"h.{i}.ln_1", x, epsilon)), 3, axis=-1)
        x = x + conv(f"h.{i}.attn.c_proj", attend(*parts, config["n_head"], edges)[0])
        inner = gelu_tanh(conv(f"h.{i}.mlp.c_fc", layer_norm(t, f"h.{i}.ln_2", x, epsilon)))
        x = x + conv(f"h.{i}.mlp.c_proj", inner)
        hidden.append(x)
    hidden[-1] = layer_norm(t, "ln_f", x, epsilon)
    return hidden, hidden[-1] @ t["wte.weight"].T


def rms_norm(t, name, x, epsilon):
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + epsilon) * t[f"{name}.weight"]


def rotate_halves(x, head_dim, base):
    """[n, heads * head_dim]: features i and i + head_dim / 2 turn by the position times base^(-2i / head_dim)."""
    n = len(x)
    x = x.reshape(n, -1, head_dim)
    angle = np.arange(n)[:, None, None] * base ** (-np.arange(0, head_dim, 2) / head_dim)
    first, second = np.split(x, 2, axis=-1)
    turned = [first * np.cos(angle) - second * np.sin(angle), second * np.cos(angle) + first * np.sin(angle)]
    return np.concatenate(turned, axis=-1).reshape(n, -1)


def llama(t, config, ids, output):
    """As `gpt2`, with the output's weights."""
    epsilon, head_dim, base = config["rms_norm_eps"], config["head_dim"], config["rope_theta"]
    heads, edges = config["num_attention_heads"], np.tril(np.ones((len(ids), len(ids)), bool))
    shared = heads // config["num_key_value_heads"]
    repeat = lambda x: np.repeat(x.reshape(len(x), -1, head_dim), shared, axis=1).reshape(len(x), -1)  # noqa: E731
    x = t["embed_tokens.weight"][ids]
    hidden = [x]
    for i in range(config["num_hidden_layers"]):
        name = f"layers.{i}"
        rows = rms_norm(t, f"{name}.input_layernorm", x, epsilon)
        query, key, value = (rows @ t[f"{name}.self_attn.{part}_proj.weight"].T for part in "qkv")
        query, key = (rotate_halves(part, head_dim, base) for part in (query, key))
        mixed = attend(query, repeat(key), repeat(value), heads, edges)[0]
        x = x + mixed @ t[f"{name}.self_attn.o_proj.weight"].T
        rows = rms_norm(t, f"{name}.post_attention_layernorm", x, epsilon)
        gate, up = (rows @ t[f"{name}.mlp.{part}_proj.weight"].T for part in ("gate", "up"))
        x = x + (gate / (1 + np.exp(-gate)) * up) @ t[f"{name}.mlp.down_proj.weight"].T
        hidden.append(x)
    hidden[-1] = rms_norm(t, "norm", x, epsilon)
    return hidden, hidden[-1] @ output.T


def relative_error(found, expected):
    """The largest error over the largest number."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    assert found.shape == expected.shape
    return np.abs(found - expected).max() / np.abs(expected).max()
