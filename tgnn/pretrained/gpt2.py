"""GPT-2: a pre-LN decoder with learned positions.

Reference: Radford et al., Language Models are Unsupervised Multitask Learners, 2019.
"""

from tgnn.pretrained.bert import read_activation
from tgnn.pretrained.model import Model
from tgnn.pretrained.tensors import Config, Tensors, joined_attention
from tgnn.typing import Params


def read_gpt2(config: Config, tensors: Tensors) -> tuple[Params, Model]:
    """The parameters and the model of a checkpoint of GPT-2."""
    dim, num_layers, vocab_size = (config.size(x) for x in ("n_embd", "n_layer", "vocab_size"))
    config.choice("scale_attn_weights", True, (True,))
    config.choice("scale_attn_by_inverse_layer_idx", False, (False,))
    config.choice("add_cross_attention", False, (False,))
    inner, rows = tensors.under("transformer.", ""), config.size("n_positions", 1024)
    params: Params = {
        "embedding": inner.table("wte.weight", vocab_size, dim),
        "positions": inner.table("wpe.weight", rows, dim),
        "decoder": {
            "blocks": [read_block(config, inner.under(f"h.{i}."), dim) for i in range(num_layers)],
            "norm": inner.norm("ln_f", dim),
        },
    }
    if not config.choice("tie_word_embeddings", True, (False, True)):
        params["output"] = tensors.linear("lm_head", dim, vocab_size, use_bias=False)
    return params, Model(
        architecture="gpt2",
        layers=tuple(range(num_layers)),
        vocab_size=vocab_size,
        max_length=rows,
        is_causal=True,
        activation=read_activation(config, "activation_function", "gelu_new"),
        norm="layer",
        epsilon=config.number("layer_norm_epsilon", 1e-5),
    )


def read_block(config: Config, tensors: Tensors, dim: int) -> Params:
    """One block, whose maps are stored from inputs to outputs."""
    heads, hidden = config.size("n_head"), config.size("n_inner", 4 * dim)
    config.head_dim(heads, dim)
    projection = tensors.linear("attn.c_attn", dim, 3 * dim, transposed=False)
    attention = joined_attention(projection, tensors.linear("attn.c_proj", dim, dim, transposed=False), heads)
    return {
        "attention": attention | {"norm_before": tensors.norm("ln_1", dim)},
        "mlp": {
            "norm_before": tensors.norm("ln_2", dim),
            "up": tensors.linear("mlp.c_fc", dim, hidden, transposed=False),
            "down": tensors.linear("mlp.c_proj", hidden, dim, transposed=False),
        },
    }
