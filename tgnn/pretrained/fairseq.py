"""RoBERTa as fairseq saves it, such as Sapiens: settings and weights in one torch file, with other names.

Reference: Liu et al., RoBERTa, arXiv:1907.11692; Prihoda et al., BioPhi, mAbs 2022 (Sapiens, of antibodies).
"""

from pathlib import Path
from typing import Any

from tgnn.pretrained.bert import read_activation
from tgnn.pretrained.model import Model
from tgnn.pretrained.tensors import Config, Tensors, from_heads, to_heads
from tgnn.typing import Params

PADDING = 1  # in every dictionary of fairseq, whose first words are <s>, <pad>, </s> and <unk>


def settings_of(path: Path, saved: Any) -> tuple[Config, dict[str, Any]]:
    """The settings and the arrays of a file.

    Raises:
        ValueError: it is no file of a RoBERTa of fairseq.
    """
    args = saved.get("args") if isinstance(saved, dict) else None
    arrays = saved.get("model") if isinstance(saved, dict) else None
    if not isinstance(args, dict) or not isinstance(arrays, dict) or not str(args.get("arch")).startswith("roberta"):
        raise ValueError(
            f"{path} is no RoBERTa of fairseq (a dict with args and model); pass the folder of another checkpoint, "
            "with its config.json"
        )
    return Config(path, args), arrays


def read_fairseq(config: Config, tensors: Tensors) -> tuple[Params, Model]:
    """The parameters and the model of a RoBERTa of fairseq."""
    tensors = tensors.under("decoder.sentence_encoder.", "encoder.sentence_encoder.")
    dim, num_layers = config.size("encoder_embed_dim"), config.size("encoder_layers")
    vocab_size, max_length = tensors.shape("embed_tokens.weight")[0], config.size("max_positions")
    config.choice("encoder_normalize_before", False, (False,))
    params = {
        "embedding": tensors.table("embed_tokens.weight", vocab_size, dim),
        "positions": tensors.table("embed_positions.weight", max_length + PADDING + 1, dim),
        "embedding_norm": tensors.norm("emb_layer_norm", dim),
        "encoder": {"blocks": [read_block(config, tensors.under(f"layers.{i}."), dim) for i in range(num_layers)]},
    }
    return params, Model(
        architecture="roberta",
        layers=tuple(range(num_layers)),
        vocab_size=vocab_size,
        max_length=max_length,
        is_causal=False,
        activation=read_activation(config, "activation_fn", "gelu"),
        norm="layer",
        epsilon=1e-5,
        padding_id=PADDING,
    )


def read_block(config: Config, tensors: Tensors, dim: int) -> Params:
    """One post-LN block under fairseq's names."""
    heads, hidden = config.size("encoder_attention_heads"), config.size("encoder_ffn_embed_dim")
    head_dim = config.head_dim(heads, dim)
    maps = {name: tensors.linear(f"self_attn.{name[0]}_proj", dim, dim) for name in ("query", "key", "value")}
    attention = {name: to_heads(part, heads, head_dim) for name, part in maps.items()}
    attention["output"] = from_heads(tensors.linear("self_attn.out_proj", dim, dim), heads, head_dim)
    return {
        "attention": attention | {"norm_after": tensors.norm("self_attn_layer_norm", dim)},
        "mlp": {
            "up": tensors.linear("fc1", dim, hidden),
            "down": tensors.linear("fc2", hidden, dim),
            "norm_after": tensors.norm("final_layer_norm", dim),
        },
    }
