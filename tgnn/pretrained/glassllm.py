"""glassllm: a small Llama in one npz file, config included; its rotation turns neighbouring features.

Reference: the package glassllm; equations as in Llama 2, arXiv:2307.09288.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from tgnn.pretrained.model import Model
from tgnn.pretrained.tensors import Config, Tensors, from_heads, to_heads
from tgnn.typing import Params


def config_of(path: Path, arrays: dict[str, np.ndarray]) -> Config:
    """The config inside of the file."""
    text = str(arrays.get("__config__", ""))
    try:
        settings: Any = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} has no config under '__config__' ({error}); pass a file of glassllm") from error
    if not isinstance(settings, dict):
        raise ValueError(f"{path} has the config {text!r:.40}, expected a JSON object; pass a file of glassllm")
    return Config(path, settings)


def read_glassllm(config: Config, tensors: Tensors) -> tuple[Params, Model]:
    """The parameters and the model of a file of glassllm."""
    dim, num_layers, vocab_size = (config.size(x) for x in ("d_model", "n_layers", "vocab_size"))
    heads, key_heads = config.size("n_heads"), config.size("n_kv_heads")
    blocks = [read_block(tensors.under(f"blocks.{i}."), dim, heads, key_heads, config) for i in range(num_layers)]
    params = {
        "embedding": tensors.table("E", vocab_size, dim),
        "decoder": {"blocks": blocks, "norm": {"scale": tensors.take("norm_f.gamma", dim)}},
    }
    return params, Model(
        architecture="glassllm",
        layers=tuple(range(num_layers)),
        vocab_size=vocab_size,
        max_length=config.size("max_len"),
        is_causal=True,
        activation="silu",
        norm="rms",
        epsilon=config.number("eps", 1e-6),
        rope_base=config.number("rope_base", 10_000.0),
        rope_interleaved=True,
    )


def read_block(tensors: Tensors, dim: int, heads: int, key_heads: int, config: Config) -> Params:
    """One block, whose maps are stored from inputs to outputs, without biases."""
    head_dim, hidden = config.head_dim(heads, dim), 8 * dim // 3

    def heads_of(name: str, count: int) -> Params:
        return to_heads({"kernel": tensors.take(name, dim, count * head_dim)}, count, head_dim)

    return {
        "attention": {
            "norm_before": {"scale": tensors.take("norm1.gamma", dim)},
            "query": heads_of("attn.W_Q", heads),
            "key": heads_of("attn.W_K", key_heads),
            "value": heads_of("attn.W_V", key_heads),
            "output": from_heads({"kernel": tensors.take("attn.W_O", dim, dim)}, heads, head_dim),
        },
        "mlp": {
            "norm_before": {"scale": tensors.take("norm2.gamma", dim)},
            "gate": {"kernel": tensors.take("ffn.W1", dim, hidden)},
            "up": {"kernel": tensors.take("ffn.W3", dim, hidden)},
            "down": {"kernel": tensors.take("ffn.W2", hidden, dim)},
        },
    }
