"""Llama: a pre-LN decoder with rotary positions, root-mean-square norms, gated maps and grouped queries.

Reference: Touvron et al., Llama 2, arXiv:2307.09288.
"""

from typing import Any

from tgnn.pretrained.bert import read_activation
from tgnn.pretrained.model import Model
from tgnn.pretrained.tensors import Config, Tensors, from_heads, to_heads
from tgnn.typing import Params


def read_llama(config: Config, tensors: Tensors) -> tuple[Params, Model]:
    """The parameters and the model of a checkpoint of Llama."""
    dim, num_layers, vocab_size = (config.size(x) for x in ("hidden_size", "num_hidden_layers", "vocab_size"))
    inner = tensors.under("model.", "")
    blocks = [read_block(config, inner.under(f"layers.{i}."), dim) for i in range(num_layers)]
    params: Params = {
        "embedding": inner.table("embed_tokens.weight", vocab_size, dim),
        "decoder": {"blocks": blocks, "norm": inner.norm("norm", dim, use_bias=False)},
    }
    if not config.choice("tie_word_embeddings", False, (False, True)):
        params["output"] = tensors.linear("lm_head", dim, vocab_size, use_bias=False)
    return params, Model(
        architecture="llama",
        layers=tuple(range(num_layers)),
        vocab_size=vocab_size,
        max_length=config.size("max_position_embeddings", 2048),
        is_causal=True,
        activation=read_activation(config, "hidden_act", "silu"),
        norm="rms",
        epsilon=config.number("rms_norm_eps", 1e-6),
        rope_base=read_rope_base(config),
    )


def read_rope_base(config: Config) -> float:
    """The base of plain rotary positions, in the older and the newer form of the config."""
    rope = Config(config.path, {"rope_theta": config.get("rope_theta")} | _rope(config))
    kind: Any = rope.get("rope_type", rope.get("type", "default"))
    if kind != "default":
        raise ValueError(f"{config.path} has rope_type {kind!r}, but only 'default' is known; load another checkpoint")
    return rope.number("rope_theta", 10_000.0)


def _rope(config: Config) -> dict[str, Any]:
    found = config.get("rope_parameters", config.get("rope_scaling", {}))
    if not isinstance(found, dict):
        raise ValueError(f"{config.path} has rope_parameters {found!r}, expected an object; get the published file")
    return found


def read_block(config: Config, tensors: Tensors, dim: int) -> Params:
    """One block; key and value may have fewer heads than the query."""
    heads, hidden = config.size("num_attention_heads"), config.size("intermediate_size")
    key_heads = config.size("num_key_value_heads", heads)
    if heads % key_heads:
        raise ValueError(f"{config.path} has {key_heads} key heads, no divisor of {heads}; get the published file")
    head_dim = config.size("head_dim", None if config.get("head_dim") else config.head_dim(heads, dim))
    with_bias = {"use_bias": config.choice("attention_bias", False, (False, True))}
    attention: Params = {"norm_before": tensors.norm("input_layernorm", dim, use_bias=False)}
    for name, count in (("query", heads), ("key", key_heads), ("value", key_heads)):
        projection = tensors.linear(f"self_attn.{name[0]}_proj", dim, count * head_dim, **with_bias)
        attention[name] = to_heads(projection, count, head_dim)
    output = tensors.linear("self_attn.o_proj", heads * head_dim, dim, **with_bias)
    with_bias = {"use_bias": config.choice("mlp_bias", False, (False, True))}
    return {
        "attention": attention | {"output": from_heads(output, heads, head_dim)},
        "mlp": {
            "norm_before": tensors.norm("post_attention_layernorm", dim, use_bias=False),
            "gate": tensors.linear("mlp.gate_proj", dim, hidden, **with_bias),
            "up": tensors.linear("mlp.up_proj", dim, hidden, **with_bias),
            "down": tensors.linear("mlp.down_proj", hidden, dim, **with_bias),
        },
    }
