"""BERT and RoBERTa: post-LN encoders on the complete graph.

Reference: Devlin et al., BERT, arXiv:1810.04805; Liu et al., RoBERTa, arXiv:1907.11692.
"""

from tgnn.pretrained.model import Model
from tgnn.pretrained.tensors import Config, Tensors, from_heads, to_heads
from tgnn.typing import Params

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}


def read_bert(config: Config, tensors: Tensors) -> tuple[Params, Model]:
    """The parameters and the model of a checkpoint of BERT or RoBERTa."""
    kind = config.settings["model_type"]
    tensors = tensors.under(f"{kind}.", "")
    dim, num_layers = config.size("hidden_size"), config.size("num_hidden_layers")
    config.choice("position_embedding_type", "absolute", ("absolute",))
    config.choice("is_decoder", False, (False,))
    blocks = [read_block(config, tensors.under(f"encoder.layer.{i}."), dim) for i in range(num_layers)]
    params = read_embeddings(config, tensors.under("embeddings."), dim) | {"encoder": {"blocks": blocks}}
    padding = config.get("pad_token_id", 1) if kind == "roberta" else None
    return params, encoder_model(kind, config, tuple(range(num_layers)), padding)


def encoder_model(kind: str, config: Config, layers: tuple[int, ...], padding: int | None = None) -> Model:
    """The model of an encoder whose config has BERT's names."""
    rows = config.size("max_position_embeddings")
    return Model(
        architecture=kind,
        layers=layers,
        vocab_size=config.size("vocab_size"),
        max_length=rows if padding is None else rows - padding - 1,
        is_causal=False,
        activation=read_activation(config, "hidden_act", "gelu"),
        norm="layer",
        epsilon=config.number("layer_norm_eps", 1e-12),
        padding_id=padding,
    )


def read_activation(config: Config, name: str, default: str) -> str:
    """This library's name of an activation."""
    return ACTIVATIONS[config.choice(name, default, tuple(ACTIVATIONS))]


def read_embeddings(config: Config, tensors: Tensors, dim: int) -> Params:
    """The tables of words, positions and types, and the norm of their sum."""
    return {
        "embedding": tensors.table("word_embeddings.weight", config.size("vocab_size"), dim),
        "positions": tensors.table("position_embeddings.weight", config.size("max_position_embeddings"), dim),
        "types": tensors.table("token_type_embeddings.weight", config.size("type_vocab_size", 2), dim),
        "embedding_norm": tensors.norm("LayerNorm", dim),
    }


def read_block(config: Config, tensors: Tensors, dim: int) -> Params:
    """One block under BERT's names."""
    hidden = config.size("intermediate_size")
    attention = read_attention(config, tensors.under("attention.self."), tensors, "attention.output.dense", dim)
    mlp = {
        "up": tensors.linear("intermediate.dense", dim, hidden),
        "down": tensors.linear("output.dense", hidden, dim),
    }
    return {
        "attention": attention | {"norm_after": tensors.norm("attention.output.LayerNorm", dim)},
        "mlp": mlp | {"norm_after": tensors.norm("output.LayerNorm", dim)},
    }


def read_attention(config: Config, projections: Tensors, tensors: Tensors, output: str, dim: int) -> Params:
    """Three projections to heads, and one back."""
    heads = config.size("num_attention_heads")
    head_dim = config.head_dim(heads, dim)
    parts = {name: to_heads(projections.linear(name, dim, dim), heads, head_dim) for name in ("query", "key", "value")}
    return parts | {"output": from_heads(tensors.linear(output, dim, dim), heads, head_dim)}
